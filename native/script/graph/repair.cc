#include "script/graph/repair.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/jit.h>

#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "script/graph/scope.h"
#include "script/graph/stochastic_depth.h"
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

// The argument that is the mode.
// (`use_input_stats` of instance_norm is no mode: without statistics of its own a norm always takes the input's.)
const std::map<std::string, std::string> kModeArgument = {
    {"aten::batch_norm", "training"},
    {"aten::dropout", "train"},
    {"aten::dropout_", "train"},
    {"aten::feature_dropout", "train"},
    {"aten::feature_dropout_", "train"},
    {"aten::alpha_dropout", "train"},
    {"aten::alpha_dropout_", "train"},
    {"aten::rrelu", "training"},
    {"aten::rrelu_", "training"},
    {"aten::lstm", "train"},
    {"aten::gru", "train"},
    {"aten::rnn_tanh", "train"},
    {"aten::rnn_relu", "train"},
};

// Where it stands among the inputs.
std::optional<size_t> ModeInput(const Node* node) {
  const auto known = kModeArgument.find(node->kind().toQualString());
  const auto* schema = node->maybeSchema();
  if (known == kModeArgument.end() || schema == nullptr) return std::nullopt;
  const auto index = schema->argumentIndexWithName(known->second);
  if (!index || static_cast<size_t>(*index) >= node->inputs().size()) return std::nullopt;
  return *index;
}

constexpr const char* kCounter = "num_batches_tracked";

// What nn.BatchNorm does beside the operator. Without a momentum its statistics are the mean of all batches; tracing
// writes that down as a momentum of 0.
constexpr const char* kSource = R"(
def count(training: bool, batches: Tensor) -> None:
  if training:
    batches.add_(1)

def momentum_of(training: bool, batches: Tensor) -> float:
  momentum = 0.
  if training:
    momentum = 1. / float(batches)
  return momentum
)";

// Whether the value is an attribute of the module that the graph is a method of.
bool IsOwn(Graph& graph, const Value* value) {
  return value->node()->kind() == prim::GetAttr && value->node()->input(0) == graph.inputs()[0];
}

// A norm without statistics of its own always takes the input's, whatever the mode: that constant is no trace.
bool OwnStatistics(const Node* node) {
  if (node->kind() != c10::aten::batch_norm) return true;
  const auto mean = torch::jit::toIValue(node->input(3));
  return !mean || !mean->isNone();
}

// Where attention has its dropout probability; a trace in eval mode has 0 there, and the probability is lost.
constexpr size_t kAttentionDropout = 4;

double DropoutOf(const Node* node) {
  if (node->kind() != c10::aten::scaled_dot_product_attention) return 0;
  const auto probability = torch::jit::toIValue(node->input(kAttentionDropout));
  return probability && probability->isDouble() ? probability->toDouble() : 0;
}

struct Found {
  BakedMode mode;
  Node* node;
  std::shared_ptr<Graph> graph;
  std::function<void(Value* training)> repair;
  bool counts = false;  // a batch norm whose module counts its batches
};

// The probability where `training` holds, else 0.
void DropOnlyIn(Value* training, Node* attention, double probability) {
  Graph& graph = *attention->owningGraph();
  Node* choice = graph.create(prim::If, {training}, 1);
  choice->insertBefore(attention);
  choice->setSourceRange(attention->sourceRange());
  choice->output()->setType(c10::FloatType::get());
  for (const double value : {probability, 0.0}) {
    Block* block = choice->addBlock();
    torch::jit::WithInsertPoint guard(block->return_node());
    block->registerOutput(graph.insertConstant(value));
  }
  attention->replaceInput(kAttentionDropout, choice->output());
}

struct Search {
  std::vector<Found> found;
  std::set<const torch::jit::Function*> seen;

  void Visit(const Module& module, const std::string& path) {
    if (module.hasattr("training")) {
      for (auto* function : module.type()->methods()) Methods(*function, path, module);
    }
    for (const auto& child : module.named_children()) Visit(child.value, JoinPath(path, child.name));
  }

  void Methods(torch::jit::Function& function, const std::string& path, const Module& module) {
    auto* method = torch::jit::tryToGraphFunction(function);
    if (method == nullptr || !seen.insert(&function).second) return;
    const auto graph = method->graph();
    const auto add = [&](Node* node, const Node* named, bool training, std::function<void(Value*)> repair) {
      found.push_back({{path, named->kind().toQualString(), training}, node, graph, std::move(repair), false});
    };
    ForEachNodeOutwards(graph->block(), [&](Node* node) {
      // (In a block it is guarded already: a trace has none.)
      if (const auto depth = StochasticDepthIn(node); depth && node->owningBlock() == graph->block()) {
        return add(depth->noise.front(), depth->random, true,
                   [depth = *depth](Value* training) { Guard(depth, training); });
      }
      if (const double probability = DropoutOf(node); probability > 0) {
        return add(node, node, true, [=](Value* training) { DropOnlyIn(training, node, probability); });
      }
      const auto input = ModeInput(node);
      const auto mode = input ? torch::jit::toIValue(node->input(*input)) : std::nullopt;
      if (!mode || !mode->isBool() || !OwnStatistics(node)) return;
      add(node, node, mode->toBool(), [=](Value* training) { node->replaceInput(*input, training); });
      found.back().counts = node->kind() == c10::aten::batch_norm && IsOwn(*graph, node->input(3)) &&
                            module.hasattr(kCounter) && module.attr(kCounter).isTensor();
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

// The operators that count, in a trace that was taken in train mode: they do it whatever the mode is.
std::vector<Node*> Counters(Graph& graph) {
  std::vector<Node*> counters;
  ForEachNodeOutwards(graph.block(), [&](Node* node) {
    if (node->kind() != c10::aten::add_ || node->hasUses()) return;
    const Node* counter = node->input(0)->node();
    if (counter->kind() == prim::GetAttr && counter->s(attr::name) == kCounter) counters.push_back(node);
  });
  return counters;
}

std::vector<Value*> Insert(Graph& graph, const char* function, std::vector<Value*> arguments, Node* before) {
  static const auto* unit = new std::shared_ptr<torch::jit::CompilationUnit>(torch::jit::compile(kSource));
  const auto body = torch::jit::toGraphFunction((*unit)->get_function(function)).graph();
  torch::jit::WithInsertPoint guard(before);
  return torch::jit::insertGraph(graph, *body, arguments);
}

// Lets the module of a norm count its batches as nn.BatchNorm does: in train mode, and only then.
void Count(const Found& found) {
  Graph& graph = *found.graph;
  const std::vector<Node*> counters = Counters(graph);
  for (Node* counter : counters) {
    Insert(graph, "count", {TrainingOf(graph, counter), counter->input(0)}, counter);
    counter->destroy();
  }
  if (!found.counts) return;
  Node* norm = found.node;
  torch::jit::WithInsertPoint guard(norm);
  Value* batches = graph.insertGetAttr(graph.inputs()[0], kCounter);
  if (counters.empty()) Insert(graph, "count", {TrainingOf(graph, norm), batches}, norm);
  const auto momentum = torch::jit::toIValue(norm->input(6));
  if (momentum && momentum->isDouble() && momentum->toDouble() == 0) {
    norm->replaceInput(6, Insert(graph, "momentum_of", {TrainingOf(graph, norm), batches}, norm)[0]);
  }
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
  std::set<std::shared_ptr<Graph>> counted;
  for (const size_t place : places) {
    if (place >= search.found.size()) continue;
    const Found& found = search.found[place];
    found.repair(TrainingOf(*found.graph, found.node));
    if (found.mode.op == "aten::batch_norm" && counted.insert(found.graph).second) Count(found);
  }
}

}  // namespace espalier::script
