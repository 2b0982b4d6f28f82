#include "script/checks/guard.h"

#include <torch/csrc/jit/passes/inliner.h>

#include "script/checks/own_operator.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Operation;
using torch::jit::Stack;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

// Without inputs or outputs; the node holds the guard.
Operation MakeAsk(const Node* node) {
  const auto guard = c10::static_intrusive_pointer_cast<Guard>(node->ival(attr::value).toCapsule());
  return [guard](Stack&) { guard->Ask(); };
}

void Visit(Block* block, const c10::intrusive_ptr<Guard>& guard) {
  static const c10::Symbol ask = OwnOperator("ask", MakeAsk);
  Graph& graph = *block->owningGraph();
  for (Node* node : block->nodes()) {
    if (node->kind() == prim::Loop) {
      Node* asks = graph.create(ask, 0)->ival_(attr::value, IValue::make_capsule(guard));
      node->blocks()[0]->prependNode(asks);
    } else if (node->kind() == prim::fork) {
      // A copy of a graph shares the graphs that its nodes hold.
      const auto forked = node->g(attr::Subgraph)->copy();
      torch::jit::Inline(*forked);
      AddGuards(*forked, guard);
      node->g_(attr::Subgraph, forked);
    }
    for (Block* inner : node->blocks()) Visit(inner, guard);
  }
}

}  // namespace

void AddGuards(Graph& graph, const c10::intrusive_ptr<Guard>& guard) { Visit(graph.block(), guard); }

}  // namespace espalier::script
