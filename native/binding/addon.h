#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

#include "binding/errors.h"
#include "binding/handle.h"
#include "binding/hooks.h"
#include "binding/runner.h"
#include "binding/tensor.h"

namespace espalier {

// Everything that belongs to one environment (the main thread or a worker). Kept as instance data; nothing that holds a
// JavaScript reference is a static.
struct Addon {
  explicit Addon(Napi::Env env) : ledger(std::make_shared<StorageLedger>(env)) {}
  ~Addon() { runner.Stop(); }
  static Addon& Of(Napi::Env env) { return *env.GetInstanceData<Addon>(); }

  Napi::FunctionReference error_class;  // EspalierError
  std::shared_ptr<StorageLedger> ledger;
  // Shared with its threads and with hooks, which may outlive the environment.
  const std::shared_ptr<Runner> shared_runner = std::make_shared<Runner>();
  Runner& runner = *shared_runner;

  // What callbacks threw, by number, until it is told.
  Napi::Object Thrown(Napi::Env env) {
    if (thrown.IsEmpty()) thrown = Napi::Persistent(Napi::Object::New(env));
    return thrown.Value();
  }
  Napi::ObjectReference thrown;
  uint64_t thrown_count = 0;
  HookFunctions hooks;
};

// Each noun puts its functions into the exports, with Export<Function>(exports, "name") of errors.h.
void RegisterOperators(Napi::Env env, Napi::Object exports);

}  // namespace espalier
