#define ESPALIER_ISA baseline
#include "ops/cpu/loops_body.h"
