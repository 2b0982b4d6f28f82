// The penalty, added to each gradient as soon as a backward pass has accumulated it: no call of JavaScript, and no
// other pass over the weights.

#include "binding/penalty_hook.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <atomic>
#include <memory>
#include <vector>

#include "binding/addon.h"
#include "binding/errors.h"
#include "binding/tensor.h"
#include "binding/values.h"

namespace espalier {
namespace {

// What the hooks of all parameters share, but for the parameters: these own the hooks.
struct Penalty {
  at::Tensor coefficients;
  std::vector<at::Tensor> layouts;          // by parameter, int64 [1, 4]
  std::vector<std::atomic<bool>> is_added;  // by parameter: in the gradient that it has
  std::atomic<bool> armed{true};
  std::atomic<double> scale{1};

  explicit Penalty(size_t count) : is_added(count) {}

  // grad += scale * coefficient * weight, once until Clear.
  void Add(const at::Tensor& parameter, size_t number, double by) {
    if (is_added[number]) return;
    const at::NoGradGuard no_grad;
    // No gradients given: the one that the parameter has, zero where it has none.
    Operator().call({}, {parameter}, layouts[number], coefficients, by);
    is_added[number] = true;
  }

  void Clear() {
    for (std::atomic<bool>& is : is_added) is = false;
  }

 private:
  using Apply = void(at::TensorList, at::TensorList, const at::Tensor&, const at::Tensor&, double);
  static const c10::TypedOperatorHandle<Apply>& Operator() {
    static const auto found = c10::Dispatcher::singleton().findSchemaOrThrow("espalier::reg_apply_", "").typed<Apply>();
    return found;
  }
};

class PenaltyHook : public torch::autograd::PostAccumulateGradHook {
 public:
  PenaltyHook(std::shared_ptr<Penalty> penalty, size_t number) : penalty_(std::move(penalty)), number_(number) {}
  void operator()(const at::Tensor& parameter) override {
    if (penalty_->armed) penalty_->Add(parameter, number_, penalty_->scale);
  }

 private:
  const std::shared_ptr<Penalty> penalty_;
  const size_t number_;
};

// The handle of the hooks of one penalty.
struct NativePenaltyHook {
  static constexpr napi_type_tag kTag = {0x8e15d2b76a0c4f93, 0x2d94c7f1e83b6a05};
  static constexpr const char* kNoun = "penalty hook";
  std::shared_ptr<Penalty> penalty;
  std::vector<at::Tensor> parameters;
};

void SetHook(const at::Tensor& parameter, std::unique_ptr<PenaltyHook> hook) {
  torch::autograd::impl::set_post_acc_grad_hooks(parameter, std::move(hook));
}

// penaltyHook(parameters, layout, coefficients): a handle. `layout` is int64 [parameters, 4] as of reg_plan.
Napi::Value MakePenaltyHook(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) throw InvalidArgument("parameters must be an array, not " + Describe(info[0]));
  const Napi::Array given = info[0].As<Napi::Array>();
  const at::Tensor layout = UnwrapTensor(info[1], "layout");
  auto handle = std::make_unique<NativePenaltyHook>();
  handle->penalty = std::make_shared<Penalty>(given.Length());
  handle->penalty->coefficients = UnwrapTensor(info[2], "coefficients");
  if (layout.dim() != 2 || layout.size(0) != given.Length()) {
    throw InvalidArgument("layout must have a row for each of " + std::to_string(given.Length()) + " parameters");
  }
  for (uint32_t k = 0; k < given.Length(); k++) {
    const at::Tensor parameter = UnwrapTensor(given[k], "parameter");
    if (!parameter.is_leaf() || !parameter.requires_grad()) {
      throw InvalidArgument("a penalty hook needs leaves that require grad");
    }
    if (torch::autograd::impl::post_acc_grad_hooks(parameter) != nullptr) {
      throw InvalidArgument("a parameter has a penalty hook already");
    }
    handle->parameters.push_back(parameter);
    handle->penalty->layouts.push_back(layout.narrow(0, k, 1).clone());
  }
  Addon::Of(info.Env()).runner.Between(info.Env(), [penalty = handle->penalty, parameters = handle->parameters] {
    for (size_t k = 0; k < parameters.size(); k++) SetHook(parameters[k], std::make_unique<PenaltyHook>(penalty, k));
  });
  return MakeHandle(info.Env(), std::move(handle));
}

// penaltyHookSet(hook, armed, scale): for the passes that come
Napi::Value PenaltyHookSet(const Napi::CallbackInfo& info) {
  Penalty& penalty = *FromHandle<NativePenaltyHook>(info[0], "hook").penalty;
  const bool armed = ToFlag(info[1], "armed");
  if (!info[2].IsNumber()) throw InvalidArgument("scale must be a number, not " + Describe(info[2]));
  penalty.armed = armed;
  penalty.scale = info[2].As<Napi::Number>().DoubleValue();
  return info.Env().Undefined();
}

// penaltyHookFinish(hook, scale, job options): Promise. Adds to the parameters that no pass has reached; then each may
// get the penalty again.
Napi::Value PenaltyHookFinish(const Napi::CallbackInfo& info) {
  const NativePenaltyHook& hook = FromHandle<NativePenaltyHook>(info[0], "hook");
  if (!info[1].IsNumber()) throw InvalidArgument("scale must be a number, not " + Describe(info[1]));
  const double scale = info[1].As<Napi::Number>().DoubleValue();
  return Addon::Of(info.Env())
      .runner.Submit(
          info.Env(), JobOptions::From(info[2]),
          [penalty = hook.penalty, parameters = hook.parameters, scale](const JobContext&) -> Runner::Settle {
            for (size_t k = 0; k < parameters.size(); k++) penalty->Add(parameters[k], k, scale);
            penalty->Clear();
            return [](Napi::Env env) { return env.Undefined(); };
          });
}

// penaltyHookReset(hook): the gradients that hold the penalty were thrown away
Napi::Value PenaltyHookReset(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Penalty> penalty = FromHandle<NativePenaltyHook>(info[0], "hook").penalty;
  Addon::Of(info.Env()).runner.Between(info.Env(), [penalty] { penalty->Clear(); });
  return info.Env().Undefined();
}

// penaltyHookRemove(hook): may be called again
Napi::Value PenaltyHookRemove(const Napi::CallbackInfo& info) {
  NativePenaltyHook& hook = FromHandle<NativePenaltyHook>(info[0], "hook");
  hook.penalty->armed = false;
  Addon::Of(info.Env()).runner.Between(info.Env(), [parameters = std::move(hook.parameters)] {
    for (const at::Tensor& parameter : parameters) SetHook(parameter, nullptr);
  });
  hook.parameters.clear();
  return info.Env().Undefined();
}

}  // namespace

void RegisterPenaltyHook(Napi::Env, Napi::Object exports) {
  Export<MakePenaltyHook>(exports, "penaltyHook");
  Export<PenaltyHookSet>(exports, "penaltyHookSet");
  Export<PenaltyHookFinish>(exports, "penaltyHookFinish");
  Export<PenaltyHookReset>(exports, "penaltyHookReset");
  Export<PenaltyHookRemove>(exports, "penaltyHookRemove");
}

}  // namespace espalier
