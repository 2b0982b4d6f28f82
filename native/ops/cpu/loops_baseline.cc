#define ESPALIER_ISA baseline
#include "ops/cpu/loops.inc"
