#include "script/unchecked.h"

#include <ATen/core/Tensor.h>

#include <string>
#include <unordered_map>

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

using Check = void (*)(const Call&);

const std::unordered_map<std::string, Check>& Checks() {
  static const auto* checks = new std::unordered_map<std::string, Check>{
      {"aten::_weight_norm", WeightNorm}, {"aten::_weight_norm_interface", WeightNorm},
      {"aten::lstm", Recurrent<4>},       {"aten::gru", Recurrent<3>},
      {"aten::rnn_tanh", Recurrent<1>},   {"aten::rnn_relu", Recurrent<1>},
  };
  return *checks;
}

}  // namespace

bool NeedsCheck(const c10::FunctionSchema& schema) { return Checks().contains(schema.name()); }

void CheckSizes(const c10::FunctionSchema& schema, const std::vector<IValue>& arguments) {
  const auto check = Checks().find(schema.name());
  if (check != Checks().end()) check->second(Call(schema, arguments));
}

}  // namespace espalier::script
