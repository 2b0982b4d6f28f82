// What is done with units: sums of their norms, growth of their penalties, and the way back into the arena.

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/arguments.h"
#include "ops/operators.h"

namespace espalier::ops {
namespace {

// sums[row] = the sum of the values that row names
template <class Sum>
void Gather(const at::Tensor& to, const at::Tensor& from, const at::Tensor& begin, const at::Tensor& columns) {
  const int64_t rows = to.numel();
  CheckRowStarts(begin, rows, columns.numel());
  CheckColumns(columns, from.numel());
  float* sums = to.data_ptr<float>();
  const float* values = from.const_data_ptr<float>();
  const int32_t* first = begin.const_data_ptr<int32_t>();
  const int32_t* column = columns.const_data_ptr<int32_t>();
  int32_t k = 0;
  for (int64_t row = 0; row < rows; row++) {
    const int32_t end = first[row + 1];
    Sum sum = 0;
    // Most rows have one value: unrolled, they would only pay for the choice of the way in.
#pragma GCC unroll 1
    for (; k < end; k++) sum += values[column[k]];
    sums[row] = static_cast<float>(sum);
  }
}

void RegScatter(const at::Tensor& coefficients, const at::Tensor& reg, const at::Tensor& begin,
                const at::Tensor& units) {
  CheckVector(coefficients, at::kFloat, "coefficients");
  CheckVector(reg, at::kFloat, "reg");
  Gather<float>(coefficients, reg, begin, units);
  Written({coefficients});
}

at::Tensor UnitSums(const at::Tensor& norms, const at::Tensor& begin, const at::Tensor& slots) {
  CheckVector(norms, at::kFloat, "norms");
  const at::Tensor sums = at::empty({std::max<int64_t>(0, begin.numel() - 1)}, at::kFloat);
  Gather<double>(sums, norms, begin, slots);
  return sums;
}

// One growth step of one group, in float: s = (max I - I) / (max I - min I + 1e-8), reg = min(reg + delta * s,
// ceiling). False when an importance is not finite; nothing is written then.
bool Grow(float* reg, float* importance, const float* sums, int64_t count, float delta, float ceiling) {
  double total = 0;
  for (int64_t unit = 0; unit < count; unit++) total += sums[unit];
  const double mean = total / static_cast<double>(count);
  float most = -std::numeric_limits<float>::infinity(), least = std::numeric_limits<float>::infinity();
  bool finite = true;
  for (int64_t unit = 0; unit < count; unit++) {
    importance[unit] = static_cast<float>(mean == 0 ? sums[unit] : sums[unit] / mean);
    finite = finite && std::isfinite(importance[unit]);
    most = std::max(most, importance[unit]);
    least = std::min(least, importance[unit]);
  }
  const float range = most - least + 1e-8f;
  for (int64_t unit = 0; finite && unit < count; unit++) {
    reg[unit] = std::min(reg[unit] + delta * ((most - importance[unit]) / range), ceiling);
  }
  return finite;
}

at::Tensor RegGrow(const at::Tensor& reg, const at::Tensor& skipped, const at::Tensor& sums, const at::Tensor& groups,
                   double delta, double ceiling) {
  CheckGrow(reg, skipped, sums, groups);
  CheckGroups(groups, reg.numel());
  const at::Tensor importance = at::empty({reg.numel()}, at::kFloat);
  const int32_t* group = groups.const_data_ptr<int32_t>();
  for (int64_t g = 0; g < groups.size(0); g++, group += kGroupFields) {
    const int64_t first = group[0];
    if (!Grow(reg.data_ptr<float>() + first, importance.data_ptr<float>() + first, sums.const_data_ptr<float>() + first,
              group[1], static_cast<float>(delta), static_cast<float>(ceiling))) {
      skipped.data_ptr<int32_t>()[g]++;
    }
  }
  Written({reg, skipped});
  return importance;
}

}  // namespace

void RegisterCpuGrowth(torch::Library& library) {
  library.impl("reg_scatter_", RegScatter);
  library.impl("unit_sums", UnitSums);
  library.impl("reg_grow_", RegGrow);
}

}  // namespace espalier::ops
