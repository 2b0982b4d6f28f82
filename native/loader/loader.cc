// espalier.node: opens shared libraries by absolute path with the flags that LibTorch needs, and says why when it can't.
// It links nothing of torch and decides nothing; lib/torch/runtime decides what is opened and in which order.

#include <dlfcn.h>
#include <napi.h>

#include <string>

namespace {

// open(path): RTLD_NOW so that a missing symbol is an error here and not a crash later, RTLD_LOCAL so that nothing else in
// the process binds to LibTorch's symbols. The handle is kept for ever: LibTorch can't be unloaded (threads, static
// destructors), so there is no close.
void Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsString()) {
    throw Napi::TypeError::New(env, "open(path): path must be a string");
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  if (path.empty() || path.front() != '/') {
    throw Napi::TypeError::New(env, "open(path): path must be absolute");
  }
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    const char* reason = dlerror();
    throw Napi::Error::New(env, reason == nullptr ? "dlopen failed without a reason" : reason);
  }
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New(env, Open, "open"));
  return exports;
}

}  // namespace

NODE_API_MODULE(espalier, Init)
