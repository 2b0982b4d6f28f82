#include "script/graph/dead_loops.h"

#include <set>
#include <unordered_set>
#include <vector>

namespace espalier::script {
namespace {

using torch::jit::Block;
using torch::jit::Node;
using torch::jit::Value;

// Inputs of a loop node before those that it carries, and of its body before the same.
constexpr size_t kTripAndCondition = 2;
constexpr size_t kRound = 1;

bool HasEffects(const Node* node) {
  const auto* schema = node->maybeSchema();
  if (node->hasSideEffects() || (schema != nullptr && schema->is_mutable())) return true;
  for (const Block* block : node->blocks()) {
    for (const Node* inner : block->nodes()) {
      if (HasEffects(inner)) return true;
    }
  }
  return false;
}

// All that the given values and the effects of a block need, as far as it lies in the block or is a parameter of it.
class Needed {
 public:
  explicit Needed(const Block* body) {
    for (const Node* node : body->nodes()) {
      if (HasEffects(node)) Add(node);
    }
  }

  void Add(const Value* value) {
    if (values_.insert(value).second && value->node()->kind() != torch::jit::prim::Param) Add(value->node());
  }

  bool Has(const Value* value) const { return values_.contains(value); }

 private:
  void Add(const Node* node) {
    if (!nodes_.insert(node).second) return;
    for (const Value* input : node->inputs()) Add(input);
    for (const Block* block : node->blocks()) {
      for (const Value* output : block->outputs()) Add(output);
      for (const Node* inner : block->nodes()) Add(inner);
    }
  }

  std::unordered_set<const Value*> values_;
  std::unordered_set<const Node*> nodes_;
};

void RemoveCarried(Node* loop, size_t i) {
  Block* body = loop->blocks()[0];
  body->inputs()[kRound + i]->replaceAllUsesWith(loop->input(kTripAndCondition + i));
  body->eraseOutput(1 + i);  // the first is the condition
  body->eraseInput(kRound + i);
  loop->eraseOutput(i);
  loop->removeInput(kTripAndCondition + i);
}

void Trim(Node* loop) {
  const Block* body = loop->blocks()[0];
  Needed needed(body);
  needed.Add(body->outputs()[0]);
  std::set<size_t> live;
  for (bool grown = true; grown;) {
    grown = false;
    for (size_t i = 0; i < loop->outputs().size(); ++i) {
      const bool read = loop->outputs()[i]->hasUses() || needed.Has(body->inputs()[kRound + i]);
      if (!read || !live.insert(i).second) continue;
      needed.Add(body->outputs()[1 + i]);
      grown = true;
    }
  }
  for (size_t i = loop->outputs().size(); i-- > 0;) {
    if (!live.contains(i)) RemoveCarried(loop, i);
  }
}

void Visit(Block* block) {
  // Later loops first: they may be all that reads an earlier one.
  const std::vector<Node*> nodes(block->nodes().begin(), block->nodes().end());
  for (auto it = nodes.rbegin(); it != nodes.rend(); ++it) {
    Node* node = *it;
    if (node->kind() == torch::jit::prim::Loop) {
      Trim(node);
      if (node->outputs().empty() && !HasEffects(node)) {
        node->destroy();
        continue;
      }
    }
    for (Block* inner : node->blocks()) Visit(inner);
  }
}

}  // namespace

void RemoveDeadLoops(torch::jit::Graph& graph) { Visit(graph.block()); }

}  // namespace espalier::script
