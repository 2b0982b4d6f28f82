#include "binding/script.h"

#include <ATen/ops/tensor.h>

#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "archive/program.h"
#include "archive/refusal.h"
#include "binding/addon.h"
#include "binding/entry.h"
#include "binding/module.h"
#include "binding/recording.h"
#include "binding/values.h"
#include "script/error.h"
#include "script/graph/repair.h"
#include "script/record/recording.h"
#include "script/surgery/surgery.h"

namespace espalier {
namespace {

// moduleRecord(module, inputs, {execute, methods} and job options): Promise<{record, handle, forwardOps}>
// `methods`: beside `forward`, [name, number of inputs] each; `inputs` has theirs behind those of `forward`.
Napi::Value ModuleRecord(const Napi::CallbackInfo& info) {
  const NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  const script::Entry entry = ToEntry(native.module(), info[2].As<Napi::Object>().Get("methods"));
  ModuleUse use = native.Use();
  auto inputs = ToInputs(info[1], entry);
  const bool execute = ToFlag(info[2].As<Napi::Object>().Get("execute"), "execute");
  const JobOptions options = JobOptions::From(info[2]);
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), options, [use, entry, inputs, execute](const JobContext& context) -> Runner::Settle {
        auto locked = use.Lock(context);
        auto [record, recording] =
            script::RecordModule(locked.module(), entry, locked.Prepared(), inputs, {execute, context.Check()});
        auto text = std::make_shared<std::string>(script::ToJson(record));
        auto kept = std::make_shared<const script::Recording>(std::move(recording));
        return [text, kept](Napi::Env env) {
          Napi::Object result = Napi::Object::New(env);
          result.Set("record", Napi::String::New(env, *text));
          result.Set("forwardOps", Napi::Number::New(env, static_cast<double>(kept->forward_ops)));
          result.Set("handle", MakeHandle(env, std::make_unique<NativeRecording>(kept)));
          return result;
        };
      });
}

std::vector<int64_t> Integers(Napi::Value value, const char* argument) {
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_int32_array) {
    const Napi::Int32Array array = value.As<Napi::Int32Array>();
    return std::vector<int64_t>(array.Data(), array.Data() + array.ElementLength());
  }
  return ToShape(value, argument);
}

int64_t Count(Napi::Value value, const char* argument) { return ToInteger(value, argument, 0, INT32_MAX); }

script::CutRequest::Place ToPlace(const Napi::Object& edit) {
  script::CutRequest::Place place{Count(edit.Get("node"), "node"), Count(edit.Get("input"), "input"), std::nullopt};
  if (edit.Has("element")) place.element = Count(edit.Get("element"), "element");
  return place;
}

// Whole numbers, or a Float32Array.
at::Tensor Elements(Napi::Value value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    return at::tensor(Integers(value, "data"), at::kLong);
  }
  const Napi::Float32Array array = value.As<Napi::Float32Array>();
  return at::tensor(at::ArrayRef<float>(array.Data(), array.ElementLength()), at::kFloat);
}

c10::IValue ToConstant(Napi::Value value) {
  if (value.IsNull()) return {};
  if (value.IsBoolean()) return value.ToBoolean().Value();
  if (value.IsArray()) return Integers(value, "value");
  if (value.IsObject()) {
    const Napi::Object tensor = value.As<Napi::Object>();
    const auto shape = Integers(tensor.Get("shape"), "shape");
    const at::Tensor flat = Elements(tensor.Get("data"));
    int64_t numel = 1;
    for (const int64_t size : shape) numel *= size;
    if (numel != flat.numel()) throw InvalidArgument("the data of a constant tensor do not fill its shape");
    return flat.reshape(shape);
  }
  if (!value.IsNumber()) throw InvalidArgument("value must be a number, not " + Describe(value));
  const double number = value.As<Napi::Number>().DoubleValue();
  if (number == std::floor(number) && std::abs(number) < 9e15) return static_cast<int64_t>(number);
  return number;
}

// `{node, source, values}`
script::CutRequest::Rewrite ToRewrite(const Napi::Object& edit) {
  script::CutRequest::Rewrite rewrite{Count(edit.Get("node"), "node"), ToText(edit.Get("source"), "source"), {}};
  try {
    archive::CheckProgram(rewrite.source, {});
  } catch (const archive::Refusal& refusal) {
    throw InvalidArgument("source: " + refusal.message);
  }
  const Napi::Value values = edit.Get("values");
  if (values.IsUndefined()) return rewrite;
  if (!values.IsObject()) throw InvalidArgument("values must be an object, not " + Describe(values));
  const Napi::Object named = values.As<Napi::Object>();
  const Napi::Array names = named.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = ToText(names[i], "values");
    rewrite.values.emplace(name, ToConstant(named.Get(name)));
  }
  return rewrite;
}

// The edits in `request[key]`, each read by `read`.
template <class Edit>
std::vector<Edit> ToEdits(const Napi::Object& request, const char* key, Edit (*read)(const Napi::Object&)) {
  const Napi::Value list = request.Get(key);
  if (list.IsUndefined()) return {};
  if (!list.IsArray()) throw InvalidArgument(std::string(key) + " must be an array, not " + Describe(list));
  std::vector<Edit> edits;
  for (uint32_t i = 0; i < list.As<Napi::Array>().Length(); ++i) {
    const Napi::Value edit = list.As<Napi::Array>().Get(i);
    if (!edit.IsObject()) throw InvalidArgument(std::string(key) + " holds " + Describe(edit));
    edits.push_back(read(edit.As<Napi::Object>()));
  }
  return edits;
}

// `{dim, keep}`; the name is for those that have one.
script::CutRequest::Slice ToSlice(const Napi::Object& edit) {
  return {"", Count(edit.Get("dim"), "dim"), Integers(edit.Get("keep"), "keep")};
}

script::CutRequest::Entry ToEntry(const Napi::Object& edit) {
  script::CutRequest::Entry entry;
  entry.node = Count(edit.Get("node"), "node");
  if (edit.Has("element")) {
    entry.element = Count(edit.Get("element"), "element");
    entry.size = Count(edit.Get("size"), "size");
  }
  entry.multiply = Count(edit.Get("multiply"), "multiply");
  entry.divide = ToInteger(edit.Get("divide"), "divide", 1, INT32_MAX);
  return entry;
}

script::CutRequest::Interface ToInterface(const Napi::Object& request) {
  script::CutRequest::Interface result;
  const Napi::Value methods = request.Get("dropMethods"), unreached = request.Get("dropUnreached");
  if (methods.IsArray()) {
    const Napi::Array names = methods.As<Napi::Array>();
    for (uint32_t i = 0; i < names.Length(); ++i) result.drop_methods.insert(ToText(names[i], "dropMethods"));
  } else if (!methods.IsUndefined()) {
    result.drop_any_method = ToFlag(methods, "dropMethods");
  }
  if (!unreached.IsUndefined()) result.drop_unreached = ToFlag(unreached, "dropUnreached");
  return result;
}

script::CutRequest ToRequest(Napi::Value value) {
  using script::CutRequest;
  if (!value.IsObject()) throw InvalidArgument("request must be an object, not " + Describe(value));
  const Napi::Object request = value.As<Napi::Object>();
  return {
      ToEdits<CutRequest::Slice>(request, "slices",
                                 [](const Napi::Object& edit) {
                                   return CutRequest::Slice{ToText(edit.Get("name"), "name"),
                                                            Count(edit.Get("dim"), "dim"),
                                                            Integers(edit.Get("keep"), "keep")};
                                 }),
      ToEdits<CutRequest::Constant>(request, "constants",
                                    [](const Napi::Object& edit) {
                                      return CutRequest::Constant{ToPlace(edit), ToConstant(edit.Get("value"))};
                                    }),
      ToEdits<CutRequest::Scaled>(request, "scaled",
                                  [](const Napi::Object& edit) {
                                    return CutRequest::Scaled{ToPlace(edit), Count(edit.Get("multiply"), "multiply"),
                                                              ToInteger(edit.Get("divide"), "divide", 1, INT32_MAX),
                                                              ToEdits<CutRequest::Entry>(edit, "entries", ToEntry)};
                                  }),
      ToEdits<CutRequest::Tensor>(
          request, "tensors",
          [](const Napi::Object& edit) {
            return CutRequest::Tensor{ToPlace(edit), ToEdits<CutRequest::Slice>(edit, "slices", ToSlice)};
          }),
      ToEdits<CutRequest::Rewrite>(request, "rewrites", ToRewrite),
      ToEdits<CutRequest::Close>(
          request, "closed",
          [](const Napi::Object& edit) {
            return CutRequest::Close{Count(edit.Get("node"), "node"), ToInteger(edit.Get("block"), "block", 0, 1), {}};
          }),
      ToInterface(request),
  };
}

Napi::Array Texts(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (size_t i = 0; i < texts.size(); ++i) array.Set(i, Napi::String::New(env, texts[i]));
  return array;
}

Napi::Object ToReport(Napi::Env env, const script::CutResult& result) {
  Napi::Object methods = Napi::Object::New(env);
  methods.Set("kept", Texts(env, result.kept_methods));
  methods.Set("cut", Texts(env, result.cut_methods));
  methods.Set("dropped", Texts(env, result.dropped_methods));
  Napi::Array unreached = Napi::Array::New(env, result.unreached.size());
  for (size_t i = 0; i < result.unreached.size(); ++i) {
    const auto& each = result.unreached[i];
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", Napi::String::New(env, each.name));
    entry.Set("usedBy", Texts(env, each.used_by));
    entry.Set("dropped", Napi::Boolean::New(env, each.dropped));
    unreached.Set(i, entry);
  }
  Napi::Array closed = Napi::Array::New(env, result.closed.size());
  for (size_t i = 0; i < result.closed.size(); ++i) {
    const auto& each = result.closed[i];
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("method", Napi::String::New(env, each.method));
    entry.Set("reason", Napi::String::New(env, each.reason));
    entry.Set("whole", Napi::Boolean::New(env, each.whole));
    closed.Set(i, entry);
  }
  Napi::Object report = Napi::Object::New(env);
  report.Set("methods", methods);
  report.Set("closed", closed);
  report.Set("unreached", unreached);
  return report;
}

// moduleCut(module, recording, request, job options): Promise<{module, report}>
Napi::Value ModuleCut(const Napi::CallbackInfo& info) {
  const NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  ModuleUse use = native.Use();
  const ExtraFiles extra_files = native.extra_files;
  auto recording = FromHandle<NativeRecording>(info[1], "recording").recording();
  auto request = std::make_shared<const script::CutRequest>(ToRequest(info[2]));
  const JobOptions options = JobOptions::From(info[3]);
  return Addon::Of(info.Env()).runner.Submit(info.Env(), options, [=](const JobContext& context) -> Runner::Settle {
    auto locked = use.Lock(context);
    auto result = script::Cut(locked.module(), *recording, *request, context.Check());
    return [=](Napi::Env env) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("module", WrapModule(env, result.module, extra_files));
      object.Set("report", ToReport(env, result));
      return object;
    };
  });
}

Napi::Value RecordingDispose(const Napi::CallbackInfo& info) {
  DisposeHandle<NativeRecording>(info[0], "recording");
  return info.Env().Undefined();
}

// moduleRepair(module, (scope, operator, training) => boolean): repairs. For a module that was just loaded.
Napi::Value ModuleRepair(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  if (!info[1].IsFunction()) throw InvalidArgument("repair must be a function, not " + Describe(info[1]));
  const Napi::Function wanted = info[1].As<Napi::Function>();
  auto locked = use.LockHere(env);
  const auto modes = script::FindBakedModes(locked.module());
  std::set<size_t> places;
  Napi::Array repairs = Napi::Array::New(env);
  for (size_t i = 0; i < modes.size(); ++i) {
    const auto scope = Napi::String::New(env, modes[i].scope);
    const auto op = Napi::String::New(env, modes[i].op);
    const auto was = Napi::Boolean::New(env, modes[i].training);
    if (!wanted.Call({scope, op, was}).ToBoolean()) continue;
    places.insert(i);
    Napi::Object repair = Napi::Object::New(env);
    repair.Set("scope", scope);
    repair.Set("operator", op);
    repair.Set("was", was);
    repairs.Set(repairs.Length(), repair);
  }
  script::RepairModes(locked.module(), places);
  return repairs;
}

}  // namespace

void RegisterScript(Napi::Env, Napi::Object exports) {
  Export<ModuleRecord>(exports, "moduleRecord");
  Export<ModuleRepair>(exports, "moduleRepair");
  Export<ModuleCut>(exports, "moduleCut");
  Export<RecordingDispose>(exports, "recordingDispose");
}

}  // namespace espalier
