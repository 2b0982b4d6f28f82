#include "script/graph/written.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "script/error.h"
#include "script/graph/inline.h"
#include "script/graph/prepare.h"
#include "script/graph/scope.h"
#include "script/graph/walk.h"
#include "script/module/lookup.h"

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

bool IsContainer(const c10::TypePtr& type) {
  if (const auto optional = type->cast<c10::OptionalType>()) return IsContainer(optional->getElementType());
  const auto kind = type->kind();
  return kind == c10::TypeKind::ListType || kind == c10::TypeKind::DictType || kind == c10::TypeKind::TupleType ||
         kind == c10::TypeKind::AnyType || kind == c10::TypeKind::UnionType;
}

bool IsTensor(const c10::TypePtr& type) {
  const auto optional = type->cast<c10::OptionalType>();
  return (optional ? optional->getElementType() : type)->isSubtypeOf(*c10::TensorType::get());
}

// Operators that give a floating tensor of the sizes of their first operand, which is one and the only tensor.
const std::set<std::string> kAlike = {
    "aten::zeros_like", "aten::ones_like",  "aten::empty_like", "aten::full_like", "aten::rand_like",
    "aten::randn_like", "aten::clone",      "aten::detach",     "aten::neg",       "aten::abs",
    "aten::add",        "aten::sub",        "aten::mul",        "aten::div",       "aten::clamp",
    "aten::relu",       "aten::contiguous", "aten::zero_",      "aten::fill_",     "aten::add_",
    "aten::sub_",       "aten::mul_",       "aten::div_",       "aten::sigmoid",   "aten::tanh"};

// Operators that are told the sizes by their first argument.
const std::set<std::string> kSized = {"aten::zeros", "aten::ones", "aten::empty",
                                      "aten::full",  "aten::rand", "aten::randn"};

// The numbers of a list that the program writes out.
std::optional<std::vector<int64_t>> ConstantList(const Value* list) {
  if (const auto known = torch::jit::toIValue(list)) {
    return known->isIntList() ? std::optional(known->toIntVector()) : std::nullopt;
  }
  if (list->node()->kind() != prim::ListConstruct) return std::nullopt;
  std::vector<int64_t> numbers;
  for (const Value* input : list->node()->inputs()) {
    const auto number = torch::jit::toIValue(input);
    if (!number || !number->isInt()) return std::nullopt;
    numbers.push_back(number->toInt());
  }
  return numbers;
}

// Whether an operator that is told a type, or not, gives this one.
bool GivesType(const Node* node, c10::ScalarType fallback, c10::ScalarType wanted) {
  const auto* schema = node->maybeSchema();
  const auto at = schema == nullptr ? std::nullopt : schema->argumentIndexWithName("dtype");
  if (!at) return fallback == wanted;
  const auto told = torch::jit::toIValue(node->input(*at));
  return told && (told->isNone() ? fallback == wanted : told->isInt() && told->toScalarType() == wanted);
}

// Whether a value has the sizes and the type of the tensor that an attribute of `object` holds, whatever happened
// before.
bool IsLikeHeld(const Module& module, const Value* object, const std::string& name, const Value* value) {
  const auto path = ModulePath(object);
  const auto owner = AttributeOf(module, object);
  if (!path || !owner || !owner->isObject()) return false;
  const Node* node = value->node();
  if (node->kind() == prim::GetAttr) return node->s(attr::name) == name && ModulePath(node->input(0)) == path;
  const IValue held = owner->toObject()->getAttr(name);
  if (node->inputs().empty() || !held.isTensor() || !held.toTensor().is_floating_point()) return false;
  const at::Tensor& tensor = held.toTensor();
  const std::string kind = node->kind().toQualString();
  if (kSized.contains(kind)) {
    const auto sizes = ConstantList(node->input(0));
    return sizes && tensor.sizes() == *sizes && GivesType(node, c10::kFloat, tensor.scalar_type());
  }
  const auto others = node->inputs().slice(1);
  return kAlike.contains(kind) && GivesType(node, tensor.scalar_type(), tensor.scalar_type()) &&
         std::none_of(others.begin(), others.end(), [](const Value* input) { return IsTensor(input->type()); }) &&
         IsLikeHeld(module, object, name, node->input(0));
}

// Whether an operator that writes to its i-th input may change the sizes of what is there.
bool MayResize(const c10::FunctionSchema& schema, size_t i) {
  const std::string& name = schema.name();
  if (name.empty() || name.back() != '_' || schema.arguments()[i].is_out()) return true;
  const auto handle = c10::Dispatcher::singleton().findSchema({name, schema.overload_name()});
  return !handle || handle->hasTag(at::Tag::inplace_view);
}

// Finds the attributes that a flat graph writes to. What may be the same thing as an attribute counts as it.
class Writes {
 public:
  // Of tensors, and of lists, dicts and tuples of them.
  struct Kind {
    AttributeSet aliased;  // one thing with two names
    AttributeSet changed;  // resized, or given other elements
    bool changes = false;  // one is, an attribute or not
  };
  struct Found {
    std::set<std::string> names;
    AttributeSet set;  // to something that may have other sizes, or be of another type
    Kind tensors, containers;
    Kind& Of(const Value* value) { return IsContainer(value->type()) ? containers : tensors; }
  };

  // `path`: of the module that the graph belongs to.
  Writes(const Module& module, const std::string& path, Found& found) : module_(module), path_(path), found_(found) {}

  void Add(Graph& graph) {
    ForEachNode(graph.block(), [this](Node* node) { Add(node); });
  }

 private:
  void Add(const Node* node) {
    if (node->kind() == prim::SetAttr) {
      const std::string& name = node->s(attr::name);
      found_.names.insert(name);
      if (!IsLikeHeld(module_, node->input(0), name, node->input(1))) Note(found_.set, node->input(0), name);
      return Reach(node->input(1), &found_.Of(node->input(1)).aliased);  // it has two names from here on
    }
    const auto* schema = node->maybeSchema();
    if (schema == nullptr || !schema->is_mutable()) return;
    bool stored = false;
    for (size_t i = 0; i < node->inputs().size() && i < schema->arguments().size(); ++i) {
      const Value* input = node->input(i);
      const auto* alias = schema->arguments()[i].alias_info();
      if (alias == nullptr || !alias->isWrite()) continue;
      const bool changes = IsContainer(input->type()) || MayResize(*schema, i);
      found_.Of(input).changes |= changes;
      Reach(input, changes ? &found_.Of(input).changed : nullptr);
      stored = stored || IsContainer(input->type());
    }
    if (!stored) return;
    for (const Value* input : node->inputs()) Reach(input, &found_.Of(input).aliased);
  }

  void Note(AttributeSet& set, const Value* object, const std::string& name) const {
    if (const auto path = ModulePath(object)) {
      set.paths.insert(JoinPath(JoinPath(path_, *path), name));
    } else {
      set.anywhere.insert(name);
    }
  }

  // Every attribute that may be this value, or hold it; they are noted in `set`, too. (A list that gets other elements
  // leaves those that it had as they are.)
  void Reach(const Value* value, AttributeSet* set) {
    if ((!IsContainer(value->type()) && !IsTensor(value->type())) || !seen_.insert({value, set}).second) return;
    const Node* node = value->node();
    if (node->kind() == prim::GetAttr) {
      found_.names.insert(node->s(attr::name));
      const bool within = set == &found_.containers.changed || set == &found_.containers.aliased;
      if (set != nullptr && (!within || IsContainer(value->type()))) Note(*set, node->input(0), node->s(attr::name));
    } else if (node->kind() == prim::Param) {
      ReachOwner(value, set);
    } else if (!node->blocks().empty()) {
      for (const Value* input : node->inputs()) Reach(input, set);
      for (const Block* block : node->blocks()) {
        for (const Value* output : block->outputs()) Reach(output, set);
      }
    } else {
      for (size_t i = 0; i < node->inputs().size(); ++i) {
        if (MayBe(node, i, value)) Reach(node->input(i), set);
      }
    }
  }

  // What a block is given is an input of its node, or in a loop what the round before gave.
  void ReachOwner(const Value* value, AttributeSet* set) {
    const Block* block = value->node()->owningBlock();
    const Node* owner = block->owningNode();
    if (owner == nullptr) return;  // the caller's
    for (const Value* input : owner->inputs()) Reach(input, set);
    for (const Value* output : block->outputs()) Reach(output, set);
  }

  // Whether what a node gives may be its i-th input, or be in it, or hold it.
  static bool MayBe(const Node* node, size_t i, const Value* value) {
    const auto* schema = node->maybeSchema();
    if (schema == nullptr || i >= schema->arguments().size() || schema->is_vararg()) return true;
    if (IsContainer(node->input(i)->type())) return schema->arguments()[i].alias_info() || IsContainer(value->type());
    return schema->arguments()[i].alias_info() != nullptr;
  }

  const Module& module_;
  const std::string& path_;
  Found& found_;
  std::set<std::pair<const Value*, const AttributeSet*>> seen_;
};

class Collector {
 public:
  explicit Collector(const std::vector<std::pair<std::string, std::string>>& known) : known_(known) {}

  WrittenAttributes Take(const Module& module) && {
    for (const auto& [path, name] : known_) Look(ModuleAt(module, path), path, name, runs_);
    Visit(module, "");
    AttributeSet replaced = other_.set;
    for (const auto kind : {&Writes::Found::tensors, &Writes::Found::containers}) {
      const Writes::Kind &run = runs_.*kind, &other = other_.*kind;
      for (const Writes::Kind* each : {&run, &other}) {
        replaced.Add(each->changed);
        if (run.changes || other.changes) replaced.Add(each->aliased);
      }
    }
    other_.names.merge(runs_.names);
    return {std::move(other_.names), std::move(replaced)};
  }

 private:
  // What a method of a module around it calls has been looked at there, but whoever holds the module may call its own.
  void Visit(const Module& module, const std::string& path) {
    for (auto* method : module.type()->methods()) {
      const std::string& name = method->name();
      const bool inner = !path.empty() || name.rfind('_', 0) == 0;
      if (name == "__setstate__" || (inner && called_.contains({path, name}))) continue;
      if (std::find(known_.begin(), known_.end(), std::pair(path, name)) == known_.end()) {
        Look(module, path, name, other_);
      }
    }
    for (const auto& child : module.named_children()) Visit(child.value, JoinPath(path, child.name));
  }

  void Look(const Module& module, const std::string& path, const std::string& name, Writes::Found& found) {
    auto* function = torch::jit::tryToGraphFunction(module.get_method(name).function());
    if (function == nullptr) return;
    function->ensure_defined();
    const auto graph = function->graph()->copy();
    try {
      InlineCalls(module, *graph, [&](const std::string& at, Node* call) {
        called_.insert({JoinPath(path, at), call->s(attr::name)});
        return true;
      });
    } catch (const Error&) {
      // Its calls can't be followed, so that it can't be cut along with `forward`, either; its own writes still count.
    }
    Writes(module, path, found).Add(*graph);
  }

  const std::vector<std::pair<std::string, std::string>>& known_;
  Writes::Found runs_;                                    // of the methods whose runs are recorded
  Writes::Found other_;                                   // of all others
  std::set<std::pair<std::string, std::string>> called_;  // path and name of methods
};

}  // namespace

bool AttributeSet::Contains(const std::string& path) const {
  for (size_t from = 0, end = 0; end != std::string::npos; from = end + 1) {
    end = path.find('.', from);
    if (paths.contains(path.substr(0, end)) || anywhere.contains(path.substr(from, end - from))) return true;
  }
  return false;
}

void AttributeSet::Add(const AttributeSet& others) {
  paths.insert(others.paths.begin(), others.paths.end());
  anywhere.insert(others.anywhere.begin(), others.anywhere.end());
}

WrittenAttributes FindWritten(const Module& module, const std::vector<std::pair<std::string, std::string>>& known) {
  return Collector(known).Take(module);
}

}  // namespace espalier::script
