#pragma once

#include "ops/cuda/tables.h"

namespace espalier::cuda {

// Launches a kernel with a thread block of kThreads for each of `blocks`.
template <class... Parameters, class... Arguments>
void Start(void (*kernel)(Parameters...), uint32_t blocks, cudaStream_t stream, const Arguments&... arguments) {
  kernel<<<blocks, kThreads, 0, stream>>>(arguments...);
}

}  // namespace espalier::cuda
