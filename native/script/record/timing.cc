#include "script/record/timing.h"

#include <c10/core/GradMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <chrono>
#include <memory>
#include <utility>

#include "script/checks/guard.h"
#include "script/checks/own_operator.h"
#include "script/error.h"
#include "script/graph/walk.h"
#include "script/module/tensors.h"
#include "script/quiet.h"
#include "script/record/random_state.h"
#include "script/record/stage.h"

namespace espalier::script {

using c10::IValue;
using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Operation;
using torch::jit::Stack;
namespace attr = c10::attr;
namespace prim = c10::prim;

namespace {

// Notes how long it is since it was looked at last.
class Clock final : public torch::CustomClassHolder {
 public:
  Clock(size_t nodes, at::Device device) : spent_(nodes, 0.0), device_(device) {}

  // A node id, or -1 for the beginning.
  void Look(int64_t node) {
    // A GPU works behind the program.
    if (device_.is_cuda()) c10::impl::VirtualGuardImpl(device_.type()).synchronizeDevice(device_.index());
    const auto now = std::chrono::steady_clock::now();
    if (node >= 0) spent_[node] += std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = node < 0 || device_.is_cuda() ? std::chrono::steady_clock::now() : now;
  }

  std::vector<double> Take() { return std::exchange(spent_, std::vector<double>(spent_.size(), 0.0)); }

 private:
  std::vector<double> spent_;
  at::Device device_;
  std::chrono::steady_clock::time_point last_;
};

// Without inputs or outputs; the node holds the clock, and the id of the node before it.
Operation MakeLook(const Node* node) {
  const auto clock = c10::static_intrusive_pointer_cast<Clock>(node->ival(attr::value).toCapsule());
  const int64_t id = node->i(attr::index);
  return [clock, id](Stack&) { clock->Look(id); };
}

// The ids of a prepared graph hold for a copy of it.
std::shared_ptr<Graph> WithLooks(const Graph& prepared, const c10::intrusive_ptr<Clock>& clock) {
  static const c10::Symbol look = OwnOperator("look", MakeLook);
  auto graph = const_cast<Graph&>(prepared).copy();
  const auto looks = [&](int64_t id) {
    return graph->create(look, 0)->ival_(attr::value, IValue::make_capsule(clock))->i_(attr::index, id);
  };
  std::vector<Node*> nodes;
  ForEachNode(graph->block(), [&](Node* node) { nodes.push_back(node); });
  for (size_t id = 0; id < nodes.size(); ++id) {
    Node* node = nodes[id];
    if (node->kind() == prim::Constant) continue;
    if (node->kind() == prim::Print || node->kind() == c10::aten::warn) {
      node->destroy();
    } else {
      looks(static_cast<int64_t>(id))->insertAfter(node);
    }
  }
  graph->block()->prependNode(looks(-1));
  torch::jit::runRequiredPasses(graph);
  return graph;
}

}  // namespace

NodeTimes TimeNodes(const Module& module, const Recording& recording, std::vector<IValue> inputs, int64_t rounds,
                    int64_t warm_up, const std::function<void()>& check) {
  const KeepRandomState random;
  const Quiet quiet;
  inputs = Normalize(module, recording.entry, std::move(inputs));
  const Stage stage = StageFor(module, {false, false});
  const auto clock = c10::make_intrusive<Clock>(recording.prepared->nodes.size(), stage.device);
  const auto guard = c10::make_intrusive<Guard>();
  auto graph = WithLooks(*recording.prepared->graph, clock);
  AddGuards(*graph, guard);
  guard->Set(check);
  const torch::jit::Code code(graph, "forward");
  const c10::AutoGradMode no_grad(false);
  NodeTimes times;
  for (int64_t round = -warm_up; round < rounds; ++round) {
    check();
    Stack stack{stage.module._ivalue()};
    // A program may write to its inputs.
    for (IValue& input : MapTensors(inputs, [](const at::Tensor& t) { return t.detach().clone(); })) {
      stack.push_back(std::move(input));
    }
    try {
      torch::jit::InterpreterState(code).run(stack);
    } catch (const std::exception& error) {
      check();  // what it throws comes out of the interpreter as text
      throw Error("ERR_TORCH", FirstLine(error.what()), error.what());
    }
    auto spent = clock->Take();
    if (round >= 0) times.push_back(std::move(spent));
  }
  return times;
}

}  // namespace espalier::script
