#include "script/record/entry.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "script/error.h"
#include "script/graph/inline.h"
#include "script/graph/scope.h"
#include "script/module/lookup.h"
#include "script/record/attempt.h"
#include "script/record/recording.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

EntryCall CallOf(const Module& module, const std::string& path, const std::string& method, size_t given) {
  auto& function = ModuleAt(module, path).get_method(method).function();
  if (torch::jit::tryToGraphFunction(function) == nullptr) {
    throw Error("ERR_UNSUPPORTED", "The module's `" + JoinPath(path, method) + "` is not TorchScript");
  }
  return {path, method, function.getSchema(), given};
}

}  // namespace

Entry EntryOf(const Module& module, const std::vector<std::pair<std::string, size_t>>& others) {
  if (!module.find_method("forward")) throw Error("ERR_UNSUPPORTED", "The module has no forward method");
  Entry entry = {CallOf(module, "", "forward", 0)};
  for (const auto& [name, given] : others) {
    const auto found = MethodAt(module, name);
    if (!found) throw Error("ERR_INVALID_ARGUMENT", "methods: the module has no method '" + name + "'");
    const auto& [path, method] = *found;
    if (path.empty() ? method == "forward" : IsForward(method)) {
      throw Error("ERR_INVALID_ARGUMENT", "methods: '" + name + "' runs with the example inputs, and needs none here");
    }
    entry.push_back(CallOf(module, path, method, given));
  }
  return entry;
}

std::shared_ptr<Graph> EntryGraph(const Module& module, const Entry& entry, std::vector<Node*>* calls) {
  auto& forward = module.get_method("forward").function();
  forward.ensure_defined();
  auto graph = torch::jit::toGraphFunction(forward).graph()->copy();
  if (entry.size() == 1) return graph;
  torch::jit::WithInsertPoint guard(graph->block()->return_node());
  std::vector<Value*> outputs = {graph->outputs()[0]};
  for (size_t k = 1; k < entry.size(); ++k) {
    const EntryCall& call = entry[k];
    Value* owner = graph->inputs()[0];
    std::istringstream names(call.path);
    for (std::string name; std::getline(names, name, '.');) owner = graph->insertGetAttr(owner, name);
    std::vector<Value*> inputs = {owner};
    for (size_t i = 1; i < call.schema.arguments().size(); ++i) {
      inputs.push_back(graph->addInput()->setType(call.schema.arguments()[i].real_type()));
    }
    Node* node = graph->insertNode(graph->create(prim::CallMethod, inputs));
    node->s_(attr::name, call.method);
    node->output()->setType(call.schema.returns()[0].real_type());
    outputs.push_back(node->output());
    if (calls != nullptr) calls->push_back(node);
  }
  Value* all = graph->insertNode(graph->createTuple(outputs))->output();
  graph->eraseOutput(0);
  graph->registerOutput(all);
  return graph;
}

bool IsWithin(const Node* node, const std::vector<std::string>& trails) {
  const std::string trail = TrailOf(node);
  return std::any_of(trails.begin(), trails.end(), [&](const std::string& each) { return trail.rfind(each, 0) == 0; });
}

PreparedGraph PrepareEntry(const Module& module, const Entry& entry, std::vector<std::string>& trails) {
  std::vector<Node*> calls;
  auto graph = EntryGraph(module, entry, &calls);
  std::vector<std::pair<std::string, std::string>> known;
  for (const EntryCall& call : entry) known.emplace_back(call.path, call.method);
  return Prepare(module, std::move(graph), known, [&](const Node* call, const std::string& trail) {
    const auto found = std::find(calls.begin(), calls.end(), call);
    if (found == calls.end()) return;
    trails.push_back(trail);
    calls.erase(found);  // its address may become another node's
  });
}

void KeepForward(Graph& graph, const Entry& entry, const std::vector<std::string>& trails) {
  if (entry.size() == 1) return;
  Node* all = graph.outputs()[0]->node();
  if (all->kind() != prim::TupleConstruct) throw Error("ERR_UNSUPPORTED", "The model's methods give constants");
  Value* output = all->input(0);
  graph.eraseOutput(0);
  graph.registerOutput(output);
  all->destroy();
  // Backwards: what a node gives has lost its users when its turn comes. What was put in for one has no trail.
  for (auto it = graph.block()->nodes().rbegin(); it != graph.block()->nodes().rend();) {
    Node* node = *it++;
    const bool made = TrailOf(node).empty() && node->kind() != prim::Constant && !node->hasSideEffects();
    if (IsWithin(node, trails) || (made && !node->hasUses())) node->destroy();
  }
  torch::jit::EliminateDeadCode(graph.block());
  for (size_t i = graph.inputs().size(); i > entry[0].schema.arguments().size(); --i) graph.eraseInput(i - 1);
}

std::vector<IValue> Normalize(const Module& module, const Entry& entry, std::vector<IValue> inputs) {
  std::vector<IValue> all;
  auto next = inputs.begin();
  for (const EntryCall& call : entry) {
    const auto wanted = std::min<ptrdiff_t>(inputs.end() - next, call.schema.arguments().size() - 1);
    std::vector<IValue> own = {ModuleAt(module, call.path)._ivalue()};
    own.insert(own.end(), next, next + wanted);
    next += wanted;
    // A copy of the module that was recorded has types of its own.
    std::vector<c10::Argument> arguments = call.schema.arguments();
    arguments[0] = arguments[0].cloneWithType(own[0].type());
    try {
      call.schema.cloneWithArguments(std::move(arguments)).checkAndNormalizeInputs(own);
    } catch (const std::exception& error) {
      const std::string name = JoinPath(call.path, call.method);
      throw Error("ERR_INVALID_ARGUMENT",
                  "The example inputs don't fit the model's " + name + ": " + FirstLine(error.what()), error.what());
    }
    all.insert(all.end(), own.begin() + 1, own.end());
  }
  return all;
}

}  // namespace espalier::script
