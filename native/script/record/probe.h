#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace espalier::script {

// Where somebody outside is asked while a graph runs: the end of a call of a module.
struct Probe {
  size_t path;        // of those that AddProbes was given
  c10::TypePtr type;  // of the output
};

struct ProbedGraph {
  std::shared_ptr<torch::jit::Graph> graph;
  std::vector<Probe> probes;
};

// `forward` as one flat graph with a probe at the end of each call of the modules at `paths` ("": the module itself).
// In a graph that was flat in its file the calls are told by what KeepScopesInSource wrote. Throws ERR_UNSUPPORTED for
// a path that is never called.
ProbedGraph AddProbes(const torch::jit::Module& module, const std::vector<std::string>& paths);

// Told of a probe that is reached, in the thread that runs the graph; it may put another value into `output`.
using OnProbe = std::function<void(const Probe& probe, c10::IValue& output, at::ArrayRef<c10::IValue> inputs)>;

// Runs the code of a probed graph. What `on_probe` throws is thrown as it is, without a traceback of TorchScript.
void RunProbed(const torch::jit::Code& code, torch::jit::Stack& stack, const std::vector<Probe>& probes,
               const OnProbe& on_probe);

}  // namespace espalier::script
