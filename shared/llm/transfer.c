#include "shared/llm/llm.h"
