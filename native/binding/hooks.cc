#include "binding/hooks.h"

#include <ATen/core/Tensor.h>

#include <atomic>
#include <memory>

#include "binding/addon.h"
#include "binding/errors.h"
#include "binding/tensor.h"
#include "binding/values.h"

namespace espalier {
namespace {

// One hook; the tensor and the handle in JavaScript's hands share it. The function itself belongs to the environment.
struct Hook {
  static constexpr napi_type_tag kTag = {0x51c7be0a93f2468d, 0xb6e40d7cf8a91532};
  static constexpr const char* kNoun = "hook";
  uint64_t number = 0;
  std::shared_ptr<std::atomic<bool>> active = std::make_shared<std::atomic<bool>>(true);
};

void CheckReplacement(const at::Tensor& given, const at::Tensor& gradient) {
  if (given.sizes() == gradient.sizes() && given.scalar_type() == gradient.scalar_type() &&
      given.device() == gradient.device()) {
    return;
  }
  throw InvalidArgument("a hook must give a gradient of the same shape, dtype and device, not " +
                        std::string(given.toString()) + " " + c10::str(given.sizes()) + " for " +
                        c10::str(gradient.sizes()));
}

// Calls the function with the gradient. Undefined: the gradient stays as it is.
at::Tensor Ask(Addon& addon, const Hook& hook, const at::Tensor& gradient) {
  auto replacement = std::make_shared<at::Tensor>();
  addon.runner.OnJsThread([&addon, hook, gradient, replacement](Napi::Env env) {
    const auto found = addon.hooks.find(hook.number);
    if (found == addon.hooks.end()) return;
    try {
      const Napi::Value result = found->second.Call({WrapTensor(env, gradient)});
      if (result.IsUndefined()) return;
      const at::Tensor given = UnwrapTensor(result, "what a hook gives");
      CheckReplacement(given, gradient);
      *replacement = given.detach();
    } catch (const Napi::Error& error) {
      throw ThrownByCallback(error);
    }
  });
  return *replacement;
}

// tensorRegisterHook(tensor, function): a handle of the hook
Napi::Value TensorRegisterHook(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::Of(info.Env());
  const at::Tensor tensor = UnwrapTensor(info[0], "tensor");
  if (!info[1].IsFunction()) throw InvalidArgument("registerHook needs a function, not " + Describe(info[1]));
  if (!tensor.requires_grad()) throw InvalidArgument("registerHook needs a tensor that requires grad");
  auto handle = std::make_unique<Hook>();
  handle->number = ++addon.hook_count;
  addon.hooks.emplace(handle->number, Napi::Persistent(info[1].As<Napi::Function>()));
  const auto add = [&addon, tensor, hook = *handle] {
    tensor.register_hook([&addon, hook](const at::Tensor& gradient) {
      return *hook.active ? Ask(addon, hook, gradient) : at::Tensor();
    });
  };
  // A backward pass that runs now must not see the list of hooks change.
  if (addon.runner.Idle()) {
    add();
  } else {
    addon.runner.Submit(info.Env(), {}, [add](const JobContext&) -> Runner::Settle {
      add();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  }
  return MakeHandle(info.Env(), std::move(handle));
}

// hookRemove(hook): it isn't called any more; may be called again
Napi::Value HookRemove(const Napi::CallbackInfo& info) {
  const Hook& hook = FromHandle<Hook>(info[0], "hook");
  *hook.active = false;
  Addon::Of(info.Env()).hooks.erase(hook.number);
  return info.Env().Undefined();
}

}  // namespace

void RegisterHooks(Napi::Env, Napi::Object exports) {
  Export<TensorRegisterHook>(exports, "tensorRegisterHook");
  Export<HookRemove>(exports, "hookRemove");
}

}  // namespace espalier
