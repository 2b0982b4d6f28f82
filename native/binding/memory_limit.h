#pragma once

#include <napi.h>

namespace espalier {

// setMemoryLimit(bytes): what LibTorch may take on the CPU until an allocation is refused, with the rest of the process
// counted in. Else the system ends the process, whatever asked. Default: 90 % of the memory of the machine or
// container.
void RegisterMemoryLimit(Napi::Env env, Napi::Object exports);

}  // namespace espalier
