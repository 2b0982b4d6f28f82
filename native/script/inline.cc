#include "script/inline.h"

#include <torch/csrc/jit/api/function_impl.h>

#include <optional>
#include <vector>

#include "script/error.h"
#include "script/prepare.h"
#include "script/scope.h"

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

// LibTorch's own Inline loses which module a call was for (and optimises every method first, which is slow).
class Inliner {
 public:
  Inliner(const Module& module, Graph& graph, const OnCall& on_call)
      : module_(module), graph_(graph), on_call_(on_call) {}

  void Run(Block* block) { Range(block->nodes().front(), block->return_node(), "", 0); }

 private:
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
        if (on_call_ && path && node->s(attr::name) == "forward") on_call_(*path, node);
        Replace(node, *method, node->inputs(), path.value_or(scope), depth);
      }
    } else if (node->kind() == prim::CallFunction) {
      const auto type = node->input(0)->type()->expect<c10::FunctionType>();
      Replace(node, *type->function(), node->inputs().slice(1), scope, depth);
    }
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

  void Replace(Node* node, Function& callee, at::ArrayRef<Value*> inputs, const std::string& scope, int depth) {
    auto* function = torch::jit::tryToGraphFunction(callee);
    if (function == nullptr) return;
    if (depth >= kMaxCallDepth) throw Error("ERR_UNSUPPORTED", "The model calls itself: " + callee.name());
    function->ensure_defined();
    Node* before = node->prev();
    std::vector<Value*> outputs;
    {
      torch::jit::WithInsertPoint guard(node);
      outputs = torch::jit::insertGraph(graph_, *function->graph(), inputs);
    }
    for (size_t i = 0; i < outputs.size(); ++i) node->output(i)->replaceAllUsesWith(outputs[i]);
    Range(before->next(), node, scope, depth + 1);
    node->destroy();
  }

  const Module& module_;
  Graph& graph_;
  const OnCall& on_call_;
  size_t count_ = 0;
};

}  // namespace

void InlineCalls(const Module& module, Graph& graph, const OnCall& on_call) {
  Inliner(module, graph, on_call).Run(graph.block());
}

}  // namespace espalier::script
