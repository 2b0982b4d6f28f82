#include "script/record/trial.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <functional>
#include <utility>

#include "script/graph/walk.h"
#include "script/module/tensors.h"
#include "script/record/random_state.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Block;
using torch::jit::Code;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

// What the other methods leave is what `forward` finds the next time.
void CallForwardAgain(Graph& graph, const Entry& entry) {
  Node* all = graph.outputs()[0]->node();
  const torch::jit::WithInsertPoint guard(all);
  const auto inputs = graph.inputs().slice(0, entry[0].schema.arguments().size());
  Node* again = graph.insertNode(graph.create(prim::CallMethod, inputs));
  again->s_(attr::name, "forward");
  again->output()->setType(entry[0].schema.returns()[0].real_type());
  all->addInput(again->output());
  std::vector<c10::TypePtr> types;
  for (const torch::jit::Value* each : all->inputs()) types.push_back(each->type());
  all->output()->setType(c10::TupleType::create(std::move(types)));
}

std::shared_ptr<Graph> QuietEntry(const Module& module, const Entry& entry) {
  auto graph = EntryGraph(module, entry);
  if (entry.size() > 1) CallForwardAgain(*graph, entry);
  torch::jit::Inline(*graph);
  ForEachNodeOutwards(graph->block(), [](Node* node) {
    if (node->kind() == prim::Print || node->kind() == c10::aten::warn) node->destroy();
  });
  torch::jit::runRequiredPasses(graph);
  return graph;
}

bool IsTensorConstant(const Node* node) {
  return node->kind() == prim::Constant && node->hasAttribute(attr::value) &&
         node->kindOf(attr::value) == torch::jit::AttributeKind::t;
}

// What stands in an attribute as a buffer or a plain number is copied for each run anyway.
bool IsShared(const Node* node) {
  if (node->kind() != prim::GetAttr) return false;
  const auto owner = node->input(0)->type()->cast<c10::ClassType>();
  if (!owner) return true;
  const auto slot = owner->findAttributeSlot(node->s(attr::name));
  return !slot || owner->is_parameter(*slot) || !owner->getAttribute(*slot)->isSubtypeOf(*c10::TensorType::get());
}

bool WritesTo(Graph& graph, const torch::jit::AliasDb& aliases, bool (*wanted)(const Node*)) {
  bool found = false;
  ForEachNodeOutwards(graph.block(), [&](Node* node) {
    if (!found && wanted(node)) found = aliases.hasWriters(node->output());
  });
  return found;
}

std::shared_ptr<Graph> WithOwnConstants(const Graph& graph) {
  auto copy = const_cast<Graph&>(graph).copy();
  ForEachNodeOutwards(copy->block(), [](Node* node) {
    if (IsTensorConstant(node)) node->t_(attr::value, node->t(attr::value).clone());
  });
  return copy;
}

}  // namespace

Trial::Trial(const Module& module, const Entry& entry)
    : graph_(QuietEntry(module, entry)), code_(CodeOf(graph_->copy())) {
  const torch::jit::AliasDb aliases(graph_);
  writes_parameters_ = WritesTo(*graph_, aliases, IsShared);
  writes_constants_ = WritesTo(*graph_, aliases, IsTensorConstant);
}

Code Trial::CodeOf(std::shared_ptr<Graph> copy) const {
  AddGuards(*copy, guard_);
  return Code(std::move(copy), "forward");
}

IValue Trial::Run(const Module& module, std::vector<IValue> inputs, uint64_t seed, const Guard::Check& check) const {
  const KeepRandomState random(seed);
  guard_->Set(check);
  IValue::HashIdentityIValueMap shared;
  if (!writes_parameters_) {
    for (const at::Tensor& parameter : module.parameters()) shared.emplace(parameter, parameter);
  }
  torch::jit::Stack stack;
  stack.reserve(inputs.size() + 1);
  {
    c10::AutoGradMode no_grad(false);
    stack.emplace_back(module._ivalue()->deepcopy(shared));
  }
  // A program may write to its inputs, too.
  for (IValue& input : MapTensors(inputs, [](const at::Tensor& t) { return t.detach().clone(); })) {
    stack.push_back(std::move(input));
  }
  try {
    torch::jit::InterpreterState(writes_constants_ ? CodeOf(WithOwnConstants(*graph_)) : code_).run(stack);
  } catch (...) {
    check();  // what it throws comes out of the interpreter as text
    throw;
  }
  return std::move(stack.front());
}

}  // namespace espalier::script
