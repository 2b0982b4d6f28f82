#pragma once

#include <napi.h>

namespace espalier {

// enterSandbox(bytes): from now on no thread of this process can open, change or remove a file, use the network, start
// a process or touch another one, whatever code runs in it; it keeps the channels that are open, and may take `bytes`
// more memory. There is no way back. Throws ERR_UNSUPPORTED where the system has no such thing.
void RegisterSandbox(Napi::Env env, Napi::Object exports);

}  // namespace espalier
