#include "binding/hooks.h"

#include "binding/addon.h"
#include "binding/errors.h"
#include "binding/tensor.h"
#include "binding/values.h"

namespace espalier {
namespace {

// The handle of a Hook (see handle.h).
struct NativeHook {
  static constexpr napi_type_tag kTag = {0x51c7be0a93f2468d, 0xb6e40d7cf8a91532};
  static constexpr const char* kNoun = "hook";
  std::weak_ptr<Hook> hook;
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

// tensorRegisterHook(tensor, function): a handle of the hook
Napi::Value TensorRegisterHook(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::Of(info.Env());
  const at::Tensor tensor = UnwrapTensor(info[0], "tensor");
  if (!tensor.requires_grad()) throw InvalidArgument("registerHook needs a tensor that requires grad");
  std::shared_ptr<Hook> hook = addon.hooks.Add(info[1].As<Napi::Function>());
  const Napi::Object handle = WrapHook(info.Env(), hook);
  // A backward pass that runs now must not see the list of hooks change.
  addon.runner.Between(info.Env(),
                       [runner = addon.shared_runner, tensor, hook] { HookGradient(runner, tensor, hook, 0); });
  return handle;
}

// hookRemove(hook): it isn't called any more; may be called again
Napi::Value HookRemove(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Hook> hook = FromHandle<NativeHook>(info[0], "hook").hook.lock();
  if (hook == nullptr) return info.Env().Undefined();
  hook->active = false;
  Addon::Of(info.Env()).hooks.Erase(hook->number);
  return info.Env().Undefined();
}

}  // namespace

std::shared_ptr<Hook> HookFunctions::Add(Napi::Function function) {
  {
    std::lock_guard lock(ended_->mutex);
    for (const uint64_t number : ended_->numbers) functions_.erase(number);
    ended_->numbers.clear();
  }
  auto hook = std::make_shared<Hook>(++count_, ended_);
  functions_.emplace(hook->number, Napi::Persistent(function));
  return hook;
}

const Napi::FunctionReference* HookFunctions::Find(uint64_t number) const {
  const auto found = functions_.find(number);
  return found == functions_.end() ? nullptr : &found->second;
}

void CallHook(Runner& runner, const Hook& hook, std::function<std::vector<napi_value>(Napi::Env)> arguments,
              std::function<void(Napi::Value)> take) {
  if (!hook.active) return;
  const uint64_t number = hook.number;
  runner.OnJsThread([number, arguments = std::move(arguments), take = std::move(take)](Napi::Env env) {
    const Napi::FunctionReference* function = Addon::Of(env).hooks.Find(number);
    if (function == nullptr) return;
    try {
      // The hook may remove itself: the function must not go while it runs.
      const Napi::Function called = function->Value();
      const Napi::Value result = called.Call(arguments(env));
      if (!result.IsUndefined()) take(result);
    } catch (const Napi::Error& error) {
      throw ThrownByCallback(error);
    }
  });
}

void HookGradient(std::shared_ptr<Runner> runner, const at::Tensor& tensor, std::shared_ptr<Hook> hook, int64_t place) {
  tensor.register_hook([runner = std::move(runner), hook = std::move(hook), place](const at::Tensor& gradient) {
    const auto replacement = std::make_shared<at::Tensor>();
    CallHook(
        *runner, *hook,
        [gradient, place](Napi::Env env) -> std::vector<napi_value> {
          return {WrapTensor(env, gradient), Napi::Number::New(env, static_cast<double>(place))};
        },
        [gradient, replacement](Napi::Value result) {
          const at::Tensor given = UnwrapTensor(result, "what a hook gives");
          CheckReplacement(given, gradient);
          *replacement = given.detach();
        });
    return *replacement;
  });
}

Napi::Object WrapHook(Napi::Env env, const std::shared_ptr<Hook>& hook) {
  return MakeHandle(env, std::make_unique<NativeHook>(NativeHook{hook}));
}

void RegisterHooks(Napi::Env, Napi::Object exports) {
  Export<TensorRegisterHook>(exports, "tensorRegisterHook");
  Export<HookRemove>(exports, "hookRemove");
}

}  // namespace espalier
