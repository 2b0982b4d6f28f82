#include "script/methods/width_check.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "script/graph/prepare.h"
#include "script/graph/scope.h"
#include "script/methods/width_rules.h"

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

class Checker : public WidthsKnown {
 public:
  Checker(const Module& module, const std::string& path, const CutTensors& cut, const Familiar& familiar)
      : module_(module), path_(path), cut_(cut), familiar_(familiar) {}

  WidthFinding Run(const Graph& graph) {
    for (size_t i = 1; i < graph.inputs().size(); ++i) {
      const Value* input = graph.inputs()[i];
      inputs_.insert(input);
      auto type = input->type();
      if (const auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
      const auto kind = type->kind();
      const bool flag = kind == c10::TypeKind::BoolType || kind == c10::TypeKind::StringType;  // is no width
      if (familiar_.called && !flag && !familiar_.plain.contains(input)) SetUnknown(input, "an input");
    }
    Run(graph.block());
    for (const Value* output : graph.outputs()) {
      const Widths& widths = Of(output);
      if (widths.None()) continue;
      const bool passed = widths.unknown && inputs_.contains(widths.origin);
      finding_.gives = {widths.from, passed && (finding_.gives.from.empty() || finding_.gives.passed)};
    }
    return finding_;
  }

  const Widths& Of(const Value* value) const override {
    static const Widths none;
    const auto found = widths_.find(value);
    return found == widths_.end() ? none : found->second;
  }

  std::optional<at::Tensor> TensorOf(const Value* value) const override {
    auto tensor = torch::jit::toIValue(value);
    if (!tensor) tensor = AttributeOf(module_, value);
    if (!tensor || !tensor->isTensor() || !tensor->toTensor().defined()) return std::nullopt;
    return tensor->toTensor();
  }

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
    const Node* join = nullptr;
    for (const Value* input : node->inputs()) {
      if (from.empty() && !Of(input).None()) from = Of(input).from;
      if (join == nullptr) join = Of(input).join;
    }
    if (node->kind() == prim::SetAttr) return Write(node, from, join);
    const bool edited = familiar_.edited.contains(node);
    const bool plain = node->blocks().empty() && node->kind() != prim::CallMethod;
    const WidthRule rule = plain && !edited ? RuleFor(node) : nullptr;
    const auto widths = rule == nullptr || from.empty() ? std::nullopt : rule(*this, node);
    if (join != nullptr && !widths) return RefuseJoin(join);
    if (node->kind() == prim::Loop) return Loop(node);
    if (!node->blocks().empty()) return Branch(node);
    if (node->kind() == prim::CallMethod) return Call(node, from);
    if (from.empty() && !edited) return;
    if (!widths && !familiar_.known(node)) return Refuse(node, from);
    for (const Value* output : node->outputs()) {
      if (widths && (!widths->unknown || node->outputs().size() == 1)) {
        widths_[output] = *widths;
      } else {
        SetUnknown(output, from.empty() ? "a size" : from);
      }
      if (!widths_[output].None()) widths_[output].join = join;
    }
  }

  // Of another method of the module. `forward` gives and takes what it always did.
  void Call(const Node* node, const std::string& from) {
    if (!from.empty() && !familiar_.known(node)) return Refuse(node, from);
    const std::string& name = node->s(attr::name);
    if (name == "forward") return;
    const Narrower gives = familiar_.given(name);
    if (gives.from.empty() || (gives.passed && from.empty())) return;
    finding_.computes = true;
    for (const Value* output : node->outputs()) SetUnknown(output, "what `" + name + "` gives");
  }

  void Refuse(const Node* node, const std::string& from) {
    finding_.obstacle = std::string(node->kind().toQualString()) + " of " + from;
    finding_.node = node;
  }

  void RefuseJoin(const Node* join) {
    finding_.obstacle = "its branches give different widths";
    finding_.node = join;
    finding_.join = true;
  }

  void SetUnknown(const Value* value, const std::string& from) { widths_[value] = Widths::Unknown(from, value); }

  std::string NameOf(const Value* owner, const std::string& attribute) const {
    return JoinPath(path_, JoinPath(ModulePath(owner).value_or("?"), attribute));
  }

  // What is cut of an attribute; unknown for a list that holds cut tensors.
  Widths OfAttribute(const std::string& name, const Value* value) const {
    const auto found = cut_.find(name);
    if (found == cut_.end()) {
      const auto below = cut_.lower_bound(name + ".");
      const bool holds = below != cut_.end() && below->first.rfind(name + ".", 0) == 0;
      return holds ? Widths::Unknown(name, value) : Widths{};
    }
    Widths widths;
    widths.from = name;
    const auto tensor = Named(name);
    for (const auto& [dim, keep] : found->second) {
      if (!tensor) return Widths::Unknown(name, value);
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
    const Widths widths = OfAttribute(NameOf(node->input(), node->s(attr::name)), node->output());
    if (widths.None()) return;
    const auto owner = node->input()->type()->cast<c10::ClassType>();
    const bool parameter = owner != nullptr && owner->is_parameter(owner->getAttributeSlot(node->s(attr::name)));
    finding_.computes = finding_.computes || parameter || widths.unknown;
    widths_[node->output()] = widths;
  }

  // What is kept in an attribute must be as wide as what was there.
  void Write(const Node* node, const std::string& from, const Node* join) {
    const std::string name = NameOf(node->input(0), node->s(attr::name));
    const Widths there = OfAttribute(name, nullptr);
    if (join != nullptr) return RefuseJoin(join);
    if (familiar_.known(node) || (!there.unknown && there.Same(Of(node->input(1))))) return;
    finding_.obstacle = "the assignment of " + name + (from.empty() ? "" : " from " + from);
    finding_.node = node;
  }

  void Branch(const Node* node) {
    const Widths& condition = node->inputs().empty() ? Of(nullptr) : Of(node->input(0));
    const bool known = familiar_.known(node);
    if (!condition.None() && !known) return Refuse(node, condition.from);
    std::vector<const Block*> open;
    for (const Block* block : node->blocks()) {
      if (familiar_.closed.contains(block) || OnlyRaises(block)) continue;
      Run(block);
      open.push_back(block);
    }
    // What follows is right for the way that `forward` goes.
    const bool goes = known || !familiar_.called || std::all_of(open.begin(), open.end(), familiar_.entered);
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      std::optional<Widths> all;
      for (const Block* block : open) {
        const Widths& own = Of(block->outputs()[i]);
        if (!all) all = own;
        if (all->Same(own)) continue;
        const Node* join = all->join != nullptr ? all->join : own.join;
        all = Widths::Unknown(all->from.empty() ? own.from : all->from, node->output(i));
        all->join = join != nullptr || goes ? join : node;
      }
      if (all && !all->None()) widths_[node->output(i)] = *all;
    }
  }

  void Loop(const Node* node) {
    for (const Value* input : node->inputs().slice(0, 2)) {
      if (!Of(input).None() && !familiar_.known(node)) return Refuse(node, Of(input).from);
    }
    // What changes from round to round is followed no further; it may be narrower from the second round on.
    const Block* block = node->blocks()[0];
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      const Widths& before = Of(node->input(i + 2));
      if (!before.None()) SetUnknown(block->inputs()[i + 1], before.from);
    }
    for (bool changed = true; changed && finding_.obstacle.empty();) {
      changed = false;
      Run(block);
      for (size_t i = 0; i < node->outputs().size(); ++i) {
        const Widths& after = Of(block->outputs()[i + 1]);
        if (after.None() || !Of(block->inputs()[i + 1]).None()) continue;
        SetUnknown(block->inputs()[i + 1], after.from);
        changed = true;
      }
    }
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      const Widths& inside = Of(block->inputs()[i + 1]);
      if (!inside.None()) SetUnknown(node->output(i), inside.from);
    }
  }

  const Module& module_;
  const std::string& path_;
  const CutTensors& cut_;
  const Familiar& familiar_;
  std::set<const Value*> inputs_;
  std::unordered_map<const Value*, Widths> widths_;
  mutable std::map<std::pair<int64_t, std::vector<int64_t>>, int> numbers_;
  WidthFinding finding_;
};

}  // namespace

WidthFinding CheckWidths(const Module& module, const std::string& path, const Graph& graph, const CutTensors& cut,
                         const Familiar& familiar) {
  return Checker(module, path, cut, familiar).Run(graph);
}

}  // namespace espalier::script
