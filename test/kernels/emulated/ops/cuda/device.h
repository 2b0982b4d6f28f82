#pragma once

// In place of native/ops/cuda/device.h: the CPU plays the device, so that the glue and the kernels below it can be
// compared with the operators of the CPU, which they replace.
#include <ATen/core/Tensor.h>
#include <c10/core/DispatchKey.h>
#include <cuda_runtime_api.h>

namespace espalier::cuda {

constexpr c10::DispatchKey kDispatchKey = c10::DispatchKey::CPU;
inline bool IsRegistered() { return false; }

class OnDevice {
 public:
  explicit OnDevice(const at::Tensor&) {}
  cudaStream_t stream() const { return nullptr; }
};

inline void Check(cudaError_t status) { TORCH_CHECK(status == cudaSuccess, "CUDA error ", status); }

}  // namespace espalier::cuda
