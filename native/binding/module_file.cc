// A module as a file: loaded, saved, and copied by way of its bytes.

#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include <functional>
#include <optional>
#include <unordered_set>

#include "binding/addon.h"
#include "binding/archive.h"
#include "binding/atomic_file.h"
#include "binding/deep_thread.h"
#include "binding/module.h"
#include "binding/values.h"
#include "script/checks/conform.h"
#include "script/graph/devices.h"
#include "script/quiet.h"

namespace espalier {
namespace {

Runner::Settle Nothing() {
  return [](Napi::Env env) { return env.Undefined(); };
}

constexpr const char* kExtra = "extra/";

struct Loaded {
  torch::jit::Module module;
  ExtraFiles extra_files;
};

// Those of the archive, to be filled by LibTorch.
torch::jit::ExtraFilesMap ExtraNames(std::shared_ptr<caffe2::serialize::ReadAdapterInterface> reader) {
  torch::jit::ExtraFilesMap names;
  const std::string folder = kExtra;
  for (const std::string& record : caffe2::serialize::PyTorchStreamReader(std::move(reader)).getAllRecords()) {
    if (record.size() > folder.size() && record.rfind(folder, 0) == 0) names.emplace(record.substr(folder.size()), "");
  }
  return names;
}

// `name` is the file's name for messages.
Loaded Load(std::string bytes, const std::string& name, std::optional<c10::Device> device,
            const archive::Limits& limits, bool frozen) {
  torch::jit::Module module;
  torch::jit::ExtraFilesMap extra_files;
  try {
    const auto reader = OpenArchive(std::move(bytes), name, kModelArchive, limits);
    extra_files = ExtraNames(reader);
    module = torch::jit::load(reader, device, extra_files);
  } catch (...) {
    const Failure failure = FaultOfFile();
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
  if (!frozen && module.parameters().size() == 0 && !module.hasattr("training")) {
    throw Failure("ERR_FROZEN_MODULE", name + ": the module was frozen and has no parameters left", "",
                  "to prune or train it, save it without torch.jit.freeze and torch.jit.optimize_for_inference; "
                  "to run it alone, load(path, { frozen: true })");
  }
  script::FollowDevice(module);
  if (device) script::MoveProgram(module, *device);
  return {module, {extra_files.begin(), extra_files.end()}};
}

// Writes the module in the file format. The same module gives the same bytes: the pickler numbers a value only if
// something else holds it too, so that handles, gradients and cached code would show in the file. Here every value is
// held.
void Save(const torch::jit::Module& module, const ExtraFiles& extra_files,
          const std::function<size_t(const void*, size_t)>& write) {
  std::vector<c10::IValue> held;
  c10::IValue(module._ivalue()).visit([&held](const c10::IValue& value) {
    held.push_back(value);
    return false;
  });
  torch::jit::ExportModule(module, write, {extra_files.begin(), extra_files.end()});
}

std::string ToBytes(const torch::jit::Module& module, const ExtraFiles& extra_files = {}) {
  std::string bytes;
  Save(module, extra_files, [&bytes](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });
  return bytes;
}

// A copy with types of its own: surgery on it can't touch the original. Through the file format because that keeps tied
// parameters tied; Module::clone does not.
torch::jit::Module Copy(const torch::jit::Module& module) {
  const script::Quiet quiet;  // saving and loading may run a module's own __getstate__ and __setstate__
  torch::jit::Module copy = torch::jit::load(OwnArchive(ToBytes(module)));
  script::FollowDevice(copy);
  return copy;
}

// The module's own (undefined), or `[name, Uint8Array][]` in their place.
ExtraFiles ToExtraFiles(Napi::Value value, const ExtraFiles& own) {
  if (value.IsUndefined()) return own;
  if (!value.IsArray()) throw InvalidArgument("extraFiles must be an array, not " + Describe(value));
  const Napi::Array list = value.As<Napi::Array>();
  ExtraFiles files;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Array entry = Napi::Value(list[i]).As<Napi::Array>();
    const Napi::Uint8Array bytes = Napi::Value(entry[1u]).As<Napi::Uint8Array>();
    files[ToText(entry[0u], "extraFiles: a name")].assign(reinterpret_cast<const char*>(bytes.Data()),
                                                          bytes.ByteLength());
  }
  return files;
}

Napi::Uint8Array ToBuffer(Napi::Env env, const std::string& bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(array.Data()));
  return array;
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
  if (device) script::MoveProgram(module, *device);
}

// moduleLoad(path | bytes, name, device | null, job options, limits?, frozen?): Promise<module>
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
  const bool frozen = !info[5].IsUndefined() && ToFlag(info[5], "frozen");
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[3]),
                     [=, bytes = std::move(bytes)](const JobContext&) mutable -> Runner::Settle {
                       auto loaded = Load(from_file ? ReadFile(path, kModelArchive) : std::move(bytes), name, device,
                                          limits, frozen);
                       return [loaded](Napi::Env env) { return WrapModule(env, loaded.module, loaded.extra_files); };
                     });
}

// moduleSave(module, path, extraFiles | undefined, job options): Promise<void>
Napi::Value ModuleSave(const Napi::CallbackInfo& info) {
  const NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  ModuleUse use = native.Use();
  const std::string path = ToText(info[1], "path");
  const ExtraFiles extra_files = ToExtraFiles(info[2], native.extra_files);
  const JobOptions options = JobOptions::From(info[3]);
  return Addon::Of(info.Env()).runner.Submit(info.Env(), options, [=](const JobContext& context) -> Runner::Settle {
    auto locked = use.Lock(context);
    AtomicFile file(path);
    Save(locked.module(), extra_files, [&file](const void* data, size_t size) {
      file.Write(data, size);
      return size;
    });
    file.Commit();
    return Nothing();
  });
}

// moduleBytes(module, extraFiles | undefined, job options): Promise<Uint8Array>
Napi::Value ModuleBytes(const Napi::CallbackInfo& info) {
  const NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  ModuleUse use = native.Use();
  const ExtraFiles extra_files = ToExtraFiles(info[1], native.extra_files);
  const JobOptions options = JobOptions::From(info[2]);
  return Addon::Of(info.Env()).runner.Submit(info.Env(), options, [=](const JobContext& context) -> Runner::Settle {
    auto locked = use.Lock(context);
    auto bytes = std::make_shared<std::string>(ToBytes(locked.module(), extra_files));
    return [bytes](Napi::Env env) { return ToBuffer(env, *bytes); };
  });
}

// moduleExtraFiles(module): [name, Uint8Array][]
Napi::Value ModuleExtraFiles(const Napi::CallbackInfo& info) {
  const NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  Napi::Array list = Napi::Array::New(info.Env());
  for (const auto& [name, content] : native.extra_files) {
    Napi::Array entry = Napi::Array::New(info.Env(), 2);
    entry.Set(0u, Napi::String::New(info.Env(), name));
    entry.Set(1u, ToBuffer(info.Env(), content));
    list.Set(list.Length(), entry);
  }
  return list;
}

// moduleTo(module, device | null, dtype | null, job options): Promise<module>
Napi::Value ModuleTo(const Napi::CallbackInfo& info) {
  const NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  ModuleUse use = native.Use();
  const ExtraFiles extra_files = native.extra_files;
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
    return [=](Napi::Env env) { return WrapModule(env, module, extra_files); };
  });
}

}  // namespace

void RegisterModuleFile(Napi::Env, Napi::Object exports) {
  Export<ModuleLoad>(exports, "moduleLoad");
  Export<ModuleSave>(exports, "moduleSave");
  Export<ModuleBytes>(exports, "moduleBytes");
  Export<ModuleExtraFiles>(exports, "moduleExtraFiles");
  Export<ModuleTo>(exports, "moduleTo");
}

}  // namespace espalier
