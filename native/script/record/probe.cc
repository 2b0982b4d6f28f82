#include "script/record/probe.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inline_fork_wait.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "script/error.h"
#include "script/graph/inline.h"
#include "script/graph/scope.h"

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

// The call of the module at `path` that a node came from, with its calls; empty when it came from none.
std::string CallAt(const Node* node, const std::string& path) {
  const std::string call = CallOf(node);
  if (WithoutCalls(call).rfind(path, 0) != 0) return "";
  size_t end = 0;
  for (size_t k = std::count(path.begin(), path.end(), '.') + 1; k > 0 && end != std::string::npos; --k) {
    end = call.find('.', end == 0 ? 0 : end + 1);
  }
  const std::string own = call.substr(0, end);
  const bool called = own.size() < 2 || own.compare(own.size() - 2, 2, "@0") != 0;
  return called && WithoutCalls(own) == path ? own : "";
}

class Placing {
 public:
  Placing(const Module& module, const std::vector<std::string>& paths)
      : graph_(torch::jit::toGraphFunction(module.get_method("forward").function()).graph()->copy()), paths_(paths) {
    const OnCall on_call = [this](const std::string& path, Node* call) {
      const auto found = std::find(paths_.begin(), paths_.end(), path);
      const bool wanted = found != paths_.end() && !path.empty() && IsForward(call->s(attr::name));
      if (!wanted || call->outputs().size() != 1) return true;
      const auto inputs = call->inputs().slice(1);
      Add(found - paths_.begin(), call->output(), {inputs.begin(), inputs.end()}, call->next(), Any);
      return true;
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
        FlatCalls(path, graph_->block());
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

  // Probes behind the calls of a module in a graph that is flat in its file: what came from the same call is told by
  // its scope.
  void FlatCalls(size_t path, Block* block) {
    std::vector<std::string> calls;
    std::map<std::string, std::vector<Node*>> nodes;
    for (Node* node : block->nodes()) {
      const std::string call = CallAt(node, paths_[path]);
      if (call.empty()) {
        for (Block* inner : node->blocks()) FlatCalls(path, inner);
      } else if (node->kind() != prim::Constant && node->kind() != prim::GetAttr) {
        if (nodes[call].empty()) calls.push_back(call);
        nodes[call].push_back(node);
      }
    }
    for (const std::string& call : calls) FlatCall(path, call, block, nodes[call]);
  }

  void FlatCall(size_t path, const std::string& call, Block* block, const std::vector<Node*>& run) {
    const std::set<const Node*> inside(run.begin(), run.end());
    const auto outside = [&](const Node* node) { return !inside.contains(Within(block, node)); };
    std::vector<Value*> outputs, inputs;
    std::vector<std::pair<Given, Value*>> parts;
    Value* whole = nullptr;
    for (Node* node : run) {
      for (Value* output : node->outputs()) {
        if (IsGiven(output)) continue;
        const auto& uses = output->uses();
        if (std::any_of(uses.begin(), uses.end(), [&](const auto& use) { return outside(use.user); })) {
          outputs.push_back(output);
        }
      }
      for (Given& given : GivenFromSource(node)) {
        if (given.call != call) continue;
        Value* output = node->output(given.output);
        if (given.place.empty()) whole = output;
        parts.emplace_back(std::move(given), output);
      }
      Inputs(node, outside, inputs);
    }
    Node* end = run.back()->next();
    if (whole == nullptr && parts.empty() && outputs.size() == 1) whole = outputs.front();
    if (whole != nullptr) return Add(path, whole, inputs, end, outside);
    if (outputs.empty()) return;
    if (parts.empty()) {
      throw Error("ERR_UNSUPPORTED", "a hook on '" + paths_[path] + "': the module has " +
                                         std::to_string(outputs.size()) + " outputs there, and is flat in its file");
    }
    AddTuple(path, parts, inputs, end, outside);
  }

  // The tuple is made again for the probe, and taken apart behind it. What nobody read of it is None.
  template <class Outside>
  void AddTuple(size_t path, const std::vector<std::pair<Given, Value*>>& parts, const std::vector<Value*>& inputs,
                Node* end, const Outside& outside) {
    using Parts = std::vector<const std::pair<Given, Value*>*>;
    torch::jit::WithInsertPoint guard(end);
    Value* none = graph_->insertConstant(IValue());
    std::set<const Value*> made;
    const std::function<Value*(const Parts&, size_t)> make = [&](const Parts& of, size_t level) -> Value* {
      if (of.empty()) return none;
      const auto& place = of.front()->first.place;
      if (place.size() == level) return of.front()->second;
      std::vector<Value*> elements;
      for (size_t i = 0; i < place[level].second; ++i) {
        Parts below;
        std::copy_if(of.begin(), of.end(), std::back_inserter(below), [&](const auto* part) {
          return part->first.place.size() > level && part->first.place[level].first == i;
        });
        elements.push_back(make(below, level + 1));
      }
      Value* tuple = graph_->insertNode(graph_->createTuple(elements))->output();
      made.insert(tuple);
      return tuple;
    };
    Parts all;
    for (const auto& part : parts) all.push_back(&part);
    Value* tuple = make(all, 0);
    Add(path, tuple, inputs, end, [](const Node*) { return false; });
    const std::function<void(Value*, Value*)> replace = [&](Value* before, Value* after) {
      if (before == none) return;
      if (made.contains(before)) {
        Node* unpack = graph_->insertNode(graph_->createTupleUnpack(after));
        for (size_t i = 0; i < unpack->outputs().size(); ++i) replace(before->node()->input(i), unpack->output(i));
        return;
      }
      const auto uses = before->uses();
      for (const torch::jit::Use& use : uses) {
        const Node* user = Within(end->owningBlock(), use.user);
        if (outside(use.user) && (user == end || user->isAfter(end))) use.user->replaceInput(use.offset, after);
      }
    };
    replace(tuple, end->prev()->output());
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
