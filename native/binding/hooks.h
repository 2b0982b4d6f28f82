#pragma once

#include <napi.h>

namespace espalier {

void RegisterHooks(Napi::Env env, Napi::Object exports);

}  // namespace espalier
