#pragma once

#include <napi.h>

#include <memory>

#include "binding/errors.h"
#include "binding/handle.h"
#include "binding/runner.h"
#include "binding/tensor.h"

namespace espalier {

// Everything that belongs to one environment (the main thread or a worker). Kept as instance data; nothing that holds a
// JavaScript reference is a static.
struct Addon {
  explicit Addon(Napi::Env env) : ledger(std::make_shared<StorageLedger>(env)) {}
  static Addon& Of(Napi::Env env) { return *env.GetInstanceData<Addon>(); }

  Napi::FunctionReference error_class;  // EspalierError
  std::shared_ptr<StorageLedger> ledger;
  Runner runner;
};

// Each noun puts its functions into the exports, with Export<Function>(exports, "name") of errors.h.
void RegisterOperators(Napi::Env env, Napi::Object exports);

}  // namespace espalier
