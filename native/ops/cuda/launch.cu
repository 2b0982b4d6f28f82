#include "ops/cuda/kernels.cuh"
#include "ops/cuda/launch.h"
#include "ops/cuda/start.cuh"

namespace espalier::cuda {
namespace {

// A launch of nothing is an error for CUDA, and nothing to do for us.
template <class Kernel, class... Arguments>
cudaError_t Launched(Kernel kernel, uint32_t blocks, cudaStream_t stream, const Arguments&... arguments) {
  if (blocks == 0) return cudaSuccess;
  Start(kernel, blocks, stream, arguments...);
  return cudaGetLastError();
}

// launch(a value of the element's type, the pointers), with `per_tensor` pointers for each tensor.
template <class Launch>
cudaError_t LaunchedWith(PointerList list, uint32_t per_tensor, Precision precision, const DeviceTables& tables,
                         Launch launch) {
  const uint32_t count = per_tensor * tables.tensor_count;
  if (count > kMaxPointers) return cudaErrorInvalidValue;
  Pointers pointers;
  for (uint32_t i = 0; i < count; i++) pointers.of[i] = list[i];
  switch (precision) {
    case Precision::kFloat:
      return launch(float{}, pointers);
    case Precision::kHalf:
      return launch(c10::Half{}, pointers);
    case Precision::kBFloat16:
      return launch(c10::BFloat16{}, pointers);
  }
  return cudaErrorInvalidValue;
}

}  // namespace

cudaError_t LaunchApply(Precision precision, const DeviceTables& tables, const float* arena, PointerList list,
                        float scale, cudaStream_t stream) {
  return LaunchedWith(list, 2, precision, tables, [&](auto type, const Pointers& pointers) {
    return Launched(ApplyKernel<decltype(type)>, tables.chunk_count, stream, tables.tensors, tables.chunks, arena,
                    pointers, scale);
  });
}

cudaError_t LaunchSgd(Precision precision, const DeviceTables& tables, const float* arena, PointerList list,
                      const SgdRule& rule, cudaStream_t stream) {
  const bool has_momentum = rule.momentum != 0;
  return LaunchedWith(list, has_momentum ? 3 : 2, precision, tables, [&](auto type, const Pointers& pointers) {
    using T = decltype(type);
    return Launched(has_momentum ? SgdKernel<T, true> : SgdKernel<T, false>, tables.chunk_count, stream, tables.tensors,
                    tables.chunks, arena, pointers, rule);
  });
}

cudaError_t LaunchAdamw(Precision precision, const DeviceTables& tables, const float* arena, PointerList list,
                        const AdamwRule& rule, cudaStream_t stream) {
  return LaunchedWith(list, 4, precision, tables, [&](auto type, const Pointers& pointers) {
    return Launched(AdamwKernel<decltype(type)>, tables.chunk_count, stream, tables.tensors, tables.chunks, arena,
                    pointers, rule);
  });
}

cudaError_t LaunchNorms(Precision precision, const DeviceTables& tables, PointerList list, Norm norm, float* partials,
                        cudaStream_t stream) {
  return LaunchedWith(list, 2, precision, tables, [&](auto type, const Pointers& pointers) {
    return Launched(NormsKernel<decltype(type)>, tables.tile_count, stream, tables.tensors, tables.tiles, partials,
                    pointers, norm);
  });
}

cudaError_t LaunchSlots(const DeviceTables& tables, const float* partials, float* slots, cudaStream_t stream) {
  return Launched(SlotsKernel, tables.slot_block_count, stream, tables.tensors, tables.slot_blocks, partials, slots);
}

cudaError_t LaunchGather(const int32_t* begin, const int32_t* columns, const float* values, float* sums, uint32_t rows,
                         cudaStream_t stream) {
  return Launched(GatherKernel, (rows + kThreads - 1) / kThreads, stream, begin, columns, values, sums, rows);
}

cudaError_t LaunchGrow(const Group* groups, uint32_t group_count, const float* sums, float* importance, float* reg,
                       int32_t* skipped, float delta, float ceiling, cudaStream_t stream) {
  return Launched(GrowKernel, group_count, stream, groups, sums, importance, reg, skipped, delta, ceiling);
}

}  // namespace espalier::cuda
