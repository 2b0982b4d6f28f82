#include <torch/csrc/jit/frontend/error_report.h>

#include <string>
#include <utility>
#include <vector>

#include "archive/program.h"
#include "archive/refusal.h"
#include "binding/addon.h"
#include "binding/module.h"
#include "binding/values.h"

namespace espalier {
namespace {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

std::vector<NamedTensor> ToNamed(Napi::Value value, const char* argument) {
  if (!value.IsArray()) throw InvalidArgument(std::string(argument) + " must be an array, not " + Describe(value));
  const Napi::Array list = value.As<Napi::Array>();
  std::vector<NamedTensor> named;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Array entry = Napi::Value(list[i]).As<Napi::Array>();
    named.push_back({ToText(entry[0u], "name"), UnwrapTensor(entry[1u], argument)});
  }
  return named;
}

struct Owner {
  torch::jit::Module module;
  std::string attribute;
};

// The module that `name` ("layer1.0.weight") is an attribute of; those in between are made.
Owner OwnerOf(const torch::jit::Module& root, const std::string& name) {
  torch::jit::Module at = root;
  size_t start = 0;
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', start)) {
    const std::string part = name.substr(start, dot - start);
    if (part.empty()) throw InvalidArgument("'" + name + "' is no qualified name");
    if (!at.hasattr(part)) {
      const auto unit = at._ivalue()->compilation_unit();
      torch::jit::Module child(c10::QualifiedName("__torch__." + name.substr(0, dot)), unit, true);
      child.register_attribute("training", c10::BoolType::get(), false);
      at.register_module(part, child);
    }
    const c10::IValue child = at.attr(part);
    if (!child.isModule()) throw InvalidArgument("'" + name + "': '" + name.substr(0, dot) + "' is a tensor");
    at = child.toModule();
    start = dot + 1;
  }
  const std::string attribute = name.substr(start);
  if (attribute.empty() || at.hasattr(attribute)) throw InvalidArgument("'" + name + "' is no name, or given twice");
  return {at, attribute};
}

torch::jit::Module Define(const std::string& source, const std::vector<NamedTensor>& parameters,
                          const std::vector<NamedTensor>& buffers) {
  torch::jit::Module module("__torch__.Module");
  module.register_attribute("training", c10::BoolType::get(), false);
  for (const auto& [name, tensor] : parameters) {
    Owner owner = OwnerOf(module, name);
    owner.module.register_parameter(owner.attribute, tensor, false);
  }
  for (const auto& [name, tensor] : buffers) {
    Owner owner = OwnerOf(module, name);
    owner.module.register_buffer(owner.attribute, tensor);
  }
  try {
    archive::CheckDefinitions(archive::ReadDefinitions(source, "__torch__", {}), {});
    module.define(source);
  } catch (const archive::Refusal& refusal) {
    throw Failure("ERR_INVALID_ARGUMENT", "source: " + refusal.message);
  } catch (const torch::jit::ErrorReport& error) {
    throw Failure("ERR_INVALID_ARGUMENT", "source: this is no TorchScript", error.what());
  }
  return module;
}

// moduleDefine(source, [name, tensor][], [name, tensor][]): Promise<module>
Napi::Value ModuleDefine(const Napi::CallbackInfo& info) {
  const std::string source = ToText(info[0], "source");
  const auto parameters = ToNamed(info[1], "parameters");
  const auto buffers = ToNamed(info[2], "buffers");
  return Addon::Of(info.Env()).runner.Submit(info.Env(), {}, [=](const JobContext&) -> Runner::Settle {
    const auto module = Define(source, parameters, buffers);
    return [module](Napi::Env env) { return WrapModule(env, module); };
  });
}

}  // namespace

void RegisterDefine(Napi::Env, Napi::Object exports) { Export<ModuleDefine>(exports, "moduleDefine"); }

}  // namespace espalier
