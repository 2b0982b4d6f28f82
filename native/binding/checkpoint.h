#pragma once

#include <napi.h>

namespace espalier {

void RegisterCheckpoint(Napi::Env env, Napi::Object exports);

}  // namespace espalier
