#include <ATen/Version.h>
#include <napi.h>

#include <string>

namespace {

// The version of the library that is running, not of the headers: the loader checks that they agree.
Napi::Value TorchVersion(const Napi::CallbackInfo& info) {
  const std::string config = at::show_config();
  const std::string key = "TORCH_VERSION=";
  const size_t begin = config.find(key);
  if (begin == std::string::npos) return Napi::String::New(info.Env(), "");
  const size_t end = config.find_first_of(", \n", begin);
  return Napi::String::New(info.Env(), config.substr(begin + key.size(), end - begin - key.size()));
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("torchVersion", Napi::Function::New(env, TorchVersion, "torchVersion"));
  exports.Set("init", Napi::Function::New(env, [](const Napi::CallbackInfo&) {}, "init"));
  return exports;
}

}  // namespace

NODE_API_MODULE(espalier_core, Init)
