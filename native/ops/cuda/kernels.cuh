// The kernels, compiled by nvcc for the device and by g++ for the tests (test/kernels/emulator.h). No header of ATen:
// nvcc needs seconds then, not a minute.
//
// All are deterministic: sums have fixed slots and a fixed order, and nothing is added atomically. All arithmetic is in
// float. Nothing is divided where an index is computed.
#pragma once

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cstdint>

#include "ops/cuda/launch.h"

namespace espalier::cuda {

// Memory of the tensors of a launch, as kernel parameters.
struct Pointers {
  void* of[kMaxPointers];  // tensor by tensor
};

__device__ inline uint32_t Divide(uint32_t n, const Divisor& by) {
#ifdef __CUDA_ARCH__
  const uint32_t high = __umulhi(n, by.multiplier);
#else
  const auto high = static_cast<uint32_t>((static_cast<uint64_t>(n) * by.multiplier) >> 32);
#endif
  return (high + n) >> by.shift;  // n < 2^31: the sum does not overflow
}

template <class T>
struct alignas(16) Vector {
  static constexpr uint32_t kSize = 16 / sizeof(T);
  T values[kSize];
};

// The coefficient of one element after the other.
class Coefficients {
 public:
  __device__ Coefficients(const TensorDesc& tensor, const float* arena, uint32_t element)
      : tensor_(tensor), arena_(arena), row_(Divide(element, tensor.columns)) {
#ifdef BUG_DIMENSION
    column_ = row_;
#else
    column_ = element - row_ * tensor.columns.value;
#endif
    ReadRow();
  }
  __device__ float Here() const { return row_coefficient_ + (tensor_.column_offset < 0 ? 0.f : Column()); }
  // Not past the last element.
  __device__ void Next() {
    if (++column_ < tensor_.columns.value) return;
    column_ = 0;
    row_++;
    ReadRow();
  }

 private:
  __device__ float Column() const { return arena_[tensor_.column_offset + column_]; }
  __device__ void ReadRow() { row_coefficient_ = tensor_.row_offset < 0 ? 0.f : arena_[tensor_.row_offset + row_]; }

  const TensorDesc& tensor_;
  const float* arena_;
  uint32_t row_, column_;
  float row_coefficient_;
};

__device__ inline bool Aligned(const void* pointer) { return (reinterpret_cast<uintptr_t>(pointer) & 15) == 0; }

// step(values[kArrays], coefficient) for every element of a chunk; the arrays whose bit is in kWrites are written.
template <class T, int kArrays, unsigned kWrites, class Step>
__device__ void ForElements(const TensorDesc& tensor, const float* __restrict__ arena, T* const (&arrays)[kArrays],
                            uint32_t begin, uint32_t end, Step step) {
  constexpr uint32_t kSize = Vector<T>::kSize;
  bool aligned = true;
#pragma unroll
  for (int a = 0; a < kArrays; a++) aligned = aligned && Aligned(arrays[a]);
#ifdef BUG_TAIL
  const uint32_t whole = aligned ? (end + kSize - 1) / kSize * kSize : begin;
#else
  const uint32_t whole = aligned ? end / kSize * kSize : begin;  // begin is a multiple of every kSize
#endif
  for (uint32_t f = begin + threadIdx.x * kSize; f < whole; f += kThreads * kSize) {
    Vector<T> vectors[kArrays];
#pragma unroll
    for (int a = 0; a < kArrays; a++) vectors[a] = *reinterpret_cast<const Vector<T>*>(arrays[a] + f);
    Coefficients coefficients(tensor, arena, f);
#pragma unroll
    for (uint32_t j = 0; j < kSize; j++) {
      float values[kArrays];
#pragma unroll
      for (int a = 0; a < kArrays; a++) values[a] = static_cast<float>(vectors[a].values[j]);
      step(values, coefficients.Here());
#pragma unroll
      for (int a = 0; a < kArrays; a++) {
        if (kWrites >> a & 1) vectors[a].values[j] = static_cast<T>(values[a]);
      }
      if (j + 1 < kSize) coefficients.Next();
    }
#pragma unroll
    for (int a = 0; a < kArrays; a++) {
      if (kWrites >> a & 1) *reinterpret_cast<Vector<T>*>(arrays[a] + f) = vectors[a];
    }
  }
  for (uint32_t f = whole + threadIdx.x; f < end; f += kThreads) {
    float values[kArrays];
#pragma unroll
    for (int a = 0; a < kArrays; a++) values[a] = static_cast<float>(arrays[a][f]);
    step(values, Coefficients(tensor, arena, f).Here());
#pragma unroll
    for (int a = 0; a < kArrays; a++) {
      if (kWrites >> a & 1) arrays[a][f] = static_cast<T>(values[a]);
    }
  }
}

// The descriptor of a block's tensor, read once by the block.
__device__ inline void ReadDesc(TensorDesc& to, const TensorDesc* from) {
  if (threadIdx.x < sizeof(TensorDesc) / 4) {
    reinterpret_cast<uint32_t*>(&to)[threadIdx.x] = reinterpret_cast<const uint32_t*>(from)[threadIdx.x];
  }
#ifndef BUG_NO_BARRIER_DESC
  __syncthreads();
#endif
}

// One block for each chunk. step(values, coefficient) as above; pointers hold kArrays of each tensor.
template <class T, int kArrays, unsigned kWrites, class Step>
__device__ void ForChunk(TensorDesc& tensor, const TensorDesc* __restrict__ tensors,
                         const uint32_t* __restrict__ chunks, const float* __restrict__ arena, const Pointers& pointers,
                         Step step) {
  const uint32_t index = chunks[blockIdx.x];
  ReadDesc(tensor, tensors + index);
  T* arrays[kArrays];
#pragma unroll
  for (int a = 0; a < kArrays; a++) arrays[a] = static_cast<T*>(pointers.of[kArrays * index + a]);
  if (arrays[0] == nullptr) return;
#ifdef BUG_CHUNK
  const uint32_t begin = (blockIdx.x - tensor.first_chunk + 1) * kChunk;
#else
  const uint32_t begin = (blockIdx.x - tensor.first_chunk) * kChunk;
#endif
  const uint32_t end = begin + kChunk < tensor.elements ? begin + kChunk : tensor.elements;
  ForElements<T, kArrays, kWrites>(tensor, arena, arrays, begin, end, step);
}

// pointers: weight, gradient. gradient += scale * coefficient * weight
template <class T>
__global__ void __launch_bounds__(kThreads)
    ApplyKernel(const TensorDesc* __restrict__ tensors, const uint32_t* __restrict__ chunks,
                const float* __restrict__ arena, const __grid_constant__ Pointers pointers, float scale) {
  __shared__ TensorDesc tensor;
  ForChunk<T, 2, 0b10>(tensor, tensors, chunks, arena, pointers,
                       [scale](float(&x)[2], float coefficient) { x[1] += scale * coefficient * x[0]; });
}

// pointers: weight, gradient, and with momentum the velocity
template <class T, bool kMomentum>
__global__ void __launch_bounds__(kThreads)
    SgdKernel(const TensorDesc* __restrict__ tensors, const uint32_t* __restrict__ chunks,
              const float* __restrict__ arena, const __grid_constant__ Pointers pointers, SgdRule rule) {
  __shared__ TensorDesc tensor;
  constexpr int kArrays = kMomentum ? 3 : 2;
  constexpr unsigned kWrites = kMomentum ? 0b101 : 0b1;
  ForChunk<T, kArrays, kWrites>(tensor, tensors, chunks, arena, pointers,
                                [rule](float(&x)[kArrays], float coefficient) {
                                  float move = x[1] + (rule.weight_decay + (rule.decoupled ? 0.f : coefficient)) * x[0];
                                  if constexpr (kMomentum) {
                                    const float gradient = move;
                                    const float velocity = rule.momentum * x[2] + gradient;
                                    x[2] = velocity;
                                    move = rule.nesterov ? gradient + rule.momentum * velocity : velocity;
                                  }
                                  x[0] = x[0] - (rule.decoupled ? rule.lr * coefficient * x[0] : 0.f) - rule.lr * move;
                                });
}

// pointers: weight, gradient, mean, square
template <class T>
__global__ void __launch_bounds__(kThreads)
    AdamwKernel(const TensorDesc* __restrict__ tensors, const uint32_t* __restrict__ chunks,
                const float* __restrict__ arena, const __grid_constant__ Pointers pointers, AdamwRule rule) {
  __shared__ TensorDesc tensor;
  ForChunk<T, 4, 0b1101>(tensor, tensors, chunks, arena, pointers, [rule](float(&x)[4], float coefficient) {
    const float gradient = x[1] + (rule.decoupled ? 0.f : coefficient) * x[0];
    x[2] = rule.beta1 * x[2] + rule.rest1 * gradient;
    x[3] = rule.beta2 * x[3] + rule.rest2 * gradient * gradient;
    const float kept = x[0] - (rule.decay + (rule.decoupled ? rule.lr * coefficient : 0.f)) * x[0];
    x[0] = kept - rule.size * x[2] / (sqrtf(x[3]) / rule.root + rule.eps);
  });
}

__device__ inline float NormOf(Norm norm, float weight, float gradient) {
  return norm == Norm::kAbs ? fabsf(weight) : weight * (norm == Norm::kSquare ? weight : gradient);
}

// One block for each tile of 64 rows and 128 columns: a partial sum for each of its rows and columns.
// pointers: weight, gradient (only for kTimesGradient)
template <class T>
__global__ void __launch_bounds__(kThreads)
    NormsKernel(const TensorDesc* __restrict__ tensors, const uint32_t* __restrict__ tiles,
                float* __restrict__ partials, const __grid_constant__ Pointers pointers, Norm norm) {
  __shared__ TensorDesc tensor;
  __shared__ float sums[kWarps][kTileColumns];
  const uint32_t index = tiles[blockIdx.x];
  ReadDesc(tensor, tensors + index);
  const T* weight = static_cast<const T*>(pointers.of[2 * index]);
  if (weight == nullptr) return;
  const T* gradient = norm == Norm::kTimesGradient ? static_cast<const T*>(pointers.of[2 * index + 1]) : weight;
  const uint32_t tile = blockIdx.x - tensor.first_tile;
  const uint32_t down = Divide(tile, tensor.tiles_across);
  const uint32_t across = tile - down * tensor.tiles_across.value;
  const uint32_t warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const uint32_t columns = tensor.columns.value;
  const uint32_t last = (down + 1) * kTileRows < tensor.rows ? (down + 1) * kTileRows : tensor.rows;

  float own[kLaneColumns] = {};
  for (uint32_t row = down * kTileRows + warp; row < last; row += kWarps) {
    float sum = 0;
#pragma unroll
    for (uint32_t j = 0; j < kLaneColumns; j++) {
      // Neighbouring lanes read neighbouring elements.
      const uint32_t column = across * kTileColumns + j * kWarp + lane;
      if (column >= columns) continue;
      const uint32_t f = row * columns + column;
      const float value = NormOf(norm, static_cast<float>(weight[f]), static_cast<float>(gradient[f]));
      own[j] += value;
      sum += value;
    }
    if (tensor.row_offset < 0) continue;
    for (uint32_t step = kWarp / 2; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (lane == 0) partials[tensor.row_partials + across * tensor.rows + row] = sum;
  }
  if (tensor.column_offset < 0) return;
#pragma unroll
  for (uint32_t j = 0; j < kLaneColumns; j++) sums[warp][j * kWarp + lane] = own[j];
#ifndef BUG_NO_BARRIER_SUMS
  __syncthreads();
#endif
  const uint32_t column = across * kTileColumns + threadIdx.x;
  if (threadIdx.x >= kTileColumns || column >= columns) return;
  float total = 0;
  for (uint32_t w = 0; w < kWarps; w++) total += sums[w][threadIdx.x];
  partials[tensor.column_partials + down * columns + column] = total;
}

// A thread for each slot of the arena: its partial sums, in order.
__global__ void __launch_bounds__(kThreads)
    SlotsKernel(const TensorDesc* __restrict__ tensors, const SlotBlock* __restrict__ blocks,
                const float* __restrict__ partials, float* __restrict__ slots) {
  const SlotBlock block = blocks[blockIdx.x];
  const TensorDesc& tensor = tensors[block.tensor];
  const uint32_t slot = block.start + threadIdx.x;
  const uint32_t size = block.columns ? tensor.columns.value : tensor.rows;
  if (slot >= size) return;
  const uint32_t count = block.columns ? tensor.tiles_down : tensor.tiles_across.value;
  const float* from = partials + (block.columns ? tensor.column_partials : tensor.row_partials) + slot;
  float sum = 0;
  for (uint32_t k = 0; k < count; k++) sum += from[k * size];
  slots[(block.columns ? tensor.column_offset : tensor.row_offset) + slot] = sum;
}

// A thread for each row of a sparse matrix: the sum of the values that it names. Slots from reg, units from norms.
__global__ void __launch_bounds__(kThreads)
    GatherKernel(const int32_t* __restrict__ begin, const int32_t* __restrict__ columns,
                 const float* __restrict__ values, float* __restrict__ sums, uint32_t rows) {
  const uint32_t row = blockIdx.x * kThreads + threadIdx.x;
  if (row >= rows) return;
  float sum = 0;
  for (int32_t k = begin[row]; k < begin[row + 1]; k++) sum += values[columns[k]];
  sums[row] = sum;
}

__device__ inline float WarpMin(float x) {
  for (uint32_t step = kWarp / 2; step > 0; step /= 2) x = fminf(x, __shfl_xor_sync(0xffffffffu, x, step));
  return x;
}
__device__ inline float WarpMax(float x) {
  for (uint32_t step = kWarp / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
  return x;
}
__device__ inline float WarpSum(float x) {
  for (uint32_t step = kWarp / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

// One block for each group: I = sum / mean sum, reg = min(reg + delta * (max I - I) / (max I - min I + 1e-8), ceiling).
__global__ void __launch_bounds__(kThreads)
    GrowKernel(const Group* __restrict__ groups, const float* __restrict__ sums, float* __restrict__ importance,
               float* __restrict__ reg, int32_t* __restrict__ skipped, float delta, float ceiling) {
  __shared__ float least[kWarps], most[kWarps], total[kWarps];
  const Group group = groups[blockIdx.x];
  const uint32_t warp = threadIdx.x / kWarp;
  float low = INFINITY, high = -INFINITY, sum = 0;
  bool broken = false;
  for (int32_t unit = threadIdx.x; unit < group.size; unit += kThreads) {
    const float value = sums[group.first + unit];
    broken = broken || !(fabsf(value) < INFINITY);
    low = fminf(low, value);
    high = fmaxf(high, value);
    sum += value;
  }
  low = WarpMin(low);
  high = WarpMax(high);
  sum = WarpSum(sum);
  if (threadIdx.x % kWarp == 0) {
    least[warp] = low;
    most[warp] = high;
    total[warp] = sum;
  }
#ifdef BUG_NO_NAN_GUARD
  __syncthreads();
  const bool skip = false;
#elif defined(BUG_NO_BARRIER_GROW)
  const bool skip = broken;
#else
  const bool skip = __syncthreads_or(broken);
#endif
  sum = 0;
  for (uint32_t w = 0; w < kWarps; w++) {
    low = fminf(low, least[w]);
    high = fmaxf(high, most[w]);
    sum += total[w];
  }
  const float mean = sum / static_cast<float>(group.size);
  const float by = mean == 0 ? 1.f : 1.f / mean;
  const float range = high * by - low * by + 1e-8f;
  for (int32_t unit = threadIdx.x; unit < group.size; unit += kThreads) {
    const int32_t at = group.first + unit;
    importance[at] = sums[at] * by;
    if (!skip) reg[at] = fminf(reg[at] + delta * ((high * by - importance[at]) / range), ceiling);
  }
  if (skip && threadIdx.x == 0) skipped[blockIdx.x]++;
}

}  // namespace espalier::cuda
