#include "binding/addon.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include <string>
#include <string_view>

#include "binding/checkpoint.h"
#include "binding/hooks.h"
#include "binding/memory_limit.h"
#include "binding/module.h"
#include "binding/module_hooks.h"
#include "binding/penalty_hook.h"
#include "binding/sandbox.h"
#include "binding/script.h"
#include "binding/values.h"

namespace espalier {
namespace {

// init({EspalierError}): before anything else. From then on the runner is stopped when the process exits.
Napi::Value InitClasses(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Addon& addon = Addon::Of(env);
  Napi::Value error_class = info[0].IsObject() ? info[0].As<Napi::Object>().Get("EspalierError") : env.Undefined();
  if (!error_class.IsFunction()) throw Napi::TypeError::New(env, "init({EspalierError}): not a class");
  const bool first = addon.error_class.IsEmpty();
  addon.error_class = Napi::Persistent(error_class.As<Napi::Function>());
  if (!first) return env.Undefined();
  // process.exit() of the main thread runs no cleanup hooks, only this.
  Napi::Object process = env.Global().Get("process").As<Napi::Object>();
  Napi::Function stop =
      Napi::Function::New(env, [](const Napi::CallbackInfo& info) { Addon::Of(info.Env()).runner.Stop(); });
  process.Get("once").As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), stop});
  return env.Undefined();
}

// The version of the LibTorch that is loaded, which need not be the one that this library was compiled for.
Napi::Value TorchVersion(const Napi::CallbackInfo& info) {
  const std::string config = at::show_config();
  constexpr std::string_view kKey = "TORCH_VERSION=";
  const size_t at = config.find(kKey);
  if (at == std::string::npos) throw Failure("ERR_LIBTORCH_VERSION", "LibTorch does not tell its version", config);
  const size_t start = at + kKey.size();
  return Napi::String::New(info.Env(), config.substr(start, config.find_first_of(", \n", start) - start));
}

Napi::Value ManualSeed(const Napi::CallbackInfo& info) {
  at::manual_seed(static_cast<uint64_t>(ToInteger(info[0], "seed", 0, INT64_C(9007199254740991))));
  return info.Env().Undefined();
}

Napi::Value SetThreads(const Napi::CallbackInfo& info) {
  const int threads = static_cast<int>(ToInteger(info[0], "threads", 1, 1024));
  at::set_num_threads(threads);
  Addon::Of(info.Env()).runner.SetThreads(threads);
  return info.Env().Undefined();
}

Napi::Value Threads(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), at::get_num_threads()); }

Napi::Value CreateCancel(const Napi::CallbackInfo& info) {
  return MakeHandle(info.Env(), std::make_unique<NativeCancel>());
}

Napi::Value Cancel(const Napi::CallbackInfo& info) {
  Addon::Of(info.Env()).runner.Cancel(info.Env(), FromHandle<NativeCancel>(info[0], "cancel").flag);
  return info.Env().Undefined();
}

// leaveBehind(cancel): the job did not end, though it was cancelled
Napi::Value LeaveBehind(const Napi::CallbackInfo& info) {
  Addon::Of(info.Env()).runner.LeaveBehind(info.Env(), FromHandle<NativeCancel>(info[0], "cancel").flag);
  return info.Env().Undefined();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Addon(env));
  Export<InitClasses>(exports, "init");
  Export<TorchVersion>(exports, "torchVersion");
  Export<ManualSeed>(exports, "manualSeed");
  Export<SetThreads>(exports, "setThreads");
  Export<Threads>(exports, "threads");
  Export<CreateCancel>(exports, "createCancel");
  Export<Cancel>(exports, "cancel");
  Export<LeaveBehind>(exports, "leaveBehind");
  RegisterTensor(env, exports);
  RegisterOperators(env, exports);
  RegisterModule(env, exports);
  RegisterModuleFile(env, exports);
  RegisterModuleFreeze(env, exports);
  RegisterDefine(env, exports);
  RegisterScript(env, exports);
  RegisterObserve(env, exports);
  RegisterCheckpoint(env, exports);
  RegisterHooks(env, exports);
  RegisterModuleHooks(env, exports);
  RegisterPenaltyHook(env, exports);
  RegisterMemoryLimit(env, exports);
  RegisterSandbox(env, exports);
  return exports;
}

}  // namespace
}  // namespace espalier

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return espalier::Init(env, exports); }

NODE_API_MODULE(espalier_core, InitAddon)
