#include "ops/cuda/kernels.cuh"
#include "ops/cuda/launch.h"

namespace espalier::cuda {
namespace {

// Calls launch with a value of the element's type.
template <class Launch>
void ForPrecision(Precision precision, Launch launch) {
  switch (precision) {
    case Precision::kFloat:
      return launch(float{});
    case Precision::kHalf:
      return launch(c10::Half{});
    case Precision::kBFloat16:
      return launch(c10::BFloat16{});
  }
}

bool Copy(Pointers& to, PointerList from, uint32_t count) {
  if (count > kMaxPointers) return false;
  for (uint32_t i = 0; i < count; i++) to.of[i] = from[i];
  return true;
}

// A launch of nothing is an error for CUDA, and nothing to do for us.
template <class Launch>
cudaError_t Launched(uint32_t blocks, Launch launch) {
  if (blocks == 0) return cudaSuccess;
  launch();
  return cudaGetLastError();
}

// launch(a value of the element's type, pointers), with `per_tensor` pointers for each tensor.
template <class Launch>
cudaError_t LaunchedWith(PointerList list, uint32_t per_tensor, Precision precision, const DeviceTables& tables,
                         uint32_t blocks, Launch launch) {
  Pointers pointers;
  if (!Copy(pointers, list, per_tensor * tables.tensor_count)) return cudaErrorInvalidValue;
  return Launched(blocks, [&] { ForPrecision(precision, [&](auto type) { launch(type, pointers); }); });
}

}  // namespace

cudaError_t LaunchApply(Precision precision, const DeviceTables& tables, const float* arena, PointerList list,
                        float scale, cudaStream_t stream) {
  return LaunchedWith(list, 2, precision, tables, tables.chunk_count, [&](auto type, const Pointers& pointers) {
    ApplyKernel<decltype(type)>
        <<<tables.chunk_count, kThreads, 0, stream>>>(tables.tensors, tables.chunks, arena, pointers, scale);
  });
}

cudaError_t LaunchSgd(Precision precision, const DeviceTables& tables, const float* arena, PointerList list,
                      const SgdRule& rule, cudaStream_t stream) {
  return LaunchedWith(list, 3, precision, tables, tables.chunk_count, [&](auto type, const Pointers& pointers) {
    SgdKernel<decltype(type)>
        <<<tables.chunk_count, kThreads, 0, stream>>>(tables.tensors, tables.chunks, arena, pointers, rule);
  });
}

cudaError_t LaunchAdamw(Precision precision, const DeviceTables& tables, const float* arena, PointerList list,
                        const AdamwRule& rule, cudaStream_t stream) {
  return LaunchedWith(list, 4, precision, tables, tables.chunk_count, [&](auto type, const Pointers& pointers) {
    AdamwKernel<decltype(type)>
        <<<tables.chunk_count, kThreads, 0, stream>>>(tables.tensors, tables.chunks, arena, pointers, rule);
  });
}

cudaError_t LaunchNorms(Precision precision, const DeviceTables& tables, PointerList list, Norm norm, float* partials,
                        float* slots, cudaStream_t stream) {
  const cudaError_t first =
      LaunchedWith(list, 2, precision, tables, tables.tile_count, [&](auto type, const Pointers& pointers) {
        NormsKernel<decltype(type)>
            <<<tables.tile_count, kThreads, 0, stream>>>(tables.tensors, tables.tiles, partials, pointers, norm);
      });
  if (first != cudaSuccess) return first;
  return Launched(tables.slot_block_count, [&] {
    SlotsKernel<<<tables.slot_block_count, kThreads, 0, stream>>>(tables.tensors, tables.slot_blocks, partials, slots);
  });
}

cudaError_t LaunchGather(const int32_t* begin, const int32_t* columns, const float* values, float* sums, uint32_t rows,
                         cudaStream_t stream) {
  const uint32_t blocks = (rows + kThreads - 1) / kThreads;
  return Launched(blocks, [&] { GatherKernel<<<blocks, kThreads, 0, stream>>>(begin, columns, values, sums, rows); });
}

cudaError_t LaunchGrow(const Group* groups, uint32_t group_count, const float* sums, float* importance, float* reg,
                       int32_t* skipped, float delta, float ceiling, cudaStream_t stream) {
  return Launched(group_count, [&] {
    GrowKernel<<<group_count, kThreads, 0, stream>>>(groups, sums, importance, reg, skipped, delta, ceiling);
  });
}

}  // namespace espalier::cuda
