#include "rest/rest.h"
