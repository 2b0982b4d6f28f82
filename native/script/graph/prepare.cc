#include "script/graph/prepare.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inline_fork_wait.h>
#include <torch/csrc/jit/passes/shape_analysis.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include "script/error.h"
#include "script/graph/dead_loops.h"
#include "script/graph/inline.h"
#include "script/graph/open_attention.h"
#include "script/graph/scope.h"
#include "script/graph/walk.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;
namespace attr = c10::attr;

namespace {

bool IsPlain(const IValue& value) {
  // (An enum of the program must become a constant: in a copy of the module its class is another one.)
  return value.isInt() || value.isDouble() || value.isBool() || value.isString() || value.isNone() || value.isEnum();
}

// Numbers, flags and strings that a module keeps in attributes decide its branches (`if self.downsample is not None`).
// They are constant for the module unless one of its methods sets them. `training` stays what it is.
void FoldAttributes(const Module& module, Graph& graph, const std::set<std::string>& written) {
  std::vector<Node*> reads;
  ForEachNode(graph.block(), [&](Node* node) {
    if (node->kind() == prim::GetAttr) reads.push_back(node);
  });
  for (Node* node : reads) {
    const std::string& name = node->s(attr::name);
    if (name == "training" || written.contains(name)) continue;
    const auto value = AttributeOf(module, node->output());
    if (!value || !IsPlain(*value)) continue;
    torch::jit::WithInsertPoint guard(node);
    Value* constant = graph.insertConstant(*value, node->sourceRange());
    SetScope(constant->node(), CallOf(node));
    node->output()->replaceAllUsesWith(constant);
    node->destroy();
  }
}

// Closes the branches of a block that lead to one of the operators; whether it is reached all the same.
bool ClosePathsTo(const std::set<std::string>& operators, Block* block, Graph& graph) {
  bool reached = false;
  for (Node* node : block->nodes()) {
    if (operators.contains(node->kind().toQualString())) reached = true;
    std::vector<bool> sides;
    for (Block* inner : node->blocks()) sides.push_back(ClosePathsTo(operators, inner, graph));
    if (node->kind() == prim::If && sides[0] != sides[1]) {
      torch::jit::WithInsertPoint guard(node);
      node->replaceInput(0, graph.insertConstant(static_cast<bool>(sides[1])));
    } else {
      for (const bool side : sides) reached = reached || side;
    }
  }
  return reached;
}

// Attention's fast path (inference only) is one operator with all weights, which no analysis can look into; the open
// path beside it computes the same. Nested tensors are made for the fast path alone. Only the innermost choice is
// closed: those around it are about other things, too.
void CloseFastPaths(Graph& graph) {
  ClosePathsTo(
      {"aten::_native_multi_head_attention", "aten::_transformer_encoder_layer_fwd", "aten::_nested_tensor_from_mask"},
      graph.block(), graph);
}

NodeFacts FactsOf(const Node* node) {
  NodeFacts facts;
  if (node->kind() == prim::Constant || node->kind() == prim::GetAttr) return facts;  // never in a record
  facts.name = node->kind().toQualString();
  facts.scope = ScopeOf(node);
  const Node* first = node->inputs().empty() ? nullptr : node->input(0)->node();
  facts.literal = first != nullptr && first->kind() == prim::ListConstruct && first->output()->uses().size() == 1;
  if (node->kind() == prim::SetAttr) {
    facts.mutates = true;
    facts.arg_names = {"self", node->s(attr::name), "held"};  // the last is no input of the node
  } else if (const auto* schema = node->maybeSchema()) {
    facts.overload = schema->overload_name();
    facts.mutates = schema->is_mutable();
    if (schema->arguments().size() == node->inputs().size()) {
      for (const auto& argument : schema->arguments()) facts.arg_names.push_back(argument.name());
    }
  }
  return facts;
}

// The calls by the trails of what they came to: a flat graph from a file knows them, too.
void AddCalls(PreparedGraph& prepared) {
  std::set<std::string> known;
  for (const auto& call : prepared.calls) known.insert(call.trail);
  for (const Node* node : prepared.nodes) {
    const std::string trail = TrailOf(node);
    for (size_t at = trail.find('='); at != std::string::npos; at = trail.find('=', at + 1)) {
      const size_t end = trail.find('/', at);
      if (end == std::string::npos || !known.insert(trail.substr(0, end + 1)).second) continue;
      const std::string name = trail.substr(at + 1, end - at - 1);
      const size_t dot = name.rfind('.');
      const std::string path = dot == std::string::npos ? "" : name.substr(0, dot);
      prepared.calls.push_back({path, name.substr(dot + 1), trail.substr(0, end + 1)});
    }
  }
}

// A graph of a module made flat. `path`: of the module; `own_calls_stay`: those of its own methods; `told`: of each
// call that was put in its place, with what the trails of its nodes begin with.
PreparedGraph Flat(const Module& module, std::shared_ptr<Graph> made, const std::string& path, bool own_calls_stay,
                   const std::set<std::string>& written, const CallTold& told = {}) {
  PreparedGraph prepared;
  prepared.graph = std::move(made);
  Graph& graph = *prepared.graph;
  std::vector<PreparedGraph::Call> calls;
  InlineCalls(
      module, graph,
      [&](const std::string& at, Node* call) {
        if (own_calls_stay && at.empty()) return false;
        const std::string whole = JoinPath(path, at);
        const std::string trail = TrailInto(call, whole);
        if (!whole.empty()) calls.push_back({whole, call->s(attr::name), trail});
        if (told) told(call, trail);
        return true;
      },
      path);
  torch::jit::InlineForkWait(prepared.graph);
  FoldAttributes(module, graph, written);
  // Numbers only: tensors made from constants (zeros, arange) stay operators with sizes that a cut can change.
  torch::jit::ConstantPropagationImmutableTypes(prepared.graph);
  CloseFastPaths(graph);
  torch::jit::ConstantPropagationImmutableTypes(prepared.graph);
  OpenFusedAttention(graph);
  torch::jit::ConstantPropagationImmutableTypes(prepared.graph);
  torch::jit::EliminateDeadCode(prepared.graph);
  RemoveDeadLoops(graph);
  torch::jit::EliminateDeadCode(prepared.graph);
  torch::jit::EraseShapeInformation(prepared.graph);
  prepared = Numbered(prepared.graph);
  prepared.calls = std::move(calls);
  AddCalls(prepared);
  prepared.written = written;
  return prepared;
}

std::shared_ptr<Graph> GraphOf(const Module& module, const std::string& name) {
  const auto method = module.find_method(name);
  if (!method) throw Error("ERR_UNSUPPORTED", "The module has no method `" + name + "`");
  auto* function = torch::jit::tryToGraphFunction(method->function());
  if (function == nullptr) throw Error("ERR_UNSUPPORTED", "The module's `" + name + "` is not TorchScript");
  function->ensure_defined();
  return function->graph()->copy();
}

}  // namespace

PreparedGraph Prepare(const Module& module) {
  return Prepare(module, GraphOf(module, "forward"), {{"", "forward"}}, {});
}

PreparedGraph Prepare(const Module& module, std::shared_ptr<Graph> graph,
                      const std::vector<std::pair<std::string, std::string>>& known, const CallTold& told) {
  WrittenAttributes written = FindWritten(module, known);
  PreparedGraph prepared = Flat(module, std::move(graph), "", false, written.names, told);
  prepared.replaced = std::move(written.replaced);
  return prepared;
}

PreparedGraph PrepareMethod(const Module& module, const std::string& path, const std::string& method,
                            const std::set<std::string>& written) {
  const bool is_root = path.empty();
  PreparedGraph prepared = Flat(module, GraphOf(module, method), path, is_root && method != "forward", written);
  for (Node* node : prepared.nodes) SetScope(node, JoinPath(path, CallOf(node)));
  return prepared;
}

PreparedGraph Numbered(std::shared_ptr<Graph> graph) {
  PreparedGraph prepared{graph, NodesInOrder(*graph), {}, {}, {}, {}, {}};
  auto facts = std::make_shared<std::vector<NodeFacts>>();
  for (const Node* node : prepared.nodes) {
    prepared.ids.emplace(node, static_cast<int32_t>(facts->size()));
    facts->push_back(FactsOf(node));
  }
  prepared.facts = std::move(facts);
  return prepared;
}

std::vector<Node*> NodesInOrder(Graph& graph) {
  std::vector<Node*> nodes;
  ForEachNode(graph.block(), [&](Node* node) { nodes.push_back(node); });
  return nodes;
}

bool OnlyRaises(const Block* block) {
  for (const Node* node : block->nodes()) {
    if (node->kind() == prim::RaiseException) return true;
    if (node->kind() == prim::If && OnlyRaises(node->blocks()[0]) && OnlyRaises(node->blocks()[1])) return true;
  }
  return false;
}

std::optional<IValue> AttributeOf(const Module& module, const Value* value) {
  if (value->node()->kind() != prim::GetAttr) {
    const auto inputs = const_cast<Graph*>(value->node()->owningGraph())->inputs();
    if (inputs.empty() || value != inputs[0]) return std::nullopt;
    return module._ivalue();
  }
  const auto owner = AttributeOf(module, value->node()->input(0));
  if (!owner || !owner->isObject()) return std::nullopt;
  const auto object = owner->toObject();
  const std::string& name = value->node()->s(attr::name);
  if (!object->type()->hasAttribute(name)) return std::nullopt;
  return object->getAttr(name);
}

}  // namespace espalier::script
