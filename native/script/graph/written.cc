#include "script/graph/written.h"

#include <torch/csrc/jit/api/function_impl.h>

#include <memory>
#include <unordered_set>
#include <utility>

#include "script/error.h"
#include "script/graph/inline.h"
#include "script/graph/scope.h"
#include "script/graph/walk.h"

namespace espalier::script {

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

// Finds the attributes that a flat graph writes to. What may be the same thing as an attribute counts as it.
class Writes {
 public:
  explicit Writes(std::set<std::string>& names) : names_(names) {}

  void Add(Graph& graph) {
    ForEachNode(graph.block(), [this](Node* node) { Add(node); });
  }

 private:
  void Add(const Node* node) {
    if (node->kind() == prim::SetAttr) {
      names_.insert(node->s(attr::name));
      return Reach(node->input(1));  // it has two names from here on
    }
    const auto* schema = node->maybeSchema();
    if (schema == nullptr || !schema->is_mutable()) return;
    bool stored = false;
    for (size_t i = 0; i < node->inputs().size() && i < schema->arguments().size(); ++i) {
      const auto* alias = schema->arguments()[i].alias_info();
      if (alias == nullptr || !alias->isWrite()) continue;
      Reach(node->input(i));
      stored = stored || IsContainer(node->input(i)->type());
    }
    if (!stored) return;
    for (const Value* input : node->inputs()) Reach(input);
  }

  // Every attribute that may be this value, or hold it.
  void Reach(const Value* value) {
    if ((!IsContainer(value->type()) && !IsTensor(value->type())) || !seen_.insert(value).second) return;
    const Node* node = value->node();
    if (node->kind() == prim::GetAttr) {
      names_.insert(node->s(attr::name));
    } else if (node->kind() == prim::Param) {
      ReachOwner(value);
    } else if (!node->blocks().empty()) {
      for (const Value* input : node->inputs()) Reach(input);
      for (const Block* block : node->blocks()) {
        for (const Value* output : block->outputs()) Reach(output);
      }
    } else {
      for (size_t i = 0; i < node->inputs().size(); ++i) {
        if (MayBe(node, i, value)) Reach(node->input(i));
      }
    }
  }

  // What a block is given is an input of its node, or in a loop what the round before gave.
  void ReachOwner(const Value* value) {
    const Block* block = value->node()->owningBlock();
    const Node* owner = block->owningNode();
    if (owner == nullptr) return;  // the caller's
    for (const Value* input : owner->inputs()) Reach(input);
    for (const Value* output : block->outputs()) Reach(output);
  }

  // Whether what a node gives may be its i-th input, or be in it, or hold it.
  static bool MayBe(const Node* node, size_t i, const Value* value) {
    const auto* schema = node->maybeSchema();
    if (schema == nullptr || i >= schema->arguments().size() || schema->is_vararg()) return true;
    if (IsContainer(node->input(i)->type())) return schema->arguments()[i].alias_info() || IsContainer(value->type());
    return schema->arguments()[i].alias_info() != nullptr;
  }

  std::set<std::string>& names_;
  std::unordered_set<const Value*> seen_;
};

class Collector {
 public:
  std::set<std::string> Take(const Module& module) && {
    Visit(module, "");
    return std::move(names_);
  }

 private:
  // What a method of a module around it calls has been looked at there.
  void Visit(const Module& module, const std::string& path) {
    for (auto* method : module.type()->methods()) {
      auto* function = torch::jit::tryToGraphFunction(*method);
      if (function == nullptr || method->name() == "__setstate__") continue;
      if (called_.contains({path, method->name()}) || !seen_.insert(function).second) continue;
      function->ensure_defined();
      Look(module, path, function->graph()->copy());
    }
    for (const auto& child : module.named_children()) Visit(child.value, JoinPath(path, child.name));
  }

  void Look(const Module& module, const std::string& path, const std::shared_ptr<Graph>& graph) {
    try {
      InlineCalls(module, *graph, [&](const std::string& at, Node* call) {
        called_.insert({JoinPath(path, at), call->s(attr::name)});
        return true;
      });
    } catch (const Error&) {
      // Its calls can't be followed, so that it can't be cut along with `forward`, either; its own writes still count.
    }
    Writes(names_).Add(*graph);
  }

  std::set<std::string> names_;
  std::set<std::pair<std::string, std::string>> called_;  // path and name of methods
  std::set<const torch::jit::Function*> seen_;
};

}  // namespace

std::set<std::string> WrittenAttributes(const Module& module) { return Collector().Take(module); }

}  // namespace espalier::script
