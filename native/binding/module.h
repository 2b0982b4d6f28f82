#pragma once

#include <napi.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <vector>

#include "binding/handle.h"
#include "binding/module_hooks.h"
#include "binding/runner.h"
#include "binding/tensor.h"
#include "script/checks/guard.h"
#include "script/graph/prepare.h"

namespace espalier {

// A TorchScript module with what is needed to run it. Shared by the handle and the jobs that work on it. Nothing but
// `training` ever changes in it (parameters' values aside): surgery makes a new module.
class ModuleState {
 public:
  explicit ModuleState(torch::jit::Module module) : module(std::move(module)) {}

  // Whoever reads or runs the module holds the lock and the mode it was asked for; see NativeModule::Use.
  std::binary_semaphore free{1};
  torch::jit::Module module;

  // Runs `forward`. `inputs` without self, checked against the schema. `check` is called at each round of a loop, and
  // throws to end the run. Under the lock.
  c10::IValue Forward(std::vector<c10::IValue> inputs, const ModuleHooks* hooks, const script::Guard::Check& check);

  // As Forward, another method of the module or ("memory.reset") of a submodule.
  c10::IValue Call(const std::string& method, std::vector<c10::IValue> inputs, const script::Guard::Check& check);

  // `forward` as it is recorded, made at the first call; it holds for any example inputs. Under the lock.
  std::shared_ptr<const script::PreparedGraph> Prepared();

 private:
  friend class ModuleUse;
  c10::IValue Run(const std::string& method, std::vector<c10::IValue> inputs);
  c10::IValue Guarded(const script::Guard::Check& check, const std::function<c10::IValue()>& run);

  const c10::intrusive_ptr<script::Guard> guard_ = c10::make_intrusive<script::Guard>();
  std::map<std::string, torch::jit::Code> codes_;  // by method, made at the first run
  HookedForward hooked_{guard_};
  // Whether the thread that has the lock was left behind; null when it is none of the runner's.
  std::atomic<std::shared_ptr<const std::atomic<bool>>> holder_is_left_;
  std::optional<bool> mode_;  // what train()/eval() was applied last
  std::shared_ptr<const script::PreparedGraph> prepared_;
};

// Access to a module for one piece of work: locked, and with the train/eval mode and the hooks that held when the work
// was asked for.
class ModuleUse {
 public:
  ModuleUse(std::shared_ptr<ModuleState> state, std::optional<bool> mode, std::shared_ptr<const ModuleHooks> hooks)
      : state_(std::move(state)), mode_(mode), hooks_(std::move(hooks)) {}

  class Locked {
   public:
    // Of a module that is free no longer: the caller has acquired it.
    Locked(const ModuleUse& use);
    Locked(const Locked&) = delete;
    torch::jit::Module& module() { return state_.module; }
    c10::IValue Forward(std::vector<c10::IValue> inputs, const script::Guard::Check& check) {
      return state_.Forward(std::move(inputs), hooks_, check);
    }
    c10::IValue Call(const std::string& method, std::vector<c10::IValue> inputs, const script::Guard::Check& check) {
      return state_.Call(method, std::move(inputs), check);
    }
    std::shared_ptr<const script::PreparedGraph> Prepared() { return state_.Prepared(); }

   private:
    // Lets go also when the constructor throws.
    struct Release {
      ModuleState& state;
      ~Release() {
        state.holder_is_left_.store(nullptr);
        state.free.release();
      }
    };
    ModuleState& state_;
    const Release release_;
    const ModuleHooks* hooks_;
  };
  // On the runner's thread. Throws ERR_ABORTED when the job is cancelled meanwhile, and when work that was left behind
  // has the module: it may never let go of it.
  Locked Lock(const JobContext& context) const;
  // On the JS thread: hooks of a job that has the module are answered meanwhile. Throws as Lock, and ERR_UNSUPPORTED in
  // such a hook.
  Locked LockHere(Napi::Env env) const;

 private:
  bool TryAcquire() const;

  std::shared_ptr<ModuleState> state_;
  std::optional<bool> mode_;
  std::shared_ptr<const ModuleHooks> hooks_;
};

// What an archive holds in its folder `extra` beside the module, by name.
using ExtraFiles = std::map<std::string, std::string>;

// A handle's module.
//
//   Napi::Value ModuleParameterCount(const Napi::CallbackInfo& info) {
//     ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
//     return Addon::Of(env).runner.Submit(env, options, [use](const JobContext& context) -> Runner::Settle {
//       auto locked = use.Lock(context);
//       int64_t count = locked.module().parameters().size();
//       return [count](Napi::Env env) { return Napi::Number::New(env, count); };
//     });
//   }
class NativeModule {
 public:
  static constexpr napi_type_tag kTag = {0xc5d1704be8234fa9, 0x86f2b90d3e7c4418};
  static constexpr const char* kNoun = "module";

  NativeModule(torch::jit::Module module, ExtraFiles extra_files, std::shared_ptr<StorageLedger> ledger);
  ~NativeModule();

  ModuleUse Use() const { return ModuleUse(state_, mode, Active(hooks)); }
  // The module without lock or mode: for reading what never changes (types, names, schema, tensors' identity).
  const torch::jit::Module& module() const { return state_->module; }

  // What train()/eval() was called last; none: as it was loaded. Applied by Use().Lock().
  std::optional<bool> mode;
  // None: null.
  std::shared_ptr<const ModuleHooks> hooks;
  const ExtraFiles extra_files;

 private:
  std::shared_ptr<ModuleState> state_;
  std::shared_ptr<StorageLedger> ledger_;
  std::vector<const void*> storages_;
};

// A new handle for a module that nobody else holds. JS thread only.
Napi::Object WrapModule(Napi::Env env, torch::jit::Module module, ExtraFiles extra_files = {});

void RegisterModule(Napi::Env env, Napi::Object exports);
void RegisterModuleFile(Napi::Env env, Napi::Object exports);
void RegisterModuleFreeze(Napi::Env env, Napi::Object exports);
void RegisterDefine(Napi::Env env, Napi::Object exports);

}  // namespace espalier
