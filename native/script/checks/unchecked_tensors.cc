#include <ATen/Functions.h>

#include <limits>

#include "script/checks/unchecked.h"

namespace espalier::script {

using c10::IValue;

namespace {

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
  TORCH_CHECK(v.numel() > 0, "a weight norm of nothing");
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

// Of integers, where the quotient is one more than the largest: the processor itself ends the process.
void Truncation(const Call& call) {
  if (!call.Has("rounding_mode") || !call.At("rounding_mode").isString()) return;
  if (call.At("rounding_mode").toStringRef() != "trunc") return;
  const at::Tensor a = call.Place(0).toTensor();
  const IValue& divisor = call.Place(1);
  const at::Tensor b = divisor.isTensor() ? divisor.toTensor() : at::scalar_tensor(divisor.toScalar());
  if (!a.defined() || !b.defined() || a.is_meta() || b.is_meta()) return;
  const at::ScalarType type = divisor.isTensor() ? at::result_type(a, b) : at::result_type(a, divisor.toScalar());
  const bool wide = type == at::kLong;
  if (!wide && type != at::kInt) return;
  const at::Tensor minus = b.eq(-1);
  if (!minus.any().item<bool>()) return;
  const int64_t least = wide ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int32_t>::min();
  TORCH_CHECK(!a.eq(least).logical_and(minus).any().item<bool>(), "integer division of ", least,
              " by -1: the result is too large");
}

}  // namespace

const IValue& Call::At(const char* name) const {
  const auto index = schema_.argumentIndexWithName(name);
  TORCH_CHECK(index.has_value() && *index < static_cast<int>(arguments_.size()), schema_.name(), " has no argument ",
              name);
  return arguments_[*index];
}

std::vector<at::Tensor> Call::Tensors(const char* name) const {
  const IValue& value = At(name);
  return value.isTensor() ? std::vector<at::Tensor>{value.toTensor()} : value.toTensorVector();
}

const Checks& ChecksOfTensors() {
  static const auto* checks = new Checks{
      {"aten::_weight_norm", WeightNorm}, {"aten::_weight_norm_interface", WeightNorm},
      {"aten::lstm", Recurrent<4>},       {"aten::gru", Recurrent<3>},
      {"aten::rnn_tanh", Recurrent<1>},   {"aten::rnn_relu", Recurrent<1>},
      {"aten::div", Truncation},          {"aten::div_", Truncation},
      {"aten::divide", Truncation},       {"aten::divide_", Truncation},
  };
  return *checks;
}

}  // namespace espalier::script
