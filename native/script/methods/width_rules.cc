#include "script/methods/width_rules.h"

#include <torch/csrc/jit/ir/constants.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

namespace espalier::script {

using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;

namespace {

using Found = std::optional<Widths>;

std::optional<int64_t> Int(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isInt() ? std::optional(constant->toInt()) : std::nullopt;
}

std::optional<bool> Flag(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isBool() ? std::optional(constant->toBool()) : std::nullopt;
}

std::optional<std::vector<int64_t>> Ints(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (constant && constant->isIntList()) return constant->toIntVector();
  if (value->node()->kind() != prim::ListConstruct) return std::nullopt;
  std::vector<int64_t> ints;
  for (const Value* element : value->node()->inputs()) {
    const auto number = Int(element);
    if (!number) return std::nullopt;
    ints.push_back(*number);
  }
  return ints;
}

const Value* Input(const Node* node, size_t i) { return i < node->inputs().size() ? node->input(i) : nullptr; }

// The widths of a bias or a statistic: those of `wanted` at the place that it is for, and nothing else.
bool Fits(const WidthsKnown& known, const Value* vector, const Widths& wanted, int64_t dim) {
  if (vector == nullptr || vector->mustBeNone()) return true;
  const Widths& own = known.Of(vector);
  const auto there = wanted.dims.find(dim);
  if (there == wanted.dims.end()) return own.None();
  return !own.unknown && own.dims == std::map<int64_t, int>{{-1, there->second}};
}

// Element by element, with numbers only beside the first operand.
Found Alone(const WidthsKnown& known, const Node* node) {
  for (size_t i = 1; i < node->inputs().size(); ++i) {
    if (!known.Of(node->input(i)).None()) return std::nullopt;
    const bool tensor = node->input(i)->type()->isSubtypeOf(*c10::TensorType::get());
    const auto value = tensor ? known.TensorOf(node->input(i)) : std::nullopt;
    if (tensor && !(value && value->numel() == 1)) return std::nullopt;
  }
  return known.Of(node->input(0));
}

// Whether a value is a single number, so that it goes with any width.
bool IsNumber(const WidthsKnown& known, const Value* value) {
  if (!value->type()->isSubtypeOf(*c10::TensorType::get())) return known.Of(value).None();
  const std::string kind = value->node()->kind().toQualString();
  if (kind == "prim::NumToTensor" || kind == "aten::scalar_tensor") return true;
  if (kind == "aten::tensor") return value->node()->input(0)->type()->kind() != c10::TypeKind::ListType;
  const auto tensor = known.TensorOf(value);
  return tensor && tensor->numel() == 1 && known.Of(value).None();
}

Found Binary(const WidthsKnown& known, const Node* node) {
  const Widths &a = known.Of(node->input(0)), &b = known.Of(node->input(1));
  if (IsNumber(known, node->input(1))) return a;
  if (IsNumber(known, node->input(0))) return b;
  return a.Same(b) ? Found(a) : std::nullopt;
}

Found Linear(const WidthsKnown& known, const Node* node) {
  const Widths &x = known.Of(node->input(0)), &weight = known.Of(node->input(1));
  if (x.unknown || weight.unknown) return std::nullopt;
  Widths result = x;
  result.dims.erase(-1);
  const auto in = x.dims.find(-1), columns = weight.dims.find(-1);
  const bool same =
      in == x.dims.end() ? columns == weight.dims.end() : columns != weight.dims.end() && in->second == columns->second;
  const auto rows = weight.dims.find(-2);
  if (rows != weight.dims.end()) result.dims[-1] = rows->second;
  if (result.from.empty()) result.from = weight.from;
  return same && Fits(known, Input(node, 2), result, -1) ? Found(result) : std::nullopt;
}

// Where the groups stand among the inputs, and whether it may be transposed.
Found Convolution(const WidthsKnown& known, const Node* node) {
  const std::string kind = node->kind().toQualString();
  const bool general = kind == "aten::_convolution" || kind == "aten::convolution";
  const auto groups = Int(node->input(general ? 8 : 6));
  if (general && Flag(node->input(6)) != false) return std::nullopt;
  const Widths &x = known.Of(node->input(0)), &weight = known.Of(node->input(1));
  const auto tensor = known.TensorOf(node->input(1));
  if (groups != 1 || x.unknown || weight.unknown || !tensor) return std::nullopt;
  const int64_t channels = 1 - tensor->dim();  // of the input and of the weight; its rows stand before
  const auto in = x.dims.find(channels), columns = weight.dims.find(channels);
  if ((in == x.dims.end()) != (columns == weight.dims.end())) return std::nullopt;
  if (in != x.dims.end() && in->second != columns->second) return std::nullopt;
  if (x.dims.size() > (in == x.dims.end() ? 0 : 1)) return std::nullopt;
  Widths result;
  result.from = x.from.empty() ? weight.from : x.from;
  const auto rows = weight.dims.find(channels - 1);
  if (rows != weight.dims.end()) result.dims[channels] = rows->second;
  return Fits(known, Input(node, 2), result, channels) ? Found(result) : std::nullopt;
}

Found BatchNorm(const WidthsKnown& known, const Node* node) {
  const Widths& x = known.Of(node->input(0));
  if (x.unknown || x.dims.size() != 1) return std::nullopt;
  for (size_t i = 1; i <= 4; ++i) {
    if (!Fits(known, node->input(i), x, x.dims.begin()->first)) return std::nullopt;
  }
  return x;
}

// mean and sum over dimensions behind the cut ones. A dimension counted from the first may be one nearer to the end
// than it looks, as a convolution takes inputs without a batch, too: 0 and 1 can be the channels.
Found Reduction(const WidthsKnown& known, const Node* node) {
  const Widths& x = known.Of(node->input(0));
  if (node->inputs().size() != 4) return std::nullopt;
  const auto dims = Ints(node->input(1));
  const auto keep = Flag(node->input(2));
  if (x.unknown || !dims || !keep || dims->empty() || x.dims.size() != 1) return std::nullopt;
  const int64_t channels = x.dims.begin()->first;
  for (const int64_t dim : *dims) {
    if (dim >= 0 ? dim < 2 : dim <= channels) return std::nullopt;
  }
  Widths result = x;
  if (!*keep) result.dims = {{channels + static_cast<int64_t>(dims->size()), x.dims.begin()->second}};
  return result;
}

// Windows over the last dimensions, as many as the name says.
Found Pool(const WidthsKnown& known, const Node* node) {
  const Widths& x = known.Of(node->input(0));
  const std::string kind = node->kind().toQualString();
  const int64_t spatial = kind[kind.size() - 2] - '0';
  if (x.unknown) return std::nullopt;
  for (const auto& [dim, number] : x.dims) {
    if (dim >= -spatial) return std::nullopt;
  }
  return x;
}

// All of a dimension: `state[:]`. (A list has none.)
Found WholeSlice(const WidthsKnown& known, const Node* node) {
  if (node->inputs().size() != 5) return std::nullopt;
  const auto start = torch::jit::toIValue(node->input(2)), end = torch::jit::toIValue(node->input(3));
  const bool from_first = start && (start->isNone() || (start->isInt() && start->toInt() == 0));
  const bool to_last = end && (end->isNone() || (end->isInt() && end->toInt() == INT64_MAX));
  const bool each = Int(node->input(4)) == 1;
  return from_first && to_last && each ? Found(known.Of(node->input(0))) : std::nullopt;
}

// Values that are handed on, or told of and not computed with.
Found Handed(const WidthsKnown& known, const Node* node) {
  for (const Value* input : node->inputs()) {
    if (!known.Of(input).None()) return Widths::Unknown(known.Of(input).from, node->outputs()[0]);
  }
  return Widths{};
}
Found Told(const WidthsKnown&, const Node*) { return Widths{}; }

const std::unordered_map<std::string, WidthRule>& Rules() {
  static const auto* rules = [] {
    auto* made = new std::unordered_map<std::string, WidthRule>();
    const auto add = [made](WidthRule rule, const char* names) {
      std::istringstream list(names);
      for (std::string name; list >> name;) made->emplace(name, rule);
    };
    add(Alone,
        "aten::relu aten::relu_ aten::relu6 aten::elu aten::elu_ aten::selu aten::celu aten::gelu aten::silu "
        "aten::silu_ aten::mish aten::tanh aten::tanh_ aten::sigmoid aten::sigmoid_ aten::hardtanh aten::hardswish "
        "aten::hardsigmoid aten::leaky_relu aten::leaky_relu_ aten::softplus aten::softsign aten::exp aten::log "
        "aten::sqrt aten::rsqrt aten::abs aten::neg aten::square aten::sin aten::cos aten::erf aten::clamp "
        "aten::clamp_ aten::clone aten::detach aten::contiguous aten::to aten::dropout aten::dropout_ "
        "aten::zeros_like aten::ones_like aten::empty_like aten::full_like aten::rand_like aten::randn_like "
        "aten::zero_ aten::fill_ aten::normal_ aten::uniform_ aten::requires_grad_ prim::unchecked_cast "
        "aten::alias aten::cpu aten::float aten::double aten::half");
    add(Binary,
        "aten::add aten::add_ aten::sub aten::sub_ aten::mul aten::mul_ aten::div aten::div_ aten::copy_ "
        "aten::maximum aten::minimum aten::pow aten::pow_");
    add(Linear, "aten::linear");
    add(Convolution, "aten::conv1d aten::conv2d aten::conv3d aten::_convolution aten::convolution");
    add(BatchNorm, "aten::batch_norm");
    add(Reduction, "aten::mean aten::sum");
    add(Pool,
        "aten::max_pool1d aten::max_pool2d aten::max_pool3d aten::avg_pool1d aten::avg_pool2d aten::avg_pool3d "
        "aten::adaptive_avg_pool1d aten::adaptive_avg_pool2d aten::adaptive_avg_pool3d");
    add(WholeSlice, "aten::slice");
    add(Handed, "prim::TupleConstruct prim::ListConstruct prim::TupleUnpack prim::ListUnpack prim::TupleIndex");
    add(Told,
        "aten::dim prim::dtype prim::device aten::is_floating_point aten::__is__ aten::__isnot__ aten::requires_grad "
        "prim::Print aten::warn");
    return made;
  }();
  return *rules;
}

}  // namespace

WidthRule RuleFor(const Node* node) {
  const auto found = Rules().find(node->kind().toQualString());
  return found == Rules().end() ? nullptr : found->second;
}

}  // namespace espalier::script
