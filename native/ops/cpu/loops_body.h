// The loops, compiled twice: see loops_baseline.cc and loops_v3.cc. Nothing here may come from a header that other
// files include, too: the linker keeps one copy of an inline function, and it might be the one for the newer machine.

#include <cmath>
#include <cstring>

#include "ops/cpu/loops.h"

namespace espalier::ops::ESPALIER_ISA {
namespace {

struct Half {
  _Float16 value;
};

struct BFloat16 {
  uint16_t bits;
};

inline float Load(float x) { return x; }
inline double Load(double x) { return x; }
inline float Load(Half x) { return static_cast<float>(x.value); }
inline float Load(BFloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline void Store(float& to, float x) { to = x; }
inline void Store(double& to, double x) { to = x; }
inline void Store(Half& to, float x) { to.value = static_cast<_Float16>(x); }
inline void Store(BFloat16& to, float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  // Round to nearest even; a NaN stays one.
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  to.bits = static_cast<uint16_t>(x != x ? 0x7fc0 : rounded);
}

// The type of the arithmetic.
template <class T>
struct Wide {
  using Type = float;
};
template <>
struct Wide<double> {
  using Type = double;
};

// Calls body(start, length, row's coefficient, columns' coefficients or null) for each row that [begin, end) touches.
template <class Body>
inline void ForRows(const Weights& weights, int64_t begin, int64_t end, Body body) {
  const Layout& layout = weights.layout;
  const float* rows = layout.row_offset < 0 ? nullptr : weights.coefficients + layout.row_offset;
  const float* columns = layout.column_offset < 0 ? nullptr : weights.coefficients + layout.column_offset;
  int64_t row = begin / layout.columns;
  int64_t column = begin - row * layout.columns;
  for (int64_t at = begin; at < end; row++, column = 0) {
    const int64_t rest = layout.columns - column;
    const int64_t length = rest < end - at ? rest : end - at;
    body(at, length, rows == nullptr ? 0.0f : rows[row], columns == nullptr ? nullptr : columns + column);
    at += length;
  }
}

// body(i, coefficient) for every element. Two loops, so that each is a plain one over arrays.
template <class Body>
inline void ForElements(const Weights& weights, int64_t begin, int64_t end, Body body) {
  ForRows(weights, begin, end, [&](int64_t start, int64_t length, float row, const float* columns) {
    if (columns == nullptr) {
#pragma GCC ivdep
      for (int64_t i = 0; i < length; i++) body(start + i, row);
    } else {
#pragma GCC ivdep
      for (int64_t i = 0; i < length; i++) body(start + i, row + columns[i]);
    }
  });
}

template <class T, bool kAdd>
void Apply(const Weights& weights, int64_t begin, int64_t end, double scale) {
  using W = typename Wide<T>::Type;
  const T* w = static_cast<const T*>(weights.weight);
  T* g = static_cast<T*>(weights.gradient);
  const W by = static_cast<W>(scale);
  ForElements(weights, begin, end, [=](int64_t i, float coefficient) {
    const W term = by * coefficient * Load(w[i]);
    Store(g[i], kAdd ? Load(g[i]) + term : term);
  });
}

template <class T, bool kMomentum, bool kNesterov>
void SgdStep(const Weights& weights, int64_t begin, int64_t end, const SgdRule& rule) {
  using W = typename Wide<T>::Type;
  T* w = static_cast<T*>(weights.weight);
  const T* g = static_cast<const T*>(weights.gradient);
  T* v = static_cast<T*>(weights.first);
  const W lr = rule.lr, momentum = rule.momentum, decay = rule.weight_decay;
  const W coupled = rule.decoupled ? 0 : 1, shrink = rule.decoupled ? rule.lr : 0;
  ForElements(weights, begin, end, [=](int64_t i, float coefficient) {
    const W weight = Load(w[i]);
    const W gradient = Load(g[i]) + (decay + coupled * coefficient) * weight;
    W step = gradient;
    if (kMomentum) {
      const W velocity = momentum * Load(v[i]) + gradient;
      Store(v[i], velocity);
      step = kNesterov ? gradient + momentum * velocity : velocity;
    }
    Store(w[i], weight - shrink * coefficient * weight - lr * step);
  });
}

template <class T>
void Sgd(const Weights& weights, int64_t begin, int64_t end, const SgdRule& rule) {
  if (rule.momentum == 0) {
    SgdStep<T, false, false>(weights, begin, end, rule);
  } else if (rule.nesterov) {
    SgdStep<T, true, true>(weights, begin, end, rule);
  } else {
    SgdStep<T, true, false>(weights, begin, end, rule);
  }
}

template <class T>
void Adamw(const Weights& weights, int64_t begin, int64_t end, const AdamwRule& rule) {
  using W = typename Wide<T>::Type;
  T* w = static_cast<T*>(weights.weight);
  const T* g = static_cast<const T*>(weights.gradient);
  T* m = static_cast<T*>(weights.first);
  T* v = static_cast<T*>(weights.second);
  const W beta1 = rule.beta1, beta2 = rule.beta2, eps = rule.eps;
  const W rest1 = 1 - rule.beta1, rest2 = 1 - rule.beta2;
  const W decay = rule.lr * rule.weight_decay;
  const W coupled = rule.decoupled ? 0 : 1, shrink = rule.decoupled ? rule.lr : 0;
  const W size = rule.lr / rule.correction1, root = std::sqrt(rule.correction2);
  ForElements(weights, begin, end, [=](int64_t i, float coefficient) {
    const W weight = Load(w[i]);
    const W gradient = Load(g[i]) + coupled * coefficient * weight;
    const W mean = beta1 * Load(m[i]) + rest1 * gradient;
    const W square = beta2 * Load(v[i]) + rest2 * gradient * gradient;
    Store(m[i], mean);
    Store(v[i], square);
    const W kept = weight - (decay + shrink * coefficient) * weight;
    Store(w[i], kept - size * mean / (std::sqrt(square) / root + eps));
  });
}

#if defined(__AVX__)
constexpr int64_t kWidth = 8;
#else
constexpr int64_t kWidth = 4;
#endif
typedef float Vector __attribute__((vector_size(kWidth * sizeof(float))));

inline Vector LoadVector(const float* from) {
  Vector values;
  std::memcpy(&values, from, sizeof values);
  return values;
}

// A column's sum is kept in float over this many rows, then in double; a row's in kWidth parts over this many columns,
// then in one float.
constexpr int64_t kRowBlock = 64;
constexpr int64_t kStrip = 2048;
constexpr int64_t kRows = 4;  // at a time: a load and a store of the columns' sums serves them all

template <Norm kNorm, class W>
inline float NormOf(W weight, W gradient) {
  if (kNorm == Norm::kSquare) return static_cast<float>(weight * weight);
  if (kNorm == Norm::kTimesGradient) return static_cast<float>(weight * gradient);
  return static_cast<float>(weight < 0 ? -weight : weight);
}

template <Norm kNorm, class T>
inline Vector NormsAt(const T* weight, const T* gradient) {
  float norms[kWidth];
  for (int64_t lane = 0; lane < kWidth; lane++) norms[lane] = NormOf<kNorm>(Load(weight[lane]), Load(gradient[lane]));
  return LoadVector(norms);
}

template <Norm kNorm>
inline Vector NormsAt(const float* weight, const float* gradient) {
  const Vector own = LoadVector(weight);
  if (kNorm == Norm::kSquare) return own * own;
  if (kNorm == Norm::kTimesGradient) return own * LoadVector(gradient);
  return own < 0 ? -own : own;
}

// `count` rows, `width` columns of each: adds to the sums of the rows, and to those of the columns in `strip`.
template <Norm kNorm, int64_t kCount, class T>
inline void NormsOfRows(const T* w, const T* g, int64_t columns, int64_t width, float* row_sums, float* strip) {
  Vector rows[kCount] = {};
  int64_t i = 0;
  for (; i + kWidth <= width; i += kWidth) {
    Vector sums = LoadVector(strip + i);
    for (int64_t row = 0; row < kCount; row++) {
      const Vector norms = NormsAt<kNorm>(w + row * columns + i, g + row * columns + i);
      rows[row] += norms;
      sums += norms;
    }
    std::memcpy(strip + i, &sums, sizeof sums);
  }
  for (int64_t row = 0; row < kCount; row++) {
    float sum = 0;
    for (int64_t k = i; k < width; k++) {
      const float norm = NormOf<kNorm>(Load(w[row * columns + k]), Load(g[row * columns + k]));
      sum += norm;
      strip[k] += norm;
    }
    for (int64_t half = kWidth / 2; half > 0; half /= 2) {
      for (int64_t lane = 0; lane < half; lane++) rows[row][lane] += rows[row][lane + half];
    }
    row_sums[row] += rows[row][0] + sum;
  }
}

template <class T, Norm kNorm>
void NormsOf(const Weights& weights, int64_t begin, int64_t end, float* row_sums, double* column_sums) {
  const int64_t columns = weights.layout.columns;
  const T* w = static_cast<const T*>(weights.weight);
  const T* g = kNorm == Norm::kTimesGradient ? static_cast<const T*>(weights.gradient) : w;
  float strip[kStrip], block[kRowBlock];
  for (int64_t first = begin; first < end; first += kRowBlock) {
    const int64_t rows = first + kRowBlock < end ? kRowBlock : end - first;
    std::memset(block, 0, rows * sizeof(float));
    for (int64_t left = 0; left < columns; left += kStrip) {
      const int64_t width = left + kStrip < columns ? kStrip : columns - left;
      const int64_t at = first * columns + left;
      std::memset(strip, 0, width * sizeof(float));
      int64_t row = 0;
      for (; row + kRows <= rows; row += kRows) {
        const int64_t from = at + row * columns;
        NormsOfRows<kNorm, kRows>(w + from, g + from, columns, width, block + row, strip);
      }
      for (; row < rows; row++) {
        const int64_t from = at + row * columns;
        NormsOfRows<kNorm, 1>(w + from, g + from, columns, width, block + row, strip);
      }
      if (column_sums == nullptr) continue;
      for (int64_t i = 0; i < width; i++) column_sums[left + i] += strip[i];
    }
    if (row_sums != nullptr) std::memcpy(row_sums + first, block, rows * sizeof(float));
  }
}

template <class T>
void Norms(const Weights& weights, int64_t begin, int64_t end, Norm norm, float* row_sums, double* column_sums) {
  switch (norm) {
    case Norm::kAbs:
      return NormsOf<T, Norm::kAbs>(weights, begin, end, row_sums, column_sums);
    case Norm::kSquare:
      return NormsOf<T, Norm::kSquare>(weights, begin, end, row_sums, column_sums);
    case Norm::kTimesGradient:
      return NormsOf<T, Norm::kTimesGradient>(weights, begin, end, row_sums, column_sums);
  }
}

constexpr int64_t kDoubles = kWidth / 2;
typedef double Doubles __attribute__((vector_size(kDoubles * sizeof(double))));
typedef float HalfVector __attribute__((vector_size(kDoubles * sizeof(float))));

template <class T>
inline Doubles LoadDoubles(const T* from) {
  Doubles values;
  for (int64_t lane = 0; lane < kDoubles; lane++) values[lane] = Load(from[lane]);
  return values;
}

inline Doubles LoadDoubles(const float* from) {
  HalfVector values;
  std::memcpy(&values, from, sizeof values);
  return __builtin_convertvector(values, Doubles);
}

template <Norm kNorm>
inline Doubles PreciseNorms(Doubles weight, Doubles gradient) {
  if (kNorm == Norm::kSquare) return weight * weight;
  if (kNorm == Norm::kTimesGradient) return weight * gradient;
  return weight < 0 ? -weight : weight;
}

template <Norm kNorm>
inline double PreciseNorm(double weight, double gradient) {
  if (kNorm == Norm::kSquare) return weight * weight;
  if (kNorm == Norm::kTimesGradient) return weight * gradient;
  return weight < 0 ? -weight : weight;
}

// As NormsOfRows, in double.
template <Norm kNorm, int64_t kCount, class T>
inline void PreciseNormsOfRows(const T* w, const T* g, int64_t columns, int64_t width, double* row_sums,
                               double* strip) {
  Doubles rows[kCount] = {};
  int64_t i = 0;
  for (; i + kDoubles <= width; i += kDoubles) {
    Doubles sums;
    std::memcpy(&sums, strip + i, sizeof sums);
    for (int64_t row = 0; row < kCount; row++) {
      const int64_t at = row * columns + i;
      const Doubles norms = PreciseNorms<kNorm>(LoadDoubles(w + at), LoadDoubles(g + at));
      rows[row] += norms;
      sums += norms;
    }
    std::memcpy(strip + i, &sums, sizeof sums);
  }
  for (int64_t row = 0; row < kCount; row++) {
    double sum = 0;
    for (int64_t k = i; k < width; k++) {
      const double norm = PreciseNorm<kNorm>(Load(w[row * columns + k]), Load(g[row * columns + k]));
      sum += norm;
      strip[k] += norm;
    }
    for (int64_t lane = 0; lane < kDoubles; lane++) sum += rows[row][lane];
    row_sums[row] += sum;
  }
}

template <class T, Norm kNorm>
void PreciseNormsOf(const Weights& weights, int64_t begin, int64_t end, double* row_sums, double* column_sums) {
  const int64_t columns = weights.layout.columns;
  const T* w = static_cast<const T*>(weights.weight);
  const T* g = kNorm == Norm::kTimesGradient ? static_cast<const T*>(weights.gradient) : w;
  double strip[kStrip], block[kRowBlock];
  for (int64_t first = begin; first < end; first += kRowBlock) {
    const int64_t rows = first + kRowBlock < end ? kRowBlock : end - first;
    std::memset(block, 0, rows * sizeof(double));
    for (int64_t left = 0; left < columns; left += kStrip) {
      const int64_t width = left + kStrip < columns ? kStrip : columns - left;
      const int64_t at = first * columns + left;
      std::memset(strip, 0, width * sizeof(double));
      int64_t row = 0;
      for (; row + kRows <= rows; row += kRows) {
        const int64_t from = at + row * columns;
        PreciseNormsOfRows<kNorm, kRows>(w + from, g + from, columns, width, block + row, strip);
      }
      for (; row < rows; row++) {
        const int64_t from = at + row * columns;
        PreciseNormsOfRows<kNorm, 1>(w + from, g + from, columns, width, block + row, strip);
      }
      if (column_sums == nullptr) continue;
      for (int64_t i = 0; i < width; i++) column_sums[left + i] += strip[i];
    }
    if (row_sums != nullptr) std::memcpy(row_sums + first, block, rows * sizeof(double));
  }
}

template <class T>
void PreciseNorms(const Weights& weights, int64_t begin, int64_t end, Norm norm, double* row_sums,
                  double* column_sums) {
  switch (norm) {
    case Norm::kAbs:
      return PreciseNormsOf<T, Norm::kAbs>(weights, begin, end, row_sums, column_sums);
    case Norm::kSquare:
      return PreciseNormsOf<T, Norm::kSquare>(weights, begin, end, row_sums, column_sums);
    case Norm::kTimesGradient:
      return PreciseNormsOf<T, Norm::kTimesGradient>(weights, begin, end, row_sums, column_sums);
  }
}

template <class T>
constexpr Loops kLoops = {Apply<T, true>, Apply<T, false>, Sgd<T>, Adamw<T>, Norms<T>, PreciseNorms<T>};

}  // namespace

const Loops& Of(Precision precision) {
  switch (precision) {
    case Precision::kDouble:
      return kLoops<double>;
    case Precision::kHalf:
      return kLoops<Half>;
    case Precision::kBFloat16:
      return kLoops<BFloat16>;
    case Precision::kFloat:
      break;
  }
  return kLoops<float>;
}

}  // namespace espalier::ops::ESPALIER_ISA
