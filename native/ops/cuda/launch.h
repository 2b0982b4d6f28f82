#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "ops/cuda/tables.h"
#include "ops/norm.h"

// Raw launchers: memory of the device, sizes, a stream. No tensor, no allocation, nothing that waits. The pointers of
// the tensors are copied into the launch; all else must stay where it is, so that a CUDA graph can hold the launch.
namespace espalier::cuda {

using ops::Norm;

enum class Precision { kFloat, kHalf, kBFloat16 };

// Tables of a set of tensors, on the device.
struct DeviceTables {
  const TensorDesc* tensors;
  const uint32_t* chunks;
  const uint32_t* tiles;
  const SlotBlock* slot_blocks;
  uint32_t tensor_count, chunk_count, tile_count, slot_block_count;
};

// Kernel parameters may take up to 32,764 bytes since CUDA 12.1.
constexpr uint32_t kMaxPointers = 3840;

// Tensor by tensor: weight, gradient, and what the step keeps. At most kMaxPointers in all. A tensor whose weight is
// null is left alone.
using PointerList = void* const*;

struct SgdRule {
  float lr, momentum, weight_decay;
  bool nesterov;
  bool decoupled;
};

struct AdamwRule {
  float beta1, rest1, beta2, rest2;
  float size;  // lr / (1 - beta1^step)
  float root;  // sqrt(1 - beta2^step)
  float eps;
  float decay;  // lr * weight decay
  float lr;
  bool decoupled;
};

struct Group {
  int32_t first, size;
};

// gradient += scale * coefficient * weight
cudaError_t LaunchApply(Precision precision, const DeviceTables& tables, const float* arena, PointerList pointers,
                        float scale, cudaStream_t stream);
// Without momentum no velocity is among the pointers.
cudaError_t LaunchSgd(Precision precision, const DeviceTables& tables, const float* arena, PointerList pointers,
                      const SgdRule& rule, cudaStream_t stream);
cudaError_t LaunchAdamw(Precision precision, const DeviceTables& tables, const float* arena, PointerList pointers,
                        const AdamwRule& rule, cudaStream_t stream);
// Partial sums of the tensors of one precision; then, when those of all are there, one sum for each slot.
cudaError_t LaunchNorms(Precision precision, const DeviceTables& tables, PointerList pointers, Norm norm,
                        float* partials, cudaStream_t stream);
cudaError_t LaunchSlots(const DeviceTables& tables, const float* partials, float* slots, cudaStream_t stream);
// sums[row] = the sum of the values that row names
cudaError_t LaunchGather(const int32_t* begin, const int32_t* columns, const float* values, float* sums, uint32_t rows,
                         cudaStream_t stream);
cudaError_t LaunchGrow(const Group* groups, uint32_t group_count, const float* sums, float* importance, float* reg,
                       int32_t* skipped, float delta, float ceiling, cudaStream_t stream);

}  // namespace espalier::cuda
