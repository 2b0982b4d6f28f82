#pragma once

#include <napi.h>

namespace espalier {

// Recording and surgery of modules.
void RegisterScript(Napi::Env env, Napi::Object exports);
void RegisterObserve(Napi::Env env, Napi::Object exports);

}  // namespace espalier
