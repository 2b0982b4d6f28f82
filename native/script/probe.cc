#include "script/probe.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inline_fork_wait.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>
#include <exception>
#include <set>
#include <utility>

#include "script/error.h"
#include "script/inline.h"
#include "script/scope.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Stack;
using torch::jit::Value;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

// Who is asked on this thread.
struct Asked {
  const std::vector<Probe>& probes;
  const OnProbe& on_probe;
  std::exception_ptr thrown;
};
thread_local Asked* asked = nullptr;

const c10::Symbol& ProbeNumber() {
  static const c10::Symbol symbol = c10::Symbol::attr("probe");
  return symbol;
}

// The operator of a probe: output, inputs -> output. A process may hold two copies of this library: each has its own.
const c10::Symbol& ProbeKind() {
  static const c10::Symbol symbol = [] {
    const auto kind =
        c10::Symbol::fromQualString("espalier::probe_" + std::to_string(reinterpret_cast<uintptr_t>(&asked)));
    const auto make = [](const Node* node) -> torch::jit::Operation {
      const auto number = static_cast<size_t>(node->i(ProbeNumber()));
      return [number, count = node->inputs().size()](Stack& stack) {
        const std::vector<IValue> values = torch::jit::pop(stack, count);
        IValue output = values.front();
        if (asked != nullptr) {
          try {
            asked->on_probe(asked->probes[number], output, at::ArrayRef<IValue>(values).slice(1));
          } catch (...) {
            asked->thrown = std::current_exception();
            throw;
          }
        }
        stack.push_back(std::move(output));
      };
    };
    // It may do anything: no pass drops it or moves it.
    torch::jit::registerOperator(torch::jit::Operator(kind, make, c10::AliasAnalysisKind::CONSERVATIVE));
    return kind;
  }();
  return symbol;
}

bool IsGiven(const Value* value) {
  return value->node()->kind() == prim::Constant || value->node()->kind() == prim::GetAttr;
}

// The node of `block` that `node` is, or is in; null when it is outside.
const Node* Within(const Block* block, const Node* node) {
  while (node != nullptr && node->owningBlock() != block) node = node->owningBlock()->owningNode();
  return node;
}

class Placing {
 public:
  Placing(const Module& module, const std::vector<std::string>& paths)
      : graph_(torch::jit::toGraphFunction(module.get_method("forward").function()).graph()->copy()), paths_(paths) {
    const OnCall on_call = [this](const std::string& path, Node* call) {
      const auto found = std::find(paths_.begin(), paths_.end(), path);
      if (found == paths_.end() || call->outputs().size() != 1) return;
      const auto inputs = call->inputs().slice(1);
      Add(found - paths_.begin(), call->output(), {inputs.begin(), inputs.end()}, call->next(), Any);
    };
    InlineCalls(module, *graph_, on_call);
    torch::jit::InlineForkWait(graph_);
    InlineCalls(module, *graph_, on_call);
    for (size_t path = 0; path < paths_.size(); path++) {
      if (paths_[path].empty()) {
        const auto inputs = graph_->inputs().slice(1);
        Node* end = graph_->return_node();
        Add(path, graph_->outputs().at(0), {inputs.begin(), inputs.end()}, end,
            [end](const Node* user) { return user == end; });
      } else if (!seen_.contains(path)) {
        Runs(path, graph_->block());
      }
      if (seen_.contains(path)) continue;
      throw Error("ERR_UNSUPPORTED", "a hook on '" + paths_[path] + "': `forward` never calls that module");
    }
  }

  ProbedGraph Take() && { return {std::move(graph_), std::move(probes_)}; }

 private:
  static bool Any(const Node*) { return true; }

  // A probe whose output takes the place of `output` for those users.
  template <class Users>
  void Add(size_t path, Value* output, const std::vector<Value*>& inputs, Node* before, const Users& users) {
    Node* probe = graph_->create(ProbeKind(), 1);
    probe->insertBefore(before);
    probe->i_(ProbeNumber(), static_cast<int64_t>(probes_.size()));
    probe->output()->setType(output->type());
    const auto uses = output->uses();
    for (const torch::jit::Use& use : uses) {
      if (users(use.user)) use.user->replaceInput(use.offset, probe->output());
    }
    probe->addInput(output);
    for (Value* input : inputs) probe->addInput(input);
    probes_.push_back({path, c10::unshapedType(output->type())});
    seen_.insert(path);
  }

  bool Belongs(const Node* node, const std::string& path) const {
    const std::string scope = ScopeOf(node);
    return scope == path || scope.rfind(path + ".", 0) == 0;
  }

  // Probes behind the runs of nodes that came from the module; what is read from the program breaks no run.
  void Runs(size_t path, Block* block) {
    std::vector<Node*> run;
    for (Node* node = block->nodes().front();; node = node->next()) {
      const bool end = node == block->return_node();
      if (!end && Belongs(node, paths_[path])) {
        run.push_back(node);
        continue;
      }
      if (!end && (node->kind() == prim::Constant || node->kind() == prim::GetAttr)) continue;
      if (!run.empty()) Run(path, block, std::exchange(run, {}), node);
      if (end) return;
      for (Block* inner : node->blocks()) Runs(path, inner);
    }
  }

  void Run(size_t path, Block* block, const std::vector<Node*>& run, Node* before) {
    const std::set<const Node*> inside(run.begin(), run.end());
    const auto outside = [&](const Node* node) { return !inside.contains(Within(block, node)); };
    std::vector<Value*> outputs, inputs;
    for (Node* node : run) {
      for (Value* output : node->outputs()) {
        if (IsGiven(output)) continue;
        const auto& uses = output->uses();
        if (std::any_of(uses.begin(), uses.end(), [&](const auto& use) { return outside(use.user); })) {
          outputs.push_back(output);
        }
      }
      Inputs(node, outside, inputs);
    }
    if (outputs.empty()) return;
    if (outputs.size() > 1) {
      throw Error("ERR_UNSUPPORTED", "a hook on '" + paths_[path] + "': the module has " +
                                         std::to_string(outputs.size()) + " outputs there, and is flat in its file");
    }
    Add(path, outputs.front(), inputs, before, outside);
  }

  template <class Outside>
  void Inputs(Node* node, const Outside& outside, std::vector<Value*>& inputs) {
    for (Value* input : node->inputs()) {
      const bool is_new = std::find(inputs.begin(), inputs.end(), input) == inputs.end();
      if (is_new && !IsGiven(input) && input != graph_->inputs()[0] && outside(input->node())) inputs.push_back(input);
    }
    for (Block* inner : node->blocks()) {
      for (Node* nested : inner->nodes()) Inputs(nested, outside, inputs);
    }
  }

  std::shared_ptr<Graph> graph_;
  const std::vector<std::string>& paths_;
  std::vector<Probe> probes_;
  std::set<size_t> seen_;
};

}  // namespace

ProbedGraph AddProbes(const Module& module, const std::vector<std::string>& paths) {
  return Placing(module, paths).Take();
}

void RunProbed(const torch::jit::Code& code, Stack& stack, const std::vector<Probe>& probes, const OnProbe& on_probe) {
  Asked own{probes, on_probe, nullptr};
  Asked* const before = std::exchange(asked, &own);
  try {
    torch::jit::InterpreterState(code).run(stack);
  } catch (...) {
    asked = before;
    if (own.thrown != nullptr) std::rethrow_exception(own.thrown);
    throw;
  }
  asked = before;
}

}  // namespace espalier::script
