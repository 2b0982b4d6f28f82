// espalier.node: opens shared libraries by absolute path with the flags that LibTorch needs, and says why when it
// can't. It links nothing of torch and decides nothing; lib/torch/runtime decides what is opened and in which order.

#include <dlfcn.h>
#include <napi.h>

#include <cstdlib>
#include <string>

namespace {

// RTLD_NOW so that a missing symbol is an error here and not a crash later, RTLD_LOCAL so that nothing else in the
// process binds to LibTorch's symbols. The handle is kept for ever: LibTorch can't be unloaded (threads, static
// destructors), so there is no close.
void OpenLibrary(Napi::Env env, const std::string& path) {
  if (path.empty() || path.front() != '/') {
    throw Napi::TypeError::New(env, "the path must be absolute: " + path);
  }
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    const char* reason = dlerror();
    throw Napi::Error::New(env, reason == nullptr ? "dlopen failed without a reason" : reason);
  }
}

std::string StringArgument(const Napi::CallbackInfo& info, size_t index, const char* name) {
  if (!info[index].IsString()) throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a string");
  return info[index].As<Napi::String>().Utf8Value();
}

// open(path)
void Open(const Napi::CallbackInfo& info) { OpenLibrary(info.Env(), StringArgument(info, 0, "path")); }

// openWith(path, name, value): libraries read some variables once, in their constructors. A worker's process.env is a
// copy that they don't see, so the variable is set here. One that the user has set stays.
void OpenWith(const Napi::CallbackInfo& info) {
  const std::string path = StringArgument(info, 0, "path");
  const std::string name = StringArgument(info, 1, "name");
  const std::string value = StringArgument(info, 2, "value");
  const bool theirs = getenv(name.c_str()) != nullptr;
  if (!theirs) setenv(name.c_str(), value.c_str(), 0);
  try {
    OpenLibrary(info.Env(), path);
  } catch (...) {
    if (!theirs) unsetenv(name.c_str());
    throw;
  }
  if (!theirs) unsetenv(name.c_str());
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New(env, Open, "open"));
  exports.Set("openWith", Napi::Function::New(env, OpenWith, "openWith"));
  return exports;
}

}  // namespace

NODE_API_MODULE(espalier, Init)
