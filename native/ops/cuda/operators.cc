// The CUDA implementations of the operators: arguments are checked, addresses are put together, kernels are launched on
// the current stream. A step waits for nothing, and allocates and copies nothing once its tables are on the device.

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "ops/arguments.h"
#include "ops/cuda/device.h"
#include "ops/cuda/launch.h"
#include "ops/cuda/parts.h"
#include "ops/plan.h"

namespace espalier::cuda {
namespace {

using ops::Alongside;
using ops::Tensors;

constexpr Precision kPrecisions[] = {Precision::kFloat, Precision::kHalf, Precision::kBFloat16};

Precision PrecisionOf(const at::Tensor& weight) {
  switch (weight.scalar_type()) {
    case at::kFloat:
      return Precision::kFloat;
    case at::kHalf:
      return Precision::kHalf;
    case at::kBFloat16:
      return Precision::kBFloat16;
    default:
      TORCH_CHECK_TYPE(false, "weights on CUDA must be float32, float16 or bfloat16, not ", weight.scalar_type());
  }
}

// The weights of one call, where they are, and what their tables are.
class Call {
 public:
  Call(at::TensorList weights, const at::Tensor& layout, const at::Tensor& coefficients)
      : weights_(weights),
        layouts_(ops::CheckedLayouts(weights, layout, coefficients)),
        parts_(PartsOf(layout, layouts_, coefficients.device())),
        device_(coefficients),
        arena_(coefficients.const_data_ptr<float>()) {
    for (const at::Tensor& weight : weights) precisions_.push_back(PrecisionOf(weight));
  }

  const std::vector<ops::Layout>& layouts() const { return layouts_; }
  const Parts& parts() const { return *parts_; }
  const float* arena() const { return arena_; }
  cudaStream_t stream() const { return device_.stream(); }

  // launch(precision, tables, pointers, number of the part) for each part and each precision that is in it. `with` are
  // the tensors that go along with the weights; a weight whose gradient is not defined is left out.
  template <class Launch>
  void ForAll(std::initializer_list<const Tensors*> with, const std::vector<at::Tensor>& gradients, Launch launch) {
    const size_t width = 1 + with.size();
    std::vector<void*> pointers;
    for (size_t p = 0; p < parts_->size(); p++) {
      const Part& part = (*parts_)[p];
      for (const Precision precision : kPrecisions) {
        pointers.assign(width * part.count, nullptr);
        bool any = false;
        for (size_t k = 0; k < part.count; k++) {
          const size_t t = part.first + k;
          if (precisions_[t] != precision || (!gradients.empty() && !gradients[t].defined())) continue;
          any = true;
          void** to = &pointers[width * k];
          *to++ = const_cast<void*>(weights_[t].const_data_ptr());
          for (const Tensors* tensors : with) *to++ = (*tensors)[t].data();
        }
        if (any) Check(launch(precision, part.tables, pointers.data(), p));
      }
    }
  }

 private:
  at::TensorList weights_;
  std::vector<ops::Layout> layouts_;
  std::shared_ptr<const Parts> parts_;
  OnDevice device_;
  const float* arena_;
  std::vector<Precision> precisions_;
};

void RegApply(at::TensorList gradients, at::TensorList weights, const at::Tensor& layout,
              const at::Tensor& coefficients, double scale) {
  Call call(weights, layout, coefficients);
  const std::vector<at::Tensor> onto = ops::Gradients(gradients, weights, call.layouts());
  const Tensors alongside = ops::AllAlongside(onto, weights, "gradient");
  call.ForAll({&alongside}, onto, [&](Precision precision, const DeviceTables& tables, PointerList list, size_t) {
    return LaunchApply(precision, tables, call.arena(), list, static_cast<float>(scale), call.stream());
  });
  for (const Alongside& gradient : alongside) gradient.WriteBack();
  ops::Written(onto);
  ops::GiveGradients(gradients, weights, onto);
}

void Sgd(at::TensorList weights, at::TensorList gradients, at::TensorList velocities, const at::Tensor& layout,
         const at::Tensor& coefficients, double lr, double momentum, double weight_decay, bool nesterov,
         bool decoupled) {
  Call call(weights, layout, coefficients);
  const std::vector<at::Tensor> given = ops::Gradients(gradients, weights, call.layouts());
  const Tensors alongside = ops::AllAlongside(given, weights, "gradient");
  const Tensors kept = momentum == 0 ? Tensors{} : ops::AllAlongside(velocities, weights, "velocity");
  const SgdRule rule{static_cast<float>(lr), static_cast<float>(momentum), static_cast<float>(weight_decay), nesterov,
                     decoupled};
  const auto launch = [&](Precision precision, const DeviceTables& tables, PointerList list, size_t) {
    return LaunchSgd(precision, tables, call.arena(), list, rule, call.stream());
  };
  if (momentum == 0) {
    call.ForAll({&alongside}, given, launch);
  } else {
    call.ForAll({&alongside, &kept}, given, launch);
  }
  for (const Alongside& velocity : kept) velocity.WriteBack();
  ops::Written(weights);
  ops::Written(velocities);
}

void Adamw(at::TensorList weights, at::TensorList gradients, at::TensorList means, at::TensorList squares,
           const at::Tensor& layout, const at::Tensor& coefficients, int64_t step, double lr, double beta1,
           double beta2, double eps, double weight_decay, bool decoupled) {
  ops::CheckStep(step);
  Call call(weights, layout, coefficients);
  const std::vector<at::Tensor> given = ops::Gradients(gradients, weights, call.layouts());
  const Tensors alongside = ops::AllAlongside(given, weights, "gradient");
  const Tensors first = ops::AllAlongside(means, weights, "first moment");
  const Tensors second = ops::AllAlongside(squares, weights, "second moment");
  const double size = lr / (1 - std::pow(beta1, step)), root = std::sqrt(1 - std::pow(beta2, step));
  const AdamwRule rule{static_cast<float>(beta1), static_cast<float>(1 - beta1),
                       static_cast<float>(beta2), static_cast<float>(1 - beta2),
                       static_cast<float>(size),  static_cast<float>(root),
                       static_cast<float>(eps),   static_cast<float>(lr * weight_decay),
                       static_cast<float>(lr),    decoupled};
  call.ForAll({&alongside, &first, &second}, given,
              [&](Precision precision, const DeviceTables& tables, PointerList list, size_t) {
                return LaunchAdamw(precision, tables, call.arena(), list, rule, call.stream());
              });
  for (const Tensors* moments : {&first, &second}) {
    for (const Alongside& moment : *moments) moment.WriteBack();
  }
  for (at::TensorList written : {weights, means, squares}) ops::Written(written);
}

at::Tensor Norms(at::TensorList weights, const at::Tensor& layout, int64_t slots, std::string_view name,
                 std::optional<at::TensorList> gradients) {
  const Norm norm = ops::NormNamed(name, gradients.has_value());
  TORCH_CHECK_VALUE(!weights.empty(), "there are no weights");
  const at::TensorOptions floats = weights[0].options().dtype(at::kFloat);
  const at::Tensor sums = at::zeros({slots}, floats);
  Call call(weights, layout, sums);
  // Without gradients the weights stand in: they are not read.
  const Tensors alongside = ops::AllAlongside(gradients ? *gradients : weights, weights, "gradient");
  std::vector<at::Tensor> partials;
  for (const Part& part : call.parts()) partials.push_back(at::empty({part.partials}, floats));
  call.ForAll({&alongside}, {}, [&](Precision precision, const DeviceTables& tables, PointerList list, size_t p) {
    return LaunchNorms(precision, tables, list, norm, partials[p].data_ptr<float>(), call.stream());
  });
  for (size_t p = 0; p < partials.size(); p++) {
    Check(LaunchSlots(call.parts()[p].tables, partials[p].const_data_ptr<float>(), sums.data_ptr<float>(),
                      call.stream()));
  }
  return sums;
}

void CheckDevice(const at::Tensor& tensor, const at::Tensor& like) {
  TORCH_CHECK_VALUE(tensor.device() == like.device(), "one tensor is on ", like.device(), ", another on ",
                    tensor.device());
}

void Gather(const at::Tensor& sums, const at::Tensor& values, const at::Tensor& begin, const at::Tensor& columns) {
  for (const at::Tensor& tensor : {sums, begin, columns}) CheckDevice(tensor, values);
  CheckSparseOnce(begin, columns, sums.numel(), values.numel());
  const OnDevice device(values);
  Check(LaunchGather(begin.const_data_ptr<int32_t>(), columns.const_data_ptr<int32_t>(), values.const_data_ptr<float>(),
                     sums.data_ptr<float>(), static_cast<uint32_t>(sums.numel()), device.stream()));
}

void RegScatter(const at::Tensor& coefficients, const at::Tensor& reg, const at::Tensor& begin,
                const at::Tensor& units) {
  ops::CheckVector(coefficients, at::kFloat, "coefficients");
  ops::CheckVector(reg, at::kFloat, "reg");
  Gather(coefficients, reg, begin, units);
  ops::Written({coefficients});
}

at::Tensor UnitSums(const at::Tensor& norms, const at::Tensor& begin, const at::Tensor& slots) {
  ops::CheckVector(norms, at::kFloat, "norms");
  const at::Tensor sums = at::empty({std::max<int64_t>(0, begin.numel() - 1)}, norms.options());
  Gather(sums, norms, begin, slots);
  return sums;
}

at::Tensor RegGrow(const at::Tensor& reg, const at::Tensor& skipped, const at::Tensor& sums, const at::Tensor& groups,
                   double delta, double ceiling) {
  ops::CheckGrow(reg, skipped, sums, groups);
  for (const at::Tensor& tensor : {skipped, sums, groups}) CheckDevice(tensor, reg);
  CheckGroupsOnce(groups, reg.numel());
  const at::Tensor importance = at::empty({reg.numel()}, reg.options());
  const OnDevice device(reg);
  Check(LaunchGrow(reinterpret_cast<const Group*>(groups.const_data_ptr<int32_t>()),
                   static_cast<uint32_t>(groups.size(0)), sums.const_data_ptr<float>(), importance.data_ptr<float>(),
                   reg.data_ptr<float>(), skipped.data_ptr<int32_t>(), static_cast<float>(delta),
                   static_cast<float>(ceiling), device.stream()));
  ops::Written({reg, skipped});
  return importance;
}

// The layout stays on the host, which reads it; the indices go to the weights.
std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> Plan(at::TensorList weights,
                                                                            const at::Tensor& slices, int64_t units) {
  const auto [layout, scatter_begin, scatter_units, gather_begin, gather_slots] = ops::Plan(weights, slices, units);
  const at::Device device = weights[0].device();
  return {layout, scatter_begin.to(device), scatter_units.to(device), gather_begin.to(device), gather_slots.to(device)};
}

at::Tensor UnitNorms(at::TensorList given, const at::Tensor& slices, int64_t units, std::string_view norm,
                     std::optional<at::TensorList> gradients) {
  TORCH_CHECK_VALUE(!given.empty(), "there are no weights");
  const std::vector<at::Tensor> weights = ops::Readable(given, at::kFloat);
  const std::vector<at::Tensor> along = gradients ? ops::Readable(*gradients, at::kFloat) : std::vector<at::Tensor>{};
  const auto [layout, scatter_begin, scatter_units, begin, slots] = Plan(weights, slices, units);
  const at::Tensor sums = Norms(weights, layout, scatter_begin.numel() - 1, norm,
                                gradients ? std::optional<at::TensorList>(along) : std::nullopt);
  return UnitSums(sums, begin, slots).to(at::kDouble);
}

struct Registration {
  Registration() {
    if (IsRegistered()) return;
    // Never freed: LibTorch's dispatcher may be gone before this library's destructors run.
    auto* library = new torch::Library(torch::Library::IMPL, "espalier", kDispatchKey, __FILE__, __LINE__);
    library->impl("reg_plan", Plan);
    library->impl("reg_apply_", RegApply);
    library->impl("reg_scatter_", RegScatter);
    library->impl("reg_grow_", RegGrow);
    library->impl("norms", Norms);
    library->impl("unit_norms", UnitNorms);
    library->impl("unit_sums", UnitSums);
    library->impl("sgd_", Sgd);
    library->impl("adamw_", Adamw);
  }
};

const Registration registration;

}  // namespace
}  // namespace espalier::cuda
