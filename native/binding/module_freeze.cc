// A module for running alone: weights as constants, batch norms folded into what comes before them.

#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "binding/addon.h"
#include "binding/module.h"
#include "binding/values.h"
#include "script/quiet.h"

namespace espalier {
namespace {

// The memory format of convolutions: channels last, in images and in volumes.
void LayOutChannelsLast(const torch::jit::Module& module) {
  at::NoGradGuard no_grad;
  for (const at::Tensor& parameter : module.parameters()) {
    if (parameter.dim() != 4 && parameter.dim() != 5) continue;
    const auto format = parameter.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::ChannelsLast3d;
    parameter.set_data(parameter.detach().contiguous(format));
  }
}

// moduleFreeze(module, channelsLast, job options): Promise<module>
//
// The module's own tensors are changed: it is a copy that nobody else has.
Napi::Value ModuleFreeze(const Napi::CallbackInfo& info) {
  const NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  ModuleUse use = native.Use();
  const ExtraFiles extra_files = native.extra_files;
  const bool channels_last = ToFlag(info[1], "channelsLast");
  const JobOptions options = JobOptions::From(info[2]);
  return Addon::Of(info.Env()).runner.Submit(info.Env(), options, [=](const JobContext& context) -> Runner::Settle {
    auto locked = use.Lock(context);
    torch::jit::Module& module = locked.module();
    const script::Quiet quiet;  // folding constants runs parts of the program
    module.eval();
    if (channels_last) LayOutChannelsLast(module);
    std::vector<std::string> methods;
    for (const torch::jit::Method& method : module.get_methods()) {
      if (method.name() != "forward") methods.push_back(method.name());
    }
    const torch::jit::Module frozen = torch::jit::freeze(module, methods);
    return [=](Napi::Env env) { return WrapModule(env, frozen, extra_files); };
  });
}

}  // namespace

void RegisterModuleFreeze(Napi::Env, Napi::Object exports) { Export<ModuleFreeze>(exports, "moduleFreeze"); }

}  // namespace espalier
