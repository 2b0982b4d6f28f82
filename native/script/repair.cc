#include "script/repair.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include <functional>
#include <map>
#include <utility>

#include "script/scope.h"

namespace espalier::script {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

// Where the mode stands among the inputs.
// (`use_input_stats` of instance_norm is no mode: without statistics of its own a norm always takes the input's.)
const std::map<std::string, size_t> kModeInput = {
    {"aten::batch_norm", 5},       {"aten::dropout", 2},
    {"aten::dropout_", 2},         {"aten::feature_dropout", 2},
    {"aten::feature_dropout_", 2}, {"aten::alpha_dropout", 2},
    {"aten::alpha_dropout_", 2},   {"aten::rrelu", 3},
    {"aten::rrelu_", 3},
};

void ForEachNode(Block* block, const std::function<void(Node*)>& visit) {
  // The visitor may move or destroy the node.
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it++;
    for (Block* inner : node->blocks()) ForEachNode(inner, visit);
    visit(node);
  }
}

// A norm without statistics of its own always takes the input's, whatever the mode: that constant is no trace.
bool OwnStatistics(const Node* node) {
  if (node->kind() != c10::aten::batch_norm) return true;
  const auto mean = torch::jit::toIValue(node->input(3));
  return !mean || !mean->isNone();
}

struct Found {
  BakedMode mode;
  Node* node;
  size_t input;
  std::shared_ptr<Graph> graph;
};

struct Search {
  std::vector<Found> found;
  std::set<const torch::jit::Function*> seen;

  void Visit(const Module& module, const std::string& path) {
    if (module.hasattr("training")) {
      for (auto* function : module.type()->methods()) Methods(*function, path);
    }
    for (const auto& child : module.named_children()) Visit(child.value, JoinPath(path, child.name));
  }

  void Methods(torch::jit::Function& function, const std::string& path) {
    auto* method = torch::jit::tryToGraphFunction(function);
    if (method == nullptr || !seen.insert(&function).second) return;
    const auto graph = method->graph();
    ForEachNode(graph->block(), [&](Node* node) {
      const auto known = kModeInput.find(node->kind().toQualString());
      if (known == kModeInput.end() || known->second >= node->inputs().size()) return;
      const auto mode = torch::jit::toIValue(node->input(known->second));
      if (!mode || !mode->isBool() || !OwnStatistics(node)) return;
      found.push_back({{path, known->first, mode->toBool()}, node, known->second, graph});
    });
  }
};

Value* TrainingOf(Graph& graph, Node* before) {
  torch::jit::WithInsertPoint guard(before);
  Node* get = graph.createGetAttr(graph.inputs()[0], "training");
  graph.insertNode(get);
  get->setSourceRange(before->sourceRange());
  return get->output();
}

// A trace in train mode counts its batches whatever the mode is; only training may.
void GuardCounter(const std::shared_ptr<Graph>& graph) {
  ForEachNode(graph->block(), [&](Node* node) {
    if (node->kind() != c10::aten::add_ || node->hasUses()) return;
    const Node* counter = node->input(0)->node();
    if (counter->kind() != prim::GetAttr || counter->s(attr::name) != "num_batches_tracked") return;
    Value* training = TrainingOf(*graph, node);
    Node* branch = graph->create(prim::If, {training}, 0);
    branch->insertBefore(node);
    Block* counting = branch->addBlock();
    branch->addBlock();
    node->moveBefore(counting->return_node());
  });
}

}  // namespace

std::vector<BakedMode> FindBakedModes(const Module& module) {
  Search search;
  search.Visit(module, "");
  std::vector<BakedMode> modes;
  for (Found& found : search.found) modes.push_back(std::move(found.mode));
  return modes;
}

void RepairModes(Module& module, const std::set<size_t>& places) {
  Search search;
  search.Visit(module, "");
  std::set<std::shared_ptr<Graph>> counting;
  for (const size_t place : places) {
    if (place >= search.found.size()) continue;
    const Found& found = search.found[place];
    found.node->replaceInput(found.input, TrainingOf(*found.graph, found.node));
    if (found.mode.op == "aten::batch_norm") counting.insert(found.graph);
  }
  for (const auto& graph : counting) GuardCounter(graph);
}

}  // namespace espalier::script
