#include "shared/flow/contract.h"
