#include "binding/module.h"

#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include <unordered_map>
#include <unordered_set>

#include "binding/addon.h"
#include "binding/archive.h"
#include "binding/values.h"

namespace espalier {

// The graph is run as it is, on the plain interpreter: the profiling executor specialises and recompiles during the
// first runs, which costs seconds on large models.
c10::IValue ModuleState::Forward(std::vector<c10::IValue> inputs, const ModuleHooks* hooks) {
  if (hooks != nullptr) return hooked_.Run(module, std::move(inputs), *hooks);
  if (!code_) {
    auto graph = module.get_method("forward").graph()->copy();
    torch::jit::Inline(*graph);
    torch::jit::runRequiredPasses(graph);
    code_.emplace(graph, "forward");
  }
  torch::jit::Stack stack;
  stack.reserve(inputs.size() + 1);
  stack.emplace_back(module._ivalue());
  for (c10::IValue& input : inputs) stack.push_back(std::move(input));
  torch::jit::InterpreterState(*code_).run(stack);
  return std::move(stack.front());
}

std::shared_ptr<const script::PreparedGraph> ModuleState::Prepared() {
  if (!prepared_) prepared_ = std::make_shared<const script::PreparedGraph>(script::Prepare(module));
  return prepared_;
}

ModuleUse::Locked::Locked(const ModuleUse& use) : state_(*use.state_), hooks_(use.hooks_.get()) {
  if (!use.mode_ || state_.mode_ == use.mode_) return;
  state_.module.train(*use.mode_);
  state_.mode_ = use.mode_;
}

ModuleUse::Locked ModuleUse::Lock() const {
  state_->free.acquire();
  return Locked(*this);
}

ModuleUse::Locked ModuleUse::LockHere(Napi::Env env) const {
  Addon::Of(env).runner.Until(env, [this] { return state_->free.try_acquire(); });
  return Locked(*this);
}

NativeModule::NativeModule(torch::jit::Module module, std::shared_ptr<StorageLedger> ledger)
    : state_(std::make_shared<ModuleState>(std::move(module))), ledger_(std::move(ledger)) {
  const auto account = [this](const at::Tensor& tensor) {
    if (!tensor.defined() || !tensor.has_storage()) return;
    storages_.push_back(tensor.storage().unsafeGetStorageImpl());
    ledger_->Add(storages_.back(), static_cast<int64_t>(tensor.storage().nbytes()));
  };
  for (const at::Tensor& parameter : state_->module.parameters()) account(parameter);
  for (const at::Tensor& buffer : state_->module.buffers()) account(buffer);
}

NativeModule::~NativeModule() {
  for (const void* storage : storages_) ledger_->Remove(storage);
}

Napi::Object WrapModule(Napi::Env env, torch::jit::Module module) {
  return MakeHandle(env, std::make_unique<NativeModule>(std::move(module), Addon::Of(env).ledger));
}

namespace {

Runner::Settle Nothing() {
  return [](Napi::Env env) { return env.Undefined(); };
}

// `name` is the file's name for messages.
torch::jit::Module Load(std::string bytes, const std::string& name, std::optional<c10::Device> device) {
  torch::jit::Module module;
  try {
    module = torch::jit::load(OpenArchive(std::move(bytes), name), device);
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
  // torch.jit.freeze folds the parameters into constants and drops `training` with them.
  if (module.parameters().size() == 0 && !module.hasattr("training")) {
    throw Failure("ERR_FROZEN_MODULE", name + ": the module was frozen and has no parameters left", "",
                  "save it without torch.jit.freeze and torch.jit.optimize_for_inference");
  }
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
torch::jit::Module Copy(const torch::jit::Module& module) { return Load(ToBytes(module), "copy", std::nullopt); }

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

// moduleLoad(path | bytes, name, device | null): Promise<module>
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
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[3]),
                     [=, bytes = std::move(bytes)](const JobContext&) mutable -> Runner::Settle {
                       auto module = Load(from_file ? ReadFile(path, kModelArchive) : std::move(bytes), name, device);
                       return [module](Napi::Env env) { return WrapModule(env, module); };
                     });
}

// moduleSave(module, path): Promise<void>
Napi::Value ModuleSave(const Napi::CallbackInfo& info) {
  ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  const std::string path = ToText(info[1], "path");
  return Addon::Of(info.Env()).runner.Submit(info.Env(), {}, [=](const JobContext&) -> Runner::Settle {
    auto locked = use.Lock();
    AtomicFile file(path);
    Save(locked.module(), [&file](const void* data, size_t size) {
      file.Write(data, size);
      return size;
    });
    file.Commit();
    return Nothing();
  });
}

// moduleBytes(module): Promise<Uint8Array>
Napi::Value ModuleBytes(const Napi::CallbackInfo& info) {
  ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  return Addon::Of(info.Env()).runner.Submit(info.Env(), {}, [use](const JobContext&) -> Runner::Settle {
    auto locked = use.Lock();
    auto bytes = std::make_shared<std::string>(ToBytes(locked.module()));
    return [bytes](Napi::Env env) {
      Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes->size());
      std::copy(bytes->begin(), bytes->end(), reinterpret_cast<char*>(array.Data()));
      return array;
    };
  });
}

// Names and tensors in state_dict order; a tensor with several names stands once, with all of them.
template <class NamedTensors>
Napi::Array Named(Napi::Env env, const NamedTensors& tensors) {
  Napi::Array list = Napi::Array::New(env);
  std::unordered_map<c10::TensorImpl*, uint32_t> seen;
  for (const auto& named : tensors) {
    if (!named.value.defined()) continue;
    const auto [it, fresh] = seen.emplace(named.value.unsafeGetTensorImpl(), list.Length());
    if (fresh) {
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("names", Napi::Array::New(env));
      entry.Set("tensor", WrapTensor(env, named.value));
      list.Set(it->second, entry);
    }
    Napi::Array names = Napi::Value(list[it->second]).As<Napi::Object>().Get("names").As<Napi::Array>();
    names.Set(names.Length(), Napi::String::New(env, named.name));
  }
  return list;
}

Napi::Value ModuleParameters(const Napi::CallbackInfo& info) {
  return Named(info.Env(), FromHandle<NativeModule>(info[0], "module").module().named_parameters());
}

Napi::Value ModuleBuffers(const Napi::CallbackInfo& info) {
  return Named(info.Env(), FromHandle<NativeModule>(info[0], "module").module().named_buffers());
}

Napi::Value ModuleTraining(const Napi::CallbackInfo& info) {
  const NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  return Napi::Boolean::New(info.Env(), native.mode.value_or(native.module().is_training()));
}

Napi::Value ModuleTrain(const Napi::CallbackInfo& info) {
  FromHandle<NativeModule>(info[0], "module").mode = ToFlag(info[1], "mode");
  return info.Env().Undefined();
}

struct ForwardCall {
  explicit ForwardCall(const Napi::CallbackInfo& info) : use(FromHandle<NativeModule>(info[0], "module").Use()) {
    const auto method = FromHandle<NativeModule>(info[0], "module").module().find_method("forward");
    if (!method) throw Failure("ERR_UNSUPPORTED", "the module has no forward method");
    if (!info[1].IsArray()) throw InvalidArgument("inputs must be an array, not " + Describe(info[1]));
    inputs = ToInputs(info[1].As<Napi::Array>(), method->function().getSchema());
  }
  ModuleUse use;
  std::vector<c10::IValue> inputs;
};

// moduleForward(module, inputs, job options): Promise<output>
Napi::Value ModuleForward(const Napi::CallbackInfo& info) {
  ForwardCall call(info);
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[2]), [call](const JobContext&) -> Runner::Settle {
        c10::IValue output = call.use.Lock().Forward(call.inputs);
        return [output](Napi::Env env) { return FromIValue(env, output); };
      });
}

Napi::Value ModuleForwardSync(const Napi::CallbackInfo& info) {
  ForwardCall call(info);
  at::AutoGradMode grad(JobOptions::From(info[2]).grad);
  auto locked = call.use.LockHere(info.Env());
  const Runner::Blocking blocking(Addon::Of(info.Env()).runner, info.Env());
  return FromIValue(info.Env(), locked.Forward(std::move(call.inputs)));
}

// moduleClone(module): module
Napi::Value ModuleClone(const Napi::CallbackInfo& info) {
  const ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  return WrapModule(info.Env(), Copy(use.LockHere(info.Env()).module()));
}

// moduleTo(module, device | null, dtype | null): Promise<module>
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
  return Addon::Of(info.Env()).runner.Submit(info.Env(), {}, [=](const JobContext&) -> Runner::Settle {
    torch::jit::Module module = Copy(use.Lock().module());
    Convert(module, device, dtype);
    return [module](Napi::Env env) { return WrapModule(env, module); };
  });
}

Napi::Value ModuleDispose(const Napi::CallbackInfo& info) {
  DisposeHandle<NativeModule>(info[0], "module");
  return info.Env().Undefined();
}

}  // namespace

void RegisterModule(Napi::Env, Napi::Object exports) {
  Export<ModuleLoad>(exports, "moduleLoad");
  Export<ModuleSave>(exports, "moduleSave");
  Export<ModuleBytes>(exports, "moduleBytes");
  Export<ModuleParameters>(exports, "moduleParameters");
  Export<ModuleBuffers>(exports, "moduleBuffers");
  Export<ModuleTraining>(exports, "moduleTraining");
  Export<ModuleTrain>(exports, "moduleTrain");
  Export<ModuleForward>(exports, "moduleForward");
  Export<ModuleForwardSync>(exports, "moduleForwardSync");
  Export<ModuleClone>(exports, "moduleClone");
  Export<ModuleTo>(exports, "moduleTo");
  Export<ModuleDispose>(exports, "moduleDispose");
}

}  // namespace espalier
