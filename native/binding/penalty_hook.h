#pragma once

#include <napi.h>

namespace espalier {

void RegisterPenaltyHook(Napi::Env env, Napi::Object exports);

}  // namespace espalier
