#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "ops/cuda/tables.h"

// Raw launchers: memory of the device, sizes, a stream. No tensor, no allocation, nothing that waits. The pointers of
// the tensors are copied into the launch; all else must stay where it is, so that a CUDA graph can hold the launch.
namespace espalier::cuda {

enum class Precision { kFloat, kHalf, kBFloat16 };

// Tables of a set of tensors, on the device.
struct DeviceTables {
  const TensorDesc* tensors;
  const uint32_t* chunks;
  const uint32_t* tiles;
  const SlotBlock* slot_blocks;
  uint32_t tensor_count, chunk_count, tile_count, slot_block_count;
};

// Tensor by tensor: weight, gradient, and what the step keeps. At most 3,840 pointers in all.
using PointerList = void* const*;

cudaError_t LaunchApply(Precision precision, const DeviceTables& tables, const float* arena, PointerList pointers,
                        float scale, cudaStream_t stream);
struct SgdRule;
cudaError_t LaunchSgd(Precision precision, const DeviceTables& tables, const float* arena, PointerList pointers,
                      const SgdRule& rule, cudaStream_t stream);
struct AdamwRule;
cudaError_t LaunchAdamw(Precision precision, const DeviceTables& tables, const float* arena, PointerList pointers,
                        const AdamwRule& rule, cudaStream_t stream);
// Partial sums, then one sum for each slot.
enum class Norm : uint32_t;
cudaError_t LaunchNorms(Precision precision, const DeviceTables& tables, PointerList pointers, Norm norm,
                        float* partials, float* slots, cudaStream_t stream);
cudaError_t LaunchGather(const int32_t* begin, const int32_t* columns, const float* values, float* sums, uint32_t rows,
                         cudaStream_t stream);
struct Group;
cudaError_t LaunchGrow(const Group* groups, uint32_t group_count, const float* sums, float* importance, float* reg,
                       int32_t* skipped, float delta, float ceiling, cudaStream_t stream);

}  // namespace espalier::cuda
