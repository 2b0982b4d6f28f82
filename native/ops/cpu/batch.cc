#include "ops/cpu/batch.h"

#include <c10/util/Exception.h>

#include <utility>

namespace espalier::ops {
namespace {

bool HasV3() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

const Loops& LoopsOf(at::ScalarType dtype) {
  static const bool has_v3 = HasV3();
  const auto of = [](Precision precision) -> const Loops& {
#if defined(__x86_64__)
    if (has_v3) return v3::Of(precision);
#endif
    return baseline::Of(precision);
  };
  switch (dtype) {
    case at::kFloat:
      return of(Precision::kFloat);
    case at::kDouble:
      return of(Precision::kDouble);
    case at::kHalf:
      return of(Precision::kHalf);
    case at::kBFloat16:
      return of(Precision::kBFloat16);
    default:
      TORCH_CHECK_TYPE(false, "weights must be float32, float64, float16 or bfloat16, not ", dtype);
  }
}

}  // namespace

Batch::Batch(at::TensorList tensors, const at::Tensor& layout, const at::Tensor& coefficients)
    : Batch(tensors, CheckedLayouts(tensors, layout, coefficients), coefficients.const_data_ptr<float>()) {}

Batch::Batch(at::TensorList tensors, std::vector<Layout> own, const float* coefficients) : layouts(std::move(own)) {
  for (size_t t = 0; t < tensors.size(); t++) {
    void* data = const_cast<void*>(tensors[t].const_data_ptr());
    weights.push_back({layouts[t], coefficients, data, nullptr, nullptr, nullptr});
    loops.push_back(&LoopsOf(tensors[t].scalar_type()));
  }
}

std::vector<at::Tensor> Batch::SetGradients(at::TensorList given, at::TensorList tensors, Tensors& alongside) {
  std::vector<at::Tensor> gradients = Gradients(given, tensors, layouts);
  alongside = AllAlongside(gradients, tensors, "gradient");
  Set(&Weights::gradient, alongside);
  for (size_t t = 0; t < gradients.size(); t++) {
    if (!gradients[t].defined()) weights[t].layout.rows = 0;
  }
  return gradients;
}

}  // namespace espalier::ops
