#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

// All that the glue asks of the device. Headers of c10 only: those of ATen/cuda need cuBLAS.
namespace espalier::cuda {

constexpr c10::DispatchKey kDispatchKey = c10::DispatchKey::CUDA;

// A process may hold two copies of the package: the first one's operators serve both.
inline bool IsRegistered() {
  const auto schema = c10::Dispatcher::singleton().findSchema({"espalier::reg_plan", ""});
  return schema.has_value() && schema->hasKernelForDispatchKey(kDispatchKey);
}

// The device of a tensor, as the current one, and its current stream.
class OnDevice {
 public:
  explicit OnDevice(const at::Tensor& tensor) : guard_(tensor.device()) {}
  cudaStream_t stream() const { return c10::cuda::getCurrentCUDAStream(); }

 private:
  c10::cuda::CUDAGuard guard_;
};

inline void Check(cudaError_t status) { C10_CUDA_CHECK(status); }

}  // namespace espalier::cuda
