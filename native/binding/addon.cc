#include <ATen/ATen.h>
#include <napi.h>
#include <torch/version.h>

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("torchVersion", Napi::Function::New(env, [](const Napi::CallbackInfo& info) -> Napi::Value {
                return Napi::String::New(info.Env(), TORCH_VERSION);
              }));
  exports.Set("init", Napi::Function::New(env, [](const Napi::CallbackInfo&) {}));
  return exports;
}

}  // namespace

NODE_API_MODULE(espalier_core, Init)
