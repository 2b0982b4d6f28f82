// A module as a file: loaded, saved, and copied by way of its bytes.

#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include <functional>
#include <unordered_set>

#include "binding/addon.h"
#include "binding/archive.h"
#include "binding/atomic_file.h"
#include "binding/module.h"
#include "binding/values.h"
#include "script/conform.h"
#include "script/devices.h"

namespace espalier {
namespace {

Runner::Settle Nothing() {
  return [](Napi::Env env) { return env.Undefined(); };
}

// `name` is the file's name for messages.
torch::jit::Module Load(std::string bytes, const std::string& name, std::optional<c10::Device> device,
                        const archive::Limits& limits) {
  torch::jit::Module module;
  try {
    module = torch::jit::load(OpenArchive(std::move(bytes), name, kModelArchive, limits), device);
  } catch (...) {
    Failure failure = CurrentFailure();
    if (failure.code != "ERR_TORCH") throw failure;
    const std::string& text = failure.detail.empty() ? failure.message : failure.detail;
    if (text.find("Unknown builtin op") != std::string::npos) {
      throw Failure("ERR_UNSUPPORTED", name + ": the model uses an operator that LibTorch does not have", text,
                    "operators of extensions such as torchvision::nms are not available");
    }
    throw Failure("ERR_MODEL_FILE", name + ": " + failure.message, text,
                  "save it again with torch.jit.save of PyTorch 2.13 or earlier");
  }
  if (const auto misfit = script::FindMisfit(module)) {
    throw Failure("ERR_MODEL_FILE",
                  name + ": the value of '" + *misfit + "' is not of the type that the program gives it", "",
                  "copy it again, or save it again in Python");
  }
  // torch.jit.freeze folds the parameters into constants and drops `training` with them.
  if (module.parameters().size() == 0 && !module.hasattr("training")) {
    throw Failure("ERR_FROZEN_MODULE", name + ": the module was frozen and has no parameters left", "",
                  "save it without torch.jit.freeze and torch.jit.optimize_for_inference");
  }
  script::FollowDevice(module);
  return module;
}

// Writes the module in the file format. The same module gives the same bytes: the pickler numbers a value only if
// something else holds it too, so that handles, gradients and cached code would show in the file. Here every value is
// held.
void Save(const torch::jit::Module& module, const std::function<size_t(const void*, size_t)>& write) {
  std::vector<c10::IValue> held;
  c10::IValue(module._ivalue()).visit([&held](const c10::IValue& value) {
    held.push_back(value);
    return false;
  });
  torch::jit::ExportModule(module, write);
}

std::string ToBytes(const torch::jit::Module& module) {
  std::string bytes;
  Save(module, [&bytes](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  return bytes;
}

// A copy with types of its own: surgery on it can't touch the original. Through the file format because that keeps tied
// parameters tied; Module::clone does not.
torch::jit::Module Copy(const torch::jit::Module& module) {
  torch::jit::Module copy = torch::jit::load(OwnArchive(ToBytes(module)));
  script::FollowDevice(copy);
  return copy;
}

// Floating-point tensors get the dtype, all get the device; as `module.to` of PyTorch.
void Convert(torch::jit::Module& module, std::optional<c10::Device> device, std::optional<c10::ScalarType> dtype) {
  at::NoGradGuard no_grad;
  std::unordered_set<c10::TensorImpl*> converted;  // tied: only once
  const auto convert = [&](const at::Tensor& tensor) {
    if (!tensor.defined() || !converted.insert(tensor.unsafeGetTensorImpl()).second) return;
    const bool floating = c10::isFloatingType(tensor.scalar_type());
    tensor.set_data(
        tensor.detach().to(device.value_or(tensor.device()), floating && dtype ? *dtype : tensor.scalar_type()));
  };
  for (const at::Tensor& parameter : module.parameters()) convert(parameter);
  for (const at::Tensor& buffer : module.buffers()) convert(buffer);
}

// moduleLoad(path | bytes, name, device | null, job options, limits?): Promise<module>
Napi::Value ModuleLoad(const Napi::CallbackInfo& info) {
  std::string path, bytes;
  if (info[0].IsString()) {
    path = ToText(info[0], "source");
  } else if (info[0].IsTypedArray() && info[0].As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    Napi::Uint8Array array = info[0].As<Napi::Uint8Array>();
    bytes.assign(reinterpret_cast<const char*>(array.Data()), array.ByteLength());
  } else {
    throw InvalidArgument("source must be a path or a Uint8Array, not " + Describe(info[0]));
  }
  const std::string name = ToText(info[1], "name");
  std::optional<c10::Device> device;
  if (!info[2].IsNull()) device = ToDevice(info[2], "device");
  const bool from_file = info[0].IsString();
  const archive::Limits limits = ToLimits(info[4]);
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[3]),
                     [=, bytes = std::move(bytes)](const JobContext&) mutable -> Runner::Settle {
                       auto module =
                           Load(from_file ? ReadFile(path, kModelArchive) : std::move(bytes), name, device, limits);
                       return [module](Napi::Env env) { return WrapModule(env, module); };
                     });
}

// moduleSave(module, path, job options): Promise<void>
Napi::Value ModuleSave(const Napi::CallbackInfo& info) {
  ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  const std::string path = ToText(info[1], "path");
  const JobOptions options = JobOptions::From(info[2]);
  return Addon::Of(info.Env()).runner.Submit(info.Env(), options, [=](const JobContext& context) -> Runner::Settle {
    auto locked = use.Lock(context);
    AtomicFile file(path);
    Save(locked.module(), [&file](const void* data, size_t size) {
      file.Write(data, size);
      return size;
    });
    file.Commit();
    return Nothing();
  });
}

// moduleBytes(module, job options): Promise<Uint8Array>
Napi::Value ModuleBytes(const Napi::CallbackInfo& info) {
  ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  const JobOptions options = JobOptions::From(info[1]);
  return Addon::Of(info.Env()).runner.Submit(info.Env(), options, [use](const JobContext& context) -> Runner::Settle {
    auto locked = use.Lock(context);
    auto bytes = std::make_shared<std::string>(ToBytes(locked.module()));
    return [bytes](Napi::Env env) {
      Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes->size());
      std::copy(bytes->begin(), bytes->end(), reinterpret_cast<char*>(array.Data()));
      return array;
    };
  });
}

// moduleClone(module): module
Napi::Value ModuleClone(const Napi::CallbackInfo& info) {
  const ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  return WrapModule(info.Env(), Copy(use.LockHere(info.Env()).module()));
}

// moduleTo(module, device | null, dtype | null, job options): Promise<module>
Napi::Value ModuleTo(const Napi::CallbackInfo& info) {
  ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  std::optional<c10::Device> device;
  std::optional<c10::ScalarType> dtype;
  if (!info[1].IsNull()) device = ToDevice(info[1], "device");
  if (!info[2].IsNull()) {
    dtype = ToDType(info[2], "dtype");
    if (!c10::isFloatingType(*dtype)) {
      throw InvalidArgument("dtype: a module can be float32, float64, float16 or bfloat16, not " +
                            std::string(DTypeName(*dtype)));
    }
  }
  const JobOptions options = JobOptions::From(info[3]);
  return Addon::Of(info.Env()).runner.Submit(info.Env(), options, [=](const JobContext& context) -> Runner::Settle {
    torch::jit::Module module = Copy(use.Lock(context).module());
    Convert(module, device, dtype);
    return [module](Napi::Env env) { return WrapModule(env, module); };
  });
}

}  // namespace

void RegisterModuleFile(Napi::Env, Napi::Object exports) {
  Export<ModuleLoad>(exports, "moduleLoad");
  Export<ModuleSave>(exports, "moduleSave");
  Export<ModuleBytes>(exports, "moduleBytes");
  Export<ModuleClone>(exports, "moduleClone");
  Export<ModuleTo>(exports, "moduleTo");
}

}  // namespace espalier
