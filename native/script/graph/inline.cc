#include "script/graph/inline.h"

#include <torch/csrc/jit/api/function_impl.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "script/error.h"
#include "script/graph/prepare.h"
#include "script/graph/scope.h"
#include "script/graph/walk.h"

namespace espalier::script {

using torch::jit::Block;
using torch::jit::Function;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;
namespace attr = c10::attr;

namespace {

// TorchScript forbids recursion, but a file can hold anything.
constexpr int kMaxCallDepth = 200;
constexpr size_t kMaxNodes = 1'000'000;

// What was flat in its file has its trails from there, and what was made then has none of before.
void Number(Node* first, const Node* end, const std::string& prefix) {
  bool kept = false;
  ForEachNode(first, end, [&kept](Node* node) { kept = kept || TrailFromSource(node).has_value(); });
  size_t count = 0;
  ForEachNode(first, end, [&](Node* node) {
    const std::string own = (kept ? "+" : "") + std::to_string(count++);
    SetTrail(node, prefix + TrailFromSource(node).value_or(own));
  });
}

// LibTorch's own Inline loses which module a call was for (and optimises every method first, which is slow).
class Inliner {
 public:
  Inliner(const Module& module, Graph& graph, const OnCall& on_call, const std::string& path)
      : module_(module), graph_(graph), on_call_(on_call), path_(path) {}

  void Run(Block* block) {
    Node* first = block->nodes().front();
    Number(first, block->return_node(), "");
    ForEachNode(first, block->return_node(), RecallGiven);
    Range(first, block->return_node(), "", 0);
  }

 private:
  // `scope`: with its calls.
  void Range(Node* node, Node* end, const std::string& scope, int depth) {
    while (node != end) {
      Node* next = node->next();
      Visit(node, scope, depth);
      node = next;
    }
  }

  void Visit(Node* node, const std::string& scope, int depth) {
    if (++count_ > kMaxNodes) throw Error("ERR_UNSUPPORTED", "The model's program is too long to be inlined");
    SetScope(node, JoinPath(scope, ScopeFromSource(node).value_or("")));
    for (Block* block : node->blocks()) Range(block->nodes().front(), block->return_node(), scope, depth);
    if (node->kind() == prim::CallMethod) {
      if (Function* method = Method(node)) {
        const std::optional<std::string> path = ModulePath(node->input(0));
        if (on_call_ && path && !on_call_(*path, node)) return;
        const bool forward = path && IsForward(node->s(attr::name));
        const std::string call = path ? CallFrom(scope, *path, forward) : scope;
        const auto whole = path ? std::optional(JoinPath(path_, *path)) : std::nullopt;
        Replace(node, *method, node->inputs(), call, TrailInto(node, whole), forward, depth);
      }
    } else if (node->kind() == prim::CallFunction) {
      const auto type = node->input(0)->type()->expect<c10::FunctionType>();
      Replace(node, *type->function(), node->inputs().slice(1), scope, TrailOf(node) + "/", false, depth);
    }
  }

  // The module at `path`, called from `scope`: with the numbers of the calls, see scope.h.
  std::string CallFrom(const std::string& scope, const std::string& path, bool forward) {
    const std::string around = WithoutCalls(scope);
    if (path == around) return scope;
    const bool below = around.empty() || path.rfind(around + ".", 0) == 0;
    std::string call = below ? scope : "";
    for (size_t begin = below && !around.empty() ? around.size() + 1 : 0; begin < path.size();) {
      const size_t dot = std::min(path.find('.', begin), path.size());
      const bool last = dot == path.size();
      call = JoinPath(call, path.substr(begin, dot - begin));
      if (!last || !forward) {
        call += "@0";
      } else if (const int number = ++calls_[call]; number > 1) {
        call += "@" + std::to_string(number);
      }
      begin = dot + 1;
    }
    return call;
  }

  // The method that a CallMethod calls; null when it belongs to no graph (a class written in C++).
  Function* Method(Node* node) {
    const std::string& name = node->s(attr::name);
    if (const auto type = node->input(0)->type()->cast<c10::ClassType>()) return type->findMethod(name);
    // A module interface: the object that is there decides.
    const auto object = AttributeOf(module_, node->input(0));
    if (object && object->isObject()) return object->toObject()->type()->findMethod(name);
    throw Error("ERR_UNSUPPORTED", "The model calls " + name + " of " + node->input(0)->type()->repr_str() +
                                       ", which is known only while it runs");
  }

  void Replace(Node* node, Function& callee, at::ArrayRef<Value*> inputs, const std::string& scope,
               const std::string& trail, bool forward, int depth) {
    auto* function = torch::jit::tryToGraphFunction(callee);
    if (function == nullptr) return;
    if (depth >= kMaxCallDepth)
      throw Error("ERR_UNSUPPORTED", "The model's calls are nested more than " + std::to_string(kMaxCallDepth) +
                                         " deep: " + callee.name());
    function->ensure_defined();
    Node* before = node->prev();
    std::vector<Value*> outputs;
    {
      torch::jit::WithInsertPoint guard(node);
      outputs = torch::jit::insertGraph(graph_, *function->graph(), inputs);
    }
    for (size_t i = 0; i < outputs.size(); ++i) node->output(i)->replaceAllUsesWith(outputs[i]);
    // The outputs may be calls themselves: the old node follows what takes their place.
    const size_t own = node->inputs().size();
    for (Value* output : outputs) node->addInput(output);
    Number(before->next(), node, trail);
    Range(before->next(), node, scope, depth + 1);
    if (forward) SetGives(node->input(own), scope);
    node->destroy();
  }

  const Module& module_;
  Graph& graph_;
  const OnCall& on_call_;
  const std::string& path_;
  size_t count_ = 0;
  std::map<std::string, int> calls_;  // of each module's forward, so far
};

}  // namespace

bool IsForward(const std::string& method) {
  constexpr size_t kLength = 7;
  return method.rfind("forward", 0) == 0 &&
         std::all_of(method.begin() + kLength, method.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::string TrailInto(const Node* call, const std::optional<std::string>& path) {
  const std::string& method = call->s(attr::name);
  const bool named = path && (path->empty() ? method != "forward" : !IsForward(method));
  return TrailOf(call) + (named ? "=" + JoinPath(*path, method) : "") + "/";
}

void InlineCalls(const Module& module, Graph& graph, const OnCall& on_call, const std::string& path) {
  Inliner(module, graph, on_call, path).Run(graph.block());
}

}  // namespace espalier::script
