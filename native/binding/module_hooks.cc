#include "binding/module_hooks.h"

#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>

#include "binding/addon.h"
#include "binding/module.h"
#include "binding/values.h"

namespace espalier {
namespace {

// The hook is asked; it may put another value of the type into `output`.
void AskForward(Runner& runner, const Hook& hook, const c10::TypePtr& type, c10::IValue& output,
                at::ArrayRef<c10::IValue> inputs) {
  const auto given = std::make_shared<std::optional<c10::IValue>>();
  CallHook(
      runner, hook,
      [output, inputs = inputs.vec()](Napi::Env env) -> std::vector<napi_value> {
        Napi::Array array = Napi::Array::New(env, inputs.size());
        for (size_t i = 0; i < inputs.size(); i++) array.Set(i, FromIValue(env, inputs[i]));
        return {FromIValue(env, output), array};
      },
      [type, given](Napi::Value result) { *given = ToIValue(result, type, "what a hook gives"); });
  if (*given) output = **given;
}

// The hook is put on every tensor of the output that has a gradient, with the tensor's number among those.
void HookOutputs(const std::shared_ptr<Runner>& runner, const std::shared_ptr<Hook>& hook, const c10::IValue& output) {
  int64_t place = 0;
  output.visit([&](const c10::IValue& value) {
    if (!value.isTensor()) return false;
    const at::Tensor& tensor = value.toTensor();
    if (tensor.defined() && tensor.requires_grad()) HookGradient(runner, tensor, hook, place);
    place++;
    return false;
  });
}

// Throws ERR_INVALID_ARGUMENT unless `path` is that of a submodule; the message has the names that would have been
// right.
void RequireSubmodule(const torch::jit::Module& module, const std::string& path) {
  torch::jit::Module at = module;
  std::string reached;
  for (size_t begin = 0; !path.empty() && begin <= path.size();) {
    const size_t dot = std::min(path.find('.', begin), path.size());
    const std::string name = path.substr(begin, dot - begin);
    begin = dot + 1;
    std::string there;
    std::optional<torch::jit::Module> next;
    for (const auto& child : at.named_children()) {
      there += (there.empty() ? "" : ", ") + child.name;
      if (child.name == name) next = child.value;
    }
    if (!next) {
      throw Failure("ERR_INVALID_ARGUMENT", "there is no submodule '" + path + "'", "",
                    (reached.empty() ? "the model" : "'" + reached + "'") +
                        (there.empty() ? std::string(" has no submodules") : " has: " + there));
    }
    at = *next;
    reached += (reached.empty() ? "" : ".") + name;
  }
}

// moduleRegisterHook(module, path, 'forward' | 'backward', function): a handle of the hook
Napi::Value ModuleRegisterHook(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::Of(info.Env());
  NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  const std::string path = ToText(info[1], "name");
  const std::string kind = ToText(info[2], "kind");
  if (kind != "forward" && kind != "backward") throw InvalidArgument("a hook is forward or backward, not " + kind);
  RequireSubmodule(native.module(), path);

  const std::shared_ptr<Hook> hook = addon.hooks.Add(info[3].As<Napi::Function>());
  auto hooks = std::make_shared<ModuleHooks>(ModuleHooks{addon.shared_runner, {}});
  if (const auto before = Active(native.hooks)) hooks->hooks = before->hooks;
  hooks->hooks.push_back({path, kind == "forward" ? HookKind::kForward : HookKind::kBackward, hook});
  native.hooks = std::move(hooks);
  return WrapHook(info.Env(), hook);
}

}  // namespace

std::shared_ptr<const ModuleHooks> Active(std::shared_ptr<const ModuleHooks> hooks) {
  if (hooks == nullptr) return hooks;
  const auto removed = [](const ModuleHook& own) { return !own.hook->active; };
  if (std::none_of(hooks->hooks.begin(), hooks->hooks.end(), removed)) return hooks;
  auto rest = std::make_shared<ModuleHooks>(*hooks);
  std::erase_if(rest->hooks, removed);
  return rest->hooks.empty() ? nullptr : rest;
}

c10::IValue HookedForward::Run(const torch::jit::Module& module, std::vector<c10::IValue> inputs,
                               const ModuleHooks& hooks) {
  std::vector<std::string> paths;
  for (const ModuleHook& own : hooks.hooks) paths.push_back(own.path);
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  if (!code_ || paths != paths_) {
    code_.reset();
    script::ProbedGraph probed = script::AddProbes(module, paths);
    torch::jit::runRequiredPasses(probed.graph);
    script::AddGuards(*probed.graph, guard_);
    code_.emplace(probed.graph, "forward");
    paths_ = std::move(paths);
    probes_ = std::move(probed.probes);
  }
  torch::jit::Stack stack;
  stack.reserve(inputs.size() + 1);
  stack.emplace_back(module._ivalue());
  for (c10::IValue& input : inputs) stack.push_back(std::move(input));
  script::RunProbed(*code_, stack, probes_,
                    [&](const script::Probe& probe, c10::IValue& output, at::ArrayRef<c10::IValue> inputs) {
                      const auto there = [&](const ModuleHook& own, HookKind kind) {
                        return own.kind == kind && own.path == paths_[probe.path] && own.hook->active;
                      };
                      for (const ModuleHook& own : hooks.hooks) {
                        if (there(own, HookKind::kForward)) {
                          AskForward(*hooks.runner, *own.hook, probe.type, output, inputs);
                        }
                      }
                      for (const ModuleHook& own : hooks.hooks) {
                        if (there(own, HookKind::kBackward)) HookOutputs(hooks.runner, own.hook, output);
                      }
                    });
  return std::move(stack.front());
}

void RegisterModuleHooks(Napi::Env, Napi::Object exports) { Export<ModuleRegisterHook>(exports, "moduleRegisterHook"); }

}  // namespace espalier
