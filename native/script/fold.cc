#include "script/fold.h"

#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "script/unchecked.h"

namespace espalier::script {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Operation;
using torch::jit::Operator;
using torch::jit::Stack;
using Kinds = std::unordered_map<c10::Symbol, c10::Symbol>;

namespace {

struct Checked {
  Kinds own;       // by kind of LibTorch
  Kinds original;  // by kind of this library
};

bool OfNumbers(const c10::FunctionSchema& schema) {
  return std::all_of(schema.arguments().begin(), schema.arguments().end(), [](const c10::Argument& argument) {
    return argument.type()->isSubtypeOf(*c10::NumberType::get());
  });
}

// Operators of this library that check their arguments, then do the same.
const Checked& CheckedDivisions() {
  static const auto* checked = [] {
    auto* kinds = new Checked;
    for (const char* name : {"floordiv", "remainder", "divmod", "__round_to_zero_floordiv", "gcd"}) {
      const auto original = c10::Symbol::aten(name);
      // A process may hold two copies of the library: each has its own.
      const auto own = c10::Symbol::fromQualString("espalier::" + std::string(name) + "_" +
                                                   std::to_string(reinterpret_cast<uintptr_t>(kinds)));
      for (const auto& op : torch::jit::getAllOperatorsFor(original)) {
        const auto& schema = op->schema();
        if (!OfNumbers(schema)) continue;
        const Operation run = [op](Stack& stack) {
          const auto& schema = op->schema();
          CheckSizes(schema, torch::jit::last(stack, schema.arguments().size()).vec());
          op->getOperation()(stack);
        };
        torch::jit::registerOperator(Operator(own.toQualString(), schema.overload_name(), schema.arguments(),
                                              schema.returns(), run, c10::AliasAnalysisKind::PURE_FUNCTION));
      }
      kinds->own.emplace(original, own);
      kinds->original.emplace(own, original);
    }
    return kinds;
  }();
  return *checked;
}

void Collect(Block* block, const Kinds& kinds, std::vector<Node*>& nodes) {
  for (Node* node : block->nodes()) {
    const auto* schema = kinds.contains(node->kind()) ? node->maybeSchema() : nullptr;
    if (schema != nullptr && OfNumbers(*schema)) nodes.push_back(node);
    for (Block* inner : node->blocks()) Collect(inner, kinds, nodes);
  }
}

void Rename(Graph& graph, const Kinds& kinds) {
  std::vector<Node*> nodes;
  Collect(graph.block(), kinds, nodes);
  for (Node* node : nodes) {
    Node* renamed = graph.create(kinds.at(node->kind()), node->inputs(), node->outputs().size())->insertBefore(node);
    renamed->copyMetadata(node);
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      renamed->output(i)->copyMetadata(node->output(i));
      node->output(i)->replaceAllUsesWith(renamed->output(i));
    }
    node->destroy();
  }
}

}  // namespace

void FoldConstants(std::shared_ptr<Graph> graph) {
  const Checked& checked = CheckedDivisions();
  Rename(*graph, checked.own);
  torch::jit::ConstantPropagationImmutableTypes(graph);
  Rename(*graph, checked.original);
}

}  // namespace espalier::script
