#include "grpc/rpc.h"
