#include "binding/checkpoint.h"

#include <ATen/core/Dict.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickle.h>
#include <torch/csrc/jit/serialization/pickler.h>

#include <mutex>
#include <string>
#include <vector>

#include "binding/addon.h"
#include "binding/archive.h"
#include "binding/atomic_file.h"
#include "binding/errors.h"
#include "binding/tensor.h"
#include "binding/values.h"
#include "script/record/random_state.h"

namespace espalier {
namespace {

// As torch.save writes it, so that torch.load(weights_only=True) reads it: torch::pickle_save marks dicts with a global
// that is not allowed there.
void Write(const c10::IValue& value, AtomicFile& file) {
  std::string pickle;
  torch::jit::Pickler pickler([&pickle](const char* data, size_t size) { pickle.append(data, size); }, nullptr, nullptr,
                              nullptr, nullptr, /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(value);
  pickler.stop();
  caffe2::serialize::PyTorchStreamWriter archive([&file](const void* data, size_t size) {
    file.Write(data, size);
    return size;
  });
  size_t number = 0;
  for (const at::Tensor& tensor : pickler.tensorData()) {
    const auto data = torch::jit::getWriteableTensorData(tensor);
    archive.writeRecord("data/" + std::to_string(number++), data.data(), data.sizeInBytes());
  }
  archive.writeRecord("data.pkl", pickle.data(), pickle.size());
  archive.writeEndOfFile();
}

// checkpointWrite(path, {name: tensor | string}): Promise<void>. The file is there whole or not at all.
Napi::Value CheckpointWrite(const Napi::CallbackInfo& info) {
  const std::string path = ToText(info[0], "path");
  const auto type = c10::DictType::create(c10::StringType::get(), c10::AnyType::get());
  const c10::IValue entries = ToIValue(info[1], type, "entries");
  return Addon::Of(info.Env()).runner.Submit(info.Env(), {}, [=](const JobContext&) -> Runner::Settle {
    at::NoGradGuard no_grad;
    // Names in the file do not depend on what else holds a value: see Save in module.cc.
    std::vector<c10::IValue> held;
    c10::impl::GenericDict plain(c10::StringType::get(), c10::AnyType::get());
    for (const auto& entry : entries.toGenericDict()) {
      const c10::IValue value =
          entry.value().isTensor() ? c10::IValue(entry.value().toTensor().detach()) : entry.value();
      held.push_back(entry.key());
      held.push_back(value);
      plain.insert(entry.key(), value);
    }
    AtomicFile file(path);
    Write(plain, file);
    file.Commit();
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

// checkpointRead(path): Promise<Map of name to tensor | string>
Napi::Value CheckpointRead(const Napi::CallbackInfo& info) {
  const std::string path = ToText(info[0], "path");
  return Addon::Of(info.Env()).runner.Submit(info.Env(), {}, [=](const JobContext&) -> Runner::Settle {
    const auto reader = OpenArchive(ReadFile(path, kCheckpointArchive), path, kCheckpointArchive, archive::Limits());
    std::vector<char> bytes(reader->size());
    reader->read(0, bytes.data(), bytes.size());
    c10::IValue value;
    try {
      value = torch::jit::pickle_load(bytes);
    } catch (...) {
      const Failure failure = FaultOfFile();
      throw Failure("ERR_CHECKPOINT", path + ": " + failure.message, failure.detail, kCheckpointArchive.hint);
    }
    if (!value.isGenericDict()) {
      throw Failure("ERR_CHECKPOINT", path + ": it holds no table of tensors", "", kCheckpointArchive.hint);
    }
    return [value](Napi::Env env) { return FromIValue(env, value); };
  });
}

// randomState(): Promise<Record<device, tensor>>: of LibTorch's generators.
Napi::Value RandomState(const Napi::CallbackInfo& info) {
  return Addon::Of(info.Env()).runner.Submit(info.Env(), {}, [](const JobContext&) -> Runner::Settle {
    c10::Dict<std::string, at::Tensor> states;
    for (auto& [device, generator] : script::DefaultGenerators()) {
      const std::lock_guard lock(generator.mutex());
      states.insert(device, generator.get_state());
    }
    return [states](Napi::Env env) { return FromIValue(env, states); };
  });
}

// setRandomState(device, tensor): Promise<void>. A device that is not here is left out.
Napi::Value SetRandomState(const Napi::CallbackInfo& info) {
  const std::string device = ToText(info[0], "device");
  const at::Tensor state = UnwrapTensor(info[1], "state");
  return Addon::Of(info.Env()).runner.Submit(info.Env(), {}, [device, state](const JobContext&) -> Runner::Settle {
    auto generators = script::DefaultGenerators();
    if (const auto found = generators.find(device); found != generators.end()) {
      const std::lock_guard lock(found->second.mutex());
      found->second.set_state(state);
    }
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

}  // namespace

void RegisterCheckpoint(Napi::Env, Napi::Object exports) {
  Export<CheckpointWrite>(exports, "checkpointWrite");
  Export<CheckpointRead>(exports, "checkpointRead");
  Export<RandomState>(exports, "randomState");
  Export<SetRandomState>(exports, "setRandomState");
}

}  // namespace espalier
