#pragma once

// In place of native/ops/cuda/start.cuh: the emulator runs the kernel, and the launch is over when it returns.
#include "kernels/emulator.h"
#include "ops/cuda/tables.h"

namespace espalier::cuda {

template <class... Parameters, class... Arguments>
void Start(void (*kernel)(Parameters...), uint32_t blocks, cudaStream_t, const Arguments&... arguments) {
  emulator::Launch(blocks, kThreads, emulator::Order::kForward, [&] { kernel(arguments...); });
}

}  // namespace espalier::cuda
