#include "shared/pipeline/core.h"
