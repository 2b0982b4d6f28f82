#include "binding/entry.h"

#include <cstdint>
#include <string>
#include <utility>

#include "binding/errors.h"
#include "binding/values.h"

namespace espalier {

script::Entry ToEntry(const torch::jit::Module& module, const Napi::Value& methods) {
  if (!methods.IsArray()) throw InvalidArgument("methods must be an array, not " + Describe(methods));
  std::vector<std::pair<std::string, size_t>> others;
  for (uint32_t i = 0; i < methods.As<Napi::Array>().Length(); ++i) {
    const Napi::Value each = methods.As<Napi::Array>().Get(i);
    if (!each.IsArray()) throw InvalidArgument("methods holds " + Describe(each));
    const Napi::Array pair = each.As<Napi::Array>();
    others.emplace_back(ToText(pair[0u], "methods"), ToInteger(pair[1u], "methods", 0, INT32_MAX));
  }
  return script::EntryOf(module, others);
}

std::vector<c10::IValue> ToInputs(const Napi::Value& inputs, const script::Entry& entry) {
  if (!inputs.IsArray()) throw InvalidArgument("inputs must be an array, not " + Describe(inputs));
  const Napi::Array list = inputs.As<Napi::Array>();
  size_t others = 0;
  for (const script::EntryCall& call : entry) others += call.given;
  if (list.Length() < others) throw InvalidArgument("there are fewer inputs than the methods are given");
  std::vector<c10::IValue> all;
  uint32_t next = 0;
  for (const script::EntryCall& call : entry) {
    const size_t given = &call == &entry.front() ? list.Length() - others : call.given;
    Napi::Array own = Napi::Array::New(inputs.Env(), given);
    for (uint32_t i = 0; i < given; ++i) own.Set(i, list.Get(next++));
    for (c10::IValue& value : ToInputs(own, call.schema)) all.push_back(std::move(value));
  }
  return all;
}

}  // namespace espalier
