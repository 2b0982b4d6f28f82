#pragma once

#include <cstdint>

#include "ops/layout.h"
#include "ops/norm.h"

// The loops over weights. They are bound by memory; compiled once for every x86-64 machine and once for those with
// AVX2.
namespace espalier::ops {

struct SgdRule {
  double lr, momentum, weight_decay;
  bool nesterov;
  bool decoupled;  // the penalty shrinks the weight by lr * coefficient, past the momentum
};

struct AdamwRule {
  double lr, beta1, beta2, eps, weight_decay;
  double correction1, correction2;  // 1 - beta^step
  bool decoupled;
};

// One tensor of a call: its layout, and its memory as pointers to the tensor's dtype.
struct Weights {
  Layout layout;
  const float* coefficients;  // the arena
  void* weight;
  void* gradient;
  void* first;   // momentum; AdamW's first moment
  void* second;  // AdamW's second moment
};

// For one dtype. Elements are counted in memory order; arithmetic is in float (double for double).
struct Loops {
  // gradient += scale * coefficient * weight, on elements [begin, end)
  void (*apply)(const Weights& weights, int64_t begin, int64_t end, double scale);
  // gradient = scale * coefficient * weight
  void (*assign)(const Weights& weights, int64_t begin, int64_t end, double scale);
  void (*sgd)(const Weights& weights, int64_t begin, int64_t end, const SgdRule& rule);
  void (*adamw)(const Weights& weights, int64_t begin, int64_t end, const AdamwRule& rule);
  // Sums over rows [begin, end): one for each row to row_sums[begin ...], and one for each column to column_sums
  // [columns]. Either may be null.
  void (*norms)(const Weights& weights, int64_t begin, int64_t end, Norm norm, float* row_sums, double* column_sums);
  // The same with every product and sum in double.
  void (*precise_norms)(const Weights& weights, int64_t begin, int64_t end, Norm norm, double* row_sums,
                        double* column_sums);
};

enum class Precision { kDouble, kFloat, kHalf, kBFloat16 };
namespace baseline {
const Loops& Of(Precision precision);
}
namespace v3 {
const Loops& Of(Precision precision);
}

}  // namespace espalier::ops
