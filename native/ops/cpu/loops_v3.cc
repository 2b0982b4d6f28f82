// Compiled for x86-64-v3 (AVX2, FMA, F16C; see CMakeLists.txt), and only called where the machine has it.
#if defined(__x86_64__)
#define ESPALIER_ISA v3
#include "ops/cpu/loops_body.h"
#endif
