#include "binding/module.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <chrono>
#include <functional>
#include <thread>
#include <unordered_map>

#include "binding/addon.h"
#include "binding/deep_thread.h"
#include "binding/values.h"
#include "script/graph/walk.h"
#include "script/module/lookup.h"
#include "script/quiet.h"

namespace espalier {

namespace {

struct MethodOf {
  torch::jit::Module module;
  std::string name;
};

// The submodule and the method that "memory.reset" means.
MethodOf FindMethod(const torch::jit::Module& root, const std::string& name) {
  const auto found = script::MethodAt(root, name);
  if (!found) throw InvalidArgument("the module has no method '" + name + "'");
  return {script::ModuleAt(root, found->first), found->second};
}

}  // namespace

// The graph is run as it is, on the plain interpreter: the profiling executor specialises and recompiles during the
// first runs, which costs seconds on large models.
c10::IValue ModuleState::Run(const std::string& method, std::vector<c10::IValue> inputs) {
  const MethodOf found = FindMethod(module, method);
  auto code = codes_.find(method);
  if (code == codes_.end()) {
    OnDeepStack([&] {
      auto graph = found.module.get_method(found.name).graph()->copy();
      torch::jit::Inline(*graph);
      torch::jit::runRequiredPasses(graph);
      script::AddGuards(*graph, guard_);
      code = codes_.emplace(method, torch::jit::Code(graph, found.name)).first;
    });
  }
  torch::jit::Stack stack;
  stack.reserve(inputs.size() + 1);
  stack.emplace_back(found.module._ivalue());
  for (c10::IValue& input : inputs) stack.push_back(std::move(input));
  torch::jit::InterpreterState(code->second).run(stack);
  return std::move(stack.front());
}

c10::IValue ModuleState::Guarded(const script::Guard::Check& check, const std::function<c10::IValue()>& run) {
  guard_->Set(check);
  try {
    return run();
  } catch (...) {
    check();  // what it throws comes out of the interpreter as text
    throw;
  }
}

c10::IValue ModuleState::Forward(std::vector<c10::IValue> inputs, const ModuleHooks* hooks,
                                 const script::Guard::Check& check) {
  return Guarded(check, [&] {
    return hooks == nullptr ? Run("forward", std::move(inputs)) : hooked_.Run(module, std::move(inputs), *hooks);
  });
}

c10::IValue ModuleState::Call(const std::string& method, std::vector<c10::IValue> inputs,
                              const script::Guard::Check& check) {
  return Guarded(check, [&] { return Run(method, std::move(inputs)); });
}

std::shared_ptr<const script::PreparedGraph> ModuleState::Prepared() {
  if (!prepared_) prepared_ = std::make_shared<const script::PreparedGraph>(script::Prepare(module));
  return prepared_;
}

ModuleUse::Locked::Locked(const ModuleUse& use) : state_(*use.state_), release_{state_}, hooks_(use.hooks_.get()) {
  if (!use.mode_ || state_.mode_ == use.mode_) return;
  state_.module.train(*use.mode_);
  state_.mode_ = use.mode_;
}

bool ModuleUse::TryAcquire() const {
  if (!state_->free.try_acquire()) {
    const auto is_left = state_->holder_is_left_.load();
    if (is_left == nullptr || !*is_left) return false;
    throw Failure("ERR_ABORTED", "the module is still in the hands of work that was cancelled and did not end", "",
                  "load it anew");
  }
  state_->holder_is_left_.store(Runner::IsLeft());
  return true;
}

ModuleUse::Locked ModuleUse::Lock(const JobContext& context) const {
  // It is taken only while the JS thread blocks, or by work that was left behind.
  while (!TryAcquire()) {
    context.ThrowIfCancelled();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return Locked(*this);
}

ModuleUse::Locked ModuleUse::LockHere(Napi::Env env) const {
  Addon::Of(env).runner.Until(env, [this] { return TryAcquire(); });
  return Locked(*this);
}

namespace {

// The tensors that the graphs of a module's methods hold themselves: of a frozen one they are its weights.
void ForEachConstant(const torch::jit::Module& module, const std::function<void(const at::Tensor&)>& visit) {
  for (const torch::jit::Method& method : module.get_methods()) {
    const std::shared_ptr<torch::jit::Graph> graph = method.graph();
    script::ForEachNode(graph->block(), [&visit](torch::jit::Node* node) {
      if (node->kind() != c10::prim::Constant || !node->hasAttribute(c10::attr::value)) return;
      if (node->kindOf(c10::attr::value) == torch::jit::AttributeKind::t) visit(node->t(c10::attr::value));
    });
  }
}

}  // namespace

NativeModule::NativeModule(torch::jit::Module module, ExtraFiles extra_files, std::shared_ptr<StorageLedger> ledger)
    : extra_files(std::move(extra_files)),
      state_(std::make_shared<ModuleState>(std::move(module))),
      ledger_(std::move(ledger)) {
  const auto account = [this](const at::Tensor& tensor) {
    if (!tensor.defined() || !tensor.has_storage()) return;
    storages_.push_back(tensor.storage().unsafeGetStorageImpl());
    ledger_->Add(storages_.back(), static_cast<int64_t>(tensor.storage().nbytes()));
  };
  for (const at::Tensor& parameter : state_->module.parameters()) account(parameter);
  for (const at::Tensor& buffer : state_->module.buffers()) account(buffer);
  if (storages_.empty()) ForEachConstant(state_->module, account);
}

NativeModule::~NativeModule() {
  for (const void* storage : storages_) ledger_->Remove(storage);
}

Napi::Object WrapModule(Napi::Env env, torch::jit::Module module, ExtraFiles extra_files) {
  return MakeHandle(env,
                    std::make_unique<NativeModule>(std::move(module), std::move(extra_files), Addon::Of(env).ledger));
}

namespace {

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
      .runner.Submit(info.Env(), JobOptions::From(info[2]), [call](const JobContext& context) -> Runner::Settle {
        c10::IValue output = call.use.Lock(context).Forward(call.inputs, context.Check());
        return [output](Napi::Env env) { return FromIValue(env, output); };
      });
}

// A GPU works behind the program: what is asked of it is done some time later.
void WaitForGpus(const c10::IValue& value) {
  value.visit([](const c10::IValue& part) {
    if (part.isTensor() && part.toTensor().defined() && part.toTensor().is_cuda()) {
      c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).synchronizeDevice(part.toTensor().device().index());
    }
    return false;
  });
}

// moduleTime(module, inputs, job options): Promise<milliseconds>, of the run alone; what it prints is dropped
Napi::Value ModuleTime(const Napi::CallbackInfo& info) {
  ForwardCall call(info);
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[2]), [call](const JobContext& context) -> Runner::Settle {
        auto locked = call.use.Lock(context);
        const script::Quiet quiet;
        for (const c10::IValue& input : call.inputs) WaitForGpus(input);
        const auto start = std::chrono::steady_clock::now();
        WaitForGpus(locked.Forward(call.inputs, context.Check()));
        const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
        return [time](Napi::Env env) { return Napi::Number::New(env, time.count()); };
      });
}

Napi::Value ModuleForwardSync(const Napi::CallbackInfo& info) {
  ForwardCall call(info);
  at::AutoGradMode grad(JobOptions::From(info[2]).grad);
  auto locked = call.use.LockHere(info.Env());
  const Runner::Blocking blocking(Addon::Of(info.Env()).runner, info.Env());
  return FromIValue(info.Env(), locked.Forward(std::move(call.inputs), JsThreadCheck(info.Env())));
}

// moduleCall(module, method, inputs, job options): Promise<output>
Napi::Value ModuleCall(const Napi::CallbackInfo& info) {
  const NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  const std::string name = ToText(info[1], "method");
  if (!info[2].IsArray()) throw InvalidArgument("inputs must be an array, not " + Describe(info[2]));
  const MethodOf found = FindMethod(native.module(), name);
  const auto inputs = ToInputs(info[2].As<Napi::Array>(), found.module.get_method(found.name).function().getSchema());
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[3]),
                     [use = native.Use(), name, inputs](const JobContext& context) -> Runner::Settle {
                       c10::IValue output = use.Lock(context).Call(name, inputs, context.Check());
                       return [output](Napi::Env env) { return FromIValue(env, output); };
                     });
}

// moduleMethods(module): names of the methods of the module itself
Napi::Value ModuleMethods(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const auto* method : FromHandle<NativeModule>(info[0], "module").module().type()->methods()) {
    names.Set(names.Length(), Napi::String::New(info.Env(), method->name()));
  }
  return names;
}

// moduleArguments(module): names of the inputs of its forward, without self
Napi::Value ModuleArguments(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  const auto& module = FromHandle<NativeModule>(info[0], "module").module();
  if (const auto forward = module.find_method("forward")) {
    const auto& arguments = forward->function().getSchema().arguments();
    for (size_t k = 1; k < arguments.size(); k++) {
      names.Set(names.Length(), Napi::String::New(info.Env(), arguments[k].name()));
    }
  }
  return names;
}

Napi::Value ModuleDispose(const Napi::CallbackInfo& info) {
  DisposeHandle<NativeModule>(info[0], "module");
  return info.Env().Undefined();
}

}  // namespace

void RegisterModule(Napi::Env, Napi::Object exports) {
  Export<ModuleParameters>(exports, "moduleParameters");
  Export<ModuleBuffers>(exports, "moduleBuffers");
  Export<ModuleTraining>(exports, "moduleTraining");
  Export<ModuleTrain>(exports, "moduleTrain");
  Export<ModuleForward>(exports, "moduleForward");
  Export<ModuleTime>(exports, "moduleTime");
  Export<ModuleForwardSync>(exports, "moduleForwardSync");
  Export<ModuleCall>(exports, "moduleCall");
  Export<ModuleMethods>(exports, "moduleMethods");
  Export<ModuleArguments>(exports, "moduleArguments");
  Export<ModuleDispose>(exports, "moduleDispose");
}

}  // namespace espalier
