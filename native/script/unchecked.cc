#include "script/unchecked.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/scalar_tensor.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>

namespace espalier::script {

using c10::IValue;

namespace {

class Call {
 public:
  Call(const c10::FunctionSchema& schema, const std::vector<IValue>& arguments)
      : schema_(schema), arguments_(arguments) {}

  const IValue& At(const char* name) const {
    const auto index = schema_.argumentIndexWithName(name);
    TORCH_CHECK(index.has_value() && *index < static_cast<int>(arguments_.size()), schema_.name(), " has no argument ",
                name);
    return arguments_[*index];
  }
  const IValue& First() const { return arguments_.at(0); }
  const IValue& Second() const { return arguments_.at(1); }
  bool Has(const char* name) const { return schema_.argumentIndexWithName(name).has_value(); }
  // A list of tensors, or a single one.
  std::vector<at::Tensor> Tensors(const char* name) const {
    const IValue& value = At(name);
    return value.isTensor() ? std::vector<at::Tensor>{value.toTensor()} : value.toTensorVector();
  }

 private:
  const c10::FunctionSchema& schema_;
  const std::vector<IValue>& arguments_;
};

void NeedShape(const char* what, const at::Tensor& tensor, at::IntArrayRef shape) {
  TORCH_CHECK(tensor.defined() && tensor.sizes() == shape, "a ", what, " of shape ",
              tensor.defined() ? tensor.sizes() : at::IntArrayRef{}, " where ", shape, " is needed");
}

// One scale for each slice of `v` along `dim`; one for all of it when `dim` is -1.
void WeightNorm(const Call& call) {
  const at::Tensor v = call.At("v").toTensor(), g = call.At("g").toTensor();
  const int64_t dim = call.At("dim").toInt();
  TORCH_CHECK(dim >= -1 && dim < v.dim(), "a weight norm along dimension ", dim, " of ", v.dim());
  const int64_t slices = dim < 0 ? 1 : v.size(dim);
  TORCH_CHECK(g.numel() == slices, "a weight norm of ", slices, " slices with ", g.numel(), " scales");
}

template <int64_t gates>
void Recurrent(const Call& call) {
  const std::vector<at::Tensor> states = call.Tensors("hx"), weights = call.Tensors("params");
  const int64_t directions = call.At("bidirectional").toBool() ? 2 : 1;
  const int64_t cells = call.At("num_layers").toInt() * directions;
  const bool biased = call.At("has_biases").toBool();
  TORCH_CHECK(cells > 0 && weights.size() % cells == 0, weights.size(), " weights of ", cells, " recurrent layers");
  const size_t each = weights.size() / cells, plain = biased ? 4 : 2;
  TORCH_CHECK(each == plain || each == plain + 1, each, " weights of a recurrent layer");
  for (const at::Tensor& weight : weights) TORCH_CHECK(weight.defined() && weight.dim() > 0, "a weight without rows");
  const int64_t hidden = weights[0].size(0) / gates;
  const int64_t out = each > plain ? weights[each - 1].size(0) : hidden;
  const at::Tensor input = call.At(call.Has("data") ? "data" : "input").toTensor();
  TORCH_CHECK(input.dim() > 1, "a recurrent layer got an input of shape ", input.sizes());
  int64_t read = input.size(-1);
  for (int64_t cell = 0; cell < cells; ++cell) {
    if (cell > 0 && cell % directions == 0) read = out * directions;
    const at::Tensor* own = &weights[cell * each];
    NeedShape("recurrent weight", own[0], {gates * hidden, read});
    NeedShape("recurrent weight", own[1], {gates * hidden, out});
    for (size_t k = 2; k < plain; ++k) NeedShape("recurrent bias", own[k], {gates * hidden});
    if (each > plain) NeedShape("projection", own[plain], {out, hidden});
  }
  if (call.Has("data")) {
    const at::Tensor sizes = call.At("batch_sizes").toTensor();
    const bool known = sizes.numel() > 0 && !sizes.is_meta();
    for (const at::Tensor& state : states) {
      const bool fits = state.dim() == 3 && state.size(0) == cells;
      TORCH_CHECK(fits && (!known || state.size(1) == sizes.flatten()[0].item<int64_t>()), "a state of shape ",
                  state.sizes(), " for ", cells, " recurrent layers");
    }
    return;
  }
  TORCH_CHECK(input.dim() == 3, "a recurrent layer got an input of shape ", input.sizes());
  const int64_t batch = input.size(call.At("batch_first").toBool() ? 0 : 1);
  for (size_t k = 0; k < states.size(); ++k)
    NeedShape("recurrent state", states[k], {cells, batch, k == 0 ? out : hidden});
}

// The processor ends the process at a division by zero, and where the least number is divided by -1.
void DivisionOf(const c10::IValue& a, const c10::IValue& b) {
  if (!a.isInt() || !b.isInt()) return;
  TORCH_CHECK(b.toInt() != 0, "division by zero");
  TORCH_CHECK(a.toInt() != INT64_MIN || b.toInt() != -1, "the least integer divided by -1");
}

void Division(const Call& call) { DivisionOf(call.First(), call.Second()); }

// Zero is allowed.
void CommonDivisor(const Call& call) {
  for (const auto& [a, b] : {std::pair{call.First(), call.Second()}, std::pair{call.Second(), call.First()}}) {
    if (a.isInt() && b.isInt() && b.toInt() == -1) DivisionOf(a, b);
  }
}

// Of tensors LibTorch leaves one case out.
void Truncation(const Call& call) {
  if (!call.Has("rounding_mode") || !call.First().isTensor()) return;
  const at::Tensor a = call.First().toTensor();
  if (!a.defined() || a.is_meta() || !c10::isIntegralType(a.scalar_type(), true) || a.numel() == 0) return;
  const c10::IValue& divisor = call.Second();
  const at::Tensor b = divisor.isTensor() ? divisor.toTensor() : at::scalar_tensor(divisor.toScalar());
  if (!b.defined() || b.is_meta()) return;
  const auto least = [](const at::Tensor& x) { return x.eq(INT64_MIN).logical_or(x.eq(INT32_MIN)); };
  TORCH_CHECK(!least(a).any().item<bool>() || !b.eq(-1).any().item<bool>(), "the least integer divided by -1");
}

using Check = void (*)(const Call&);

const std::unordered_map<std::string, Check>& Checks() {
  static const auto* checks = new std::unordered_map<std::string, Check>{
      {"aten::_weight_norm", WeightNorm}, {"aten::_weight_norm_interface", WeightNorm},
      {"aten::lstm", Recurrent<4>},       {"aten::gru", Recurrent<3>},
      {"aten::rnn_tanh", Recurrent<1>},   {"aten::rnn_relu", Recurrent<1>},
      {"aten::floordiv", Division},       {"aten::remainder", Division},
      {"aten::divmod", Division},         {"aten::__round_to_zero_floordiv", Division},
      {"aten::gcd", CommonDivisor},       {"aten::div", Truncation},
      {"aten::div_", Truncation},         {"aten::divide", Truncation},
      {"aten::divide_", Truncation},
  };
  return *checks;
}

}  // namespace

bool NeedsCheck(const c10::FunctionSchema& schema) {
  const auto check = Checks().find(schema.name());
  if (check == Checks().end()) return false;
  return check->second != Truncation || schema.argumentIndexWithName("rounding_mode").has_value();
}

void CheckSizes(const c10::FunctionSchema& schema, const std::vector<IValue>& arguments) {
  const auto check = Checks().find(schema.name());
  if (check != Checks().end()) check->second(Call(schema, arguments));
}

}  // namespace espalier::script
