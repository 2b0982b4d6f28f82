#include "script/width_check.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "script/prepare.h"
#include "script/scope.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

// What is cut of a value: by dimension, counted from the last (-1), the number of the list of indices that stay.
struct Widths {
  std::map<int64_t, int> dims;
  bool unknown = false;
  std::string from;  // the tensor that it came from
  std::string call;  // the method that gave it, of which no more is known here

  bool None() const { return dims.empty() && !unknown; }
  bool Same(const Widths& other) const { return unknown == other.unknown && dims == other.dims; }
};

class Checker;
using Rule = std::optional<Widths> (*)(const Checker&, const Node*);

class Checker {
 public:
  Checker(const Module& module, const std::string& path, const CutTensors& cut,
          const std::function<bool(const Node*)>& known)
      : module_(module), path_(path), cut_(cut), known_(known) {}

  WidthFinding Run(const Graph& graph, bool inputs_known) {
    for (size_t i = 1; i < graph.inputs().size(); ++i) {
      auto type = graph.inputs()[i]->type();
      if (const auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
      const auto kind = type->kind();
      const bool flag = kind == c10::TypeKind::BoolType || kind == c10::TypeKind::StringType;  // is no width
      if (!inputs_known && !flag) widths_[graph.inputs()[i]] = Unknown("an input");
    }
    Run(graph.block());
    for (const Value* output : graph.outputs()) {
      const Widths& widths = Of(output);
      if (widths.None()) continue;
      finding_.gives = widths.from;
      finding_.given_by = widths.call;
    }
    return finding_;
  }

  const Widths& Of(const Value* value) const {
    static const Widths none;
    const auto found = widths_.find(value);
    return found == widths_.end() ? none : found->second;
  }

  // The tensor itself where it is an attribute or a constant.
  std::optional<at::Tensor> TensorOf(const Value* value) const {
    auto tensor = torch::jit::toIValue(value);
    if (!tensor) tensor = AttributeOf(module_, value);
    if (!tensor || !tensor->isTensor() || !tensor->toTensor().defined()) return std::nullopt;
    return tensor->toTensor();
  }

  static Widths Unknown(std::string from) { return {{}, true, std::move(from), {}}; }

 private:
  void Run(const Block* block) {
    for (const Node* node : block->nodes()) {
      if (!finding_.obstacle.empty()) return;
      Step(node);
    }
  }

  void Step(const Node* node) {
    if (node->kind() == prim::Constant) return;
    if (node->kind() == prim::GetAttr) return Read(node);
    std::string from;
    for (const Value* input : node->inputs()) {
      if (from.empty() && !Of(input).None()) from = Of(input).from;
    }
    if (node->kind() == prim::SetAttr) return Write(node, from);
    if (!node->blocks().empty()) return Branch(node, from);
    if (node->kind() == prim::CallMethod) return Call(node, from);
    if (from.empty()) return;
    if (known_(node)) {
      for (const Value* output : node->outputs()) widths_[output] = Unknown(from);
      return;
    }
    const auto found = Rules().find(node->kind().toQualString());
    const auto widths = found == Rules().end() ? std::nullopt : found->second(*this, node);
    if (!widths) return Refuse(node, from);
    for (const Value* output : node->outputs()) widths_[output] = *widths;
  }

  // Of another method of the module, which is looked at by itself. `forward` gives and takes what it always did.
  void Call(const Node* node, const std::string& from) {
    if (!from.empty() && !known_(node)) return Refuse(node, from);
    if (node->s(attr::name) == "forward") return;
    finding_.computes = true;
    const std::string& name = node->s(attr::name);
    for (const Value* output : node->outputs()) widths_[output] = {{}, true, "what `" + name + "` gives", name};
  }

  void Refuse(const Node* node, const std::string& from) {
    finding_.obstacle = std::string(node->kind().toQualString()) + " of " + from;
  }

  std::string NameOf(const Value* owner, const std::string& attribute) const {
    return JoinPath(path_, JoinPath(ModulePath(owner).value_or("?"), attribute));
  }

  // What is cut of an attribute; unknown for a list that holds cut tensors.
  Widths OfAttribute(const std::string& name) const {
    const auto found = cut_.find(name);
    if (found == cut_.end()) {
      const auto below = cut_.lower_bound(name + ".");
      const bool holds = below != cut_.end() && below->first.rfind(name + ".", 0) == 0;
      return holds ? Unknown(name) : Widths{};
    }
    Widths widths;
    widths.from = name;
    const auto tensor = Named(name);
    for (const auto& [dim, keep] : found->second) {
      if (!tensor) return Unknown(name);
      widths.dims[dim - tensor->dim()] = numbers_.try_emplace({tensor->size(dim), keep}, numbers_.size()).first->second;
    }
    return widths;
  }

  std::optional<at::Tensor> Named(const std::string& name) const {
    const std::string own = path_.empty() ? name : name.substr(std::min(path_.size() + 1, name.size()));
    IValue at = module_._ivalue();
    std::istringstream parts(own);
    for (std::string part; std::getline(parts, part, '.');) {
      if (!at.isObject() || !at.toObject()->type()->hasAttribute(part)) return std::nullopt;
      at = at.toObject()->getAttr(part);
    }
    return at.isTensor() ? std::optional(at.toTensor()) : std::nullopt;
  }

  void Read(const Node* node) {
    const auto value = AttributeOf(module_, node->output());
    if (value && value->isModule()) return;
    const Widths widths = OfAttribute(NameOf(node->input(), node->s(attr::name)));
    if (widths.None()) return;
    const auto tensor = TensorOf(node->output());
    const bool parameter = tensor && tensor->requires_grad();
    finding_.computes = finding_.computes || parameter || widths.unknown;
    widths_[node->output()] = widths;
  }

  // What is kept in an attribute must be as wide as what was there.
  void Write(const Node* node, const std::string& from) {
    const std::string name = NameOf(node->input(0), node->s(attr::name));
    const Widths there = OfAttribute(name);
    if (known_(node) || (!there.unknown && there.Same(Of(node->input(1))))) return;
    finding_.obstacle = "the assignment of " + name + (from.empty() ? "" : " from " + from);
  }

  void Branch(const Node* node, const std::string& from) {
    const bool condition = Of(node->input(0)).None();
    if (!condition && !known_(node)) return Refuse(node, Of(node->input(0)).from);
    const bool loop = node->kind() == prim::Loop;
    if (loop && !from.empty()) {
      // What changes from round to round is followed no further.
      for (size_t i = 1; i < node->blocks()[0]->inputs().size(); ++i) {
        widths_[node->blocks()[0]->inputs()[i]] = Unknown(from);
      }
    }
    for (const Block* block : node->blocks()) Run(block);
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      std::optional<Widths> all;
      for (const Block* block : node->blocks()) {
        const Widths& own = Of(block->outputs()[i + (loop ? 1 : 0)]);
        if (!all) all = own;
        if (!all->Same(own)) all = Unknown(all->from.empty() ? own.from : all->from);
      }
      if (loop && !all->None()) all = Unknown(all->from);
      if (!all->None()) widths_[node->output(i)] = *all;
    }
  }

  static const std::unordered_map<std::string, Rule>& Rules();

  const Module& module_;
  const std::string& path_;
  const CutTensors& cut_;
  const std::function<bool(const Node*)>& known_;
  std::unordered_map<const Value*, Widths> widths_;
  mutable std::map<std::pair<int64_t, std::vector<int64_t>>, int> numbers_;
  WidthFinding finding_;
};

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
bool Fits(const Checker& checker, const Value* vector, const Widths& wanted, int64_t dim) {
  if (vector == nullptr || vector->mustBeNone()) return true;
  const Widths& own = checker.Of(vector);
  const auto there = wanted.dims.find(dim);
  if (there == wanted.dims.end()) return own.None();
  return !own.unknown && own.dims == std::map<int64_t, int>{{-1, there->second}};
}

// Element by element, with numbers only beside the first operand.
Found Alone(const Checker& checker, const Node* node) {
  for (size_t i = 1; i < node->inputs().size(); ++i) {
    if (!checker.Of(node->input(i)).None()) return std::nullopt;
    const bool tensor = node->input(i)->type()->isSubtypeOf(*c10::TensorType::get());
    const auto value = tensor ? checker.TensorOf(node->input(i)) : std::nullopt;
    if (tensor && !(value && value->numel() == 1)) return std::nullopt;
  }
  return checker.Of(node->input(0));
}

// Whether a value is a single number, so that it goes with any width.
bool IsNumber(const Checker& checker, const Value* value) {
  if (!value->type()->isSubtypeOf(*c10::TensorType::get())) return checker.Of(value).None();
  const std::string kind = value->node()->kind().toQualString();
  if (kind == "prim::NumToTensor" || kind == "aten::scalar_tensor") return true;
  if (kind == "aten::tensor") return value->node()->input(0)->type()->kind() != c10::TypeKind::ListType;
  const auto tensor = checker.TensorOf(value);
  return tensor && tensor->numel() == 1 && checker.Of(value).None();
}

Found Binary(const Checker& checker, const Node* node) {
  const Widths &a = checker.Of(node->input(0)), &b = checker.Of(node->input(1));
  if (IsNumber(checker, node->input(1))) return a;
  if (IsNumber(checker, node->input(0))) return b;
  return !a.unknown && a.Same(b) ? Found(a) : std::nullopt;
}

Found Linear(const Checker& checker, const Node* node) {
  const Widths &x = checker.Of(node->input(0)), &weight = checker.Of(node->input(1));
  if (x.unknown || weight.unknown) return std::nullopt;
  Widths result = x;
  result.dims.erase(-1);
  const auto in = x.dims.find(-1), columns = weight.dims.find(-1);
  const bool same =
      in == x.dims.end() ? columns == weight.dims.end() : columns != weight.dims.end() && in->second == columns->second;
  const auto rows = weight.dims.find(-2);
  if (rows != weight.dims.end()) result.dims[-1] = rows->second;
  if (result.from.empty()) result.from = weight.from;
  return same && Fits(checker, Input(node, 2), result, -1) ? Found(result) : std::nullopt;
}

// Where the groups stand among the inputs, and whether it may be transposed.
Found Convolution(const Checker& checker, const Node* node) {
  const std::string kind = node->kind().toQualString();
  const bool general = kind == "aten::_convolution" || kind == "aten::convolution";
  const auto groups = Int(node->input(general ? 8 : 6));
  if (general && Flag(node->input(6)) != false) return std::nullopt;
  const Widths &x = checker.Of(node->input(0)), &weight = checker.Of(node->input(1));
  const auto tensor = checker.TensorOf(node->input(1));
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
  return Fits(checker, Input(node, 2), result, channels) ? Found(result) : std::nullopt;
}

Found BatchNorm(const Checker& checker, const Node* node) {
  const Widths& x = checker.Of(node->input(0));
  if (x.unknown || x.dims.size() != 1) return std::nullopt;
  for (size_t i = 1; i <= 4; ++i) {
    if (!Fits(checker, node->input(i), x, x.dims.begin()->first)) return std::nullopt;
  }
  return x;
}

// mean and sum over dimensions behind the cut ones. A dimension counted from the first may be one nearer to the end
// than it looks, as a convolution takes inputs without a batch, too: 0 and 1 can be the channels.
Found Reduction(const Checker& checker, const Node* node) {
  const Widths& x = checker.Of(node->input(0));
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
Found Pool(const Checker& checker, const Node* node) {
  const Widths& x = checker.Of(node->input(0));
  const std::string kind = node->kind().toQualString();
  const int64_t spatial = kind[kind.size() - 2] - '0';
  if (x.unknown) return std::nullopt;
  for (const auto& [dim, number] : x.dims) {
    if (dim >= -spatial) return std::nullopt;
  }
  return x;
}

// All of a dimension: `state[:]`.
Found WholeSlice(const Checker& checker, const Node* node) {
  const auto start = torch::jit::toIValue(node->input(2)), end = torch::jit::toIValue(node->input(3));
  const bool from_first = start && (start->isNone() || (start->isInt() && start->toInt() == 0));
  const bool to_last = end && (end->isNone() || (end->isInt() && end->toInt() == INT64_MAX));
  const bool each = Int(node->input(4)) == 1;
  return from_first && to_last && each ? Found(checker.Of(node->input(0))) : std::nullopt;
}

// Values that are handed on, or told of and not computed with.
Found Handed(const Checker& checker, const Node* node) {
  for (const Value* input : node->inputs()) {
    if (!checker.Of(input).None()) return Checker::Unknown(checker.Of(input).from);
  }
  return Widths{};
}
Found Told(const Checker&, const Node*) { return Widths{}; }

const std::unordered_map<std::string, Rule>& Checker::Rules() {
  static const auto* rules = [] {
    auto* made = new std::unordered_map<std::string, Rule>();
    const auto add = [made](Rule rule, const char* names) {
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

WidthFinding CheckWidths(const Module& module, const std::string& path, const Graph& graph, const CutTensors& cut,
                         bool inputs_known, const std::function<bool(const Node*)>& known) {
  return Checker(module, path, cut, known).Run(graph, inputs_known);
}

}  // namespace espalier::script
