#pragma once

#include <napi.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "binding/hooks.h"
#include "script/checks/guard.h"
#include "script/record/probe.h"

namespace espalier {

enum class HookKind { kForward, kBackward };

// A hook on a submodule, by its path; "": on the module itself.
struct ModuleHook {
  std::string path;
  HookKind kind;
  std::shared_ptr<Hook> hook;
};

// The hooks of one module, in the order in which they were made. A list never changes: a new one takes its place.
struct ModuleHooks {
  std::shared_ptr<Runner> runner;  // of their environment
  std::vector<ModuleHook> hooks;
};

// The list without the hooks that were removed; null when none is left. JS thread only.
std::shared_ptr<const ModuleHooks> Active(std::shared_ptr<const ModuleHooks> hooks);

// `forward` with hooks: the graph has a probe at the end of each call of a module that has some.
class HookedForward {
 public:
  explicit HookedForward(c10::intrusive_ptr<script::Guard> guard) : guard_(std::move(guard)) {}
  // `inputs` without self.
  c10::IValue Run(const torch::jit::Module& module, std::vector<c10::IValue> inputs, const ModuleHooks& hooks);

 private:
  c10::intrusive_ptr<script::Guard> guard_;
  std::vector<std::string> paths_;
  std::vector<script::Probe> probes_;
  std::optional<torch::jit::Code> code_;  // for these paths
};

void RegisterModuleHooks(Napi::Env env, Napi::Object exports);

}  // namespace espalier
