// Runs of a module beside those that its user asks for: the same each time, or with a look at what happens on the way.

#include "script/record/observe.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "binding/addon.h"
#include "binding/entry.h"
#include "binding/module.h"
#include "binding/recording.h"
#include "binding/script.h"
#include "binding/values.h"
#include "script/record/attempt.h"
#include "script/record/timing.h"
#include "script/record/trial.h"

namespace espalier {
namespace {

int64_t Count(const Napi::Object& object, const char* key) { return ToInteger(object.Get(key), key, 0, INT32_MAX); }

// Of other methods than `forward` those of the recording.
std::vector<c10::IValue> InputsOfForward(const Napi::Value& value, const script::Recording& recording) {
  auto inputs = ToInputs(value, script::Entry{recording.entry[0]});
  const auto& own = recording.inputs;
  inputs.insert(inputs.end(), own.begin() + static_cast<ptrdiff_t>(inputs.size()), own.end());
  return inputs;
}

// moduleObserve(module, recording, inputs, [{node, input, dim}], job options): Promise<[{mean, spread} | null]>
Napi::Value ModuleObserve(const Napi::CallbackInfo& info) {
  ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  auto recording = FromHandle<NativeRecording>(info[1], "recording").recording();
  auto inputs = InputsOfForward(info[2], *recording);
  if (!info[3].IsArray()) throw InvalidArgument("places must be an array, not " + Describe(info[3]));
  std::vector<script::Watched> watched;
  for (uint32_t i = 0; i < info[3].As<Napi::Array>().Length(); ++i) {
    const Napi::Value each = info[3].As<Napi::Array>().Get(i);
    if (!each.IsObject()) throw InvalidArgument("places holds " + Describe(each));
    const Napi::Object place = each.As<Napi::Object>();
    watched.push_back({Count(place, "node"), Count(place, "input"), Count(place, "dim")});
  }
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[4]),
                     [use, recording, inputs, watched](const JobContext& context) -> Runner::Settle {
                       auto locked = use.Lock(context);
                       auto moments = script::Observe(locked.module(), *recording, inputs, watched, context.Check());
                       return [moments](Napi::Env env) {
                         Napi::Array array = Napi::Array::New(env, moments.size());
                         for (size_t i = 0; i < moments.size(); ++i) {
                           if (!moments[i].mean.defined()) {
                             array.Set(i, env.Null());
                             continue;
                           }
                           Napi::Object object = Napi::Object::New(env);
                           object.Set("mean", FromIValue(env, moments[i].mean));
                           object.Set("spread", FromIValue(env, moments[i].spread));
                           array.Set(i, object);
                         }
                         return array;
                       };
                     });
}

// moduleCapture(module, recording, inputs, ops, seed, job options): Promise<tensors of each operator>
Napi::Value ModuleCapture(const Napi::CallbackInfo& info) {
  ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  auto recording = FromHandle<NativeRecording>(info[1], "recording").recording();
  auto inputs = ToInputs(info[2], recording->entry);
  const std::vector<int64_t> list = ToShape(info[3], "ops");
  const std::set<int64_t> ops(list.begin(), list.end());
  const auto seed = static_cast<uint64_t>(ToInteger(info[4], "seed", 0, INT32_MAX));
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[5]),
                     [use, recording, inputs, ops, seed](const JobContext& context) -> Runner::Settle {
                       auto locked = use.Lock(context);
                       auto captured = script::Capture(locked.module(), *recording, inputs, ops, seed, context.Check());
                       return [captured](Napi::Env env) {
                         Napi::Array array = Napi::Array::New(env, captured.size());
                         for (size_t i = 0; i < captured.size(); ++i) array.Set(i, FromIValue(env, captured[i]));
                         return array;
                       };
                     });
}

// moduleNodeTimes(module, recording, inputs, rounds, warm-up rounds, job options): Promise<Float64Array[]>
Napi::Value ModuleNodeTimes(const Napi::CallbackInfo& info) {
  ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  auto recording = FromHandle<NativeRecording>(info[1], "recording").recording();
  auto inputs = ToInputs(info[2], recording->entry);
  const int64_t rounds = ToInteger(info[3], "rounds", 1, INT32_MAX);
  const int64_t warm_up = ToInteger(info[4], "warmUp", 0, INT32_MAX);
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[5]),
                     [use, recording, inputs, rounds, warm_up](const JobContext& context) -> Runner::Settle {
                       auto locked = use.Lock(context);
                       auto times =
                           script::TimeNodes(locked.module(), *recording, inputs, rounds, warm_up, context.Check());
                       return [times](Napi::Env env) {
                         Napi::Array array = Napi::Array::New(env, times.size());
                         for (size_t i = 0; i < times.size(); ++i) {
                           Napi::Float64Array own = Napi::Float64Array::New(env, times[i].size());
                           std::copy(times[i].begin(), times[i].end(), own.Data());
                           array.Set(i, own);
                         }
                         return array;
                       };
                     });
}

// moduleCourse(module, recording, inputs, job options): Promise<{turns: [node, condition][], narrowed?} | null>
Napi::Value ModuleCourse(const Napi::CallbackInfo& info) {
  ModuleUse use = FromHandle<NativeModule>(info[0], "module").Use();
  auto recording = FromHandle<NativeRecording>(info[1], "recording").recording();
  auto inputs = ToInputs(info[2], recording->entry);
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[3]),
                     [use, recording, inputs](const JobContext& context) -> Runner::Settle {
                       auto locked = use.Lock(context);
                       auto course = script::CourseOn(locked.module(), *recording, inputs, context.Check());
                       return [course](Napi::Env env) -> Napi::Value {
                         if (!course) return env.Null();
                         Napi::Array turns = Napi::Array::New(env, course->turns.size());
                         for (size_t i = 0; i < course->turns.size(); ++i) {
                           Napi::Array turn = Napi::Array::New(env, 2);
                           turn.Set(0u, Napi::Number::New(env, course->turns[i].first));
                           turn.Set(1u, Napi::Boolean::New(env, course->turns[i].second));
                           turns.Set(i, turn);
                         }
                         Napi::Object result = Napi::Object::New(env);
                         result.Set("turns", turns);
                         if (course->narrowed != nullptr)
                           result.Set("narrowed", Napi::String::New(env, course->narrowed));
                         return result;
                       };
                     });
}

// A module to be run again and again with the same result; made at its first run.
struct NativeTrial {
  static constexpr napi_type_tag kTag = {0x2c8e71d5a0f34b96, 0x9de3407fb2a6581c};
  static constexpr const char* kNoun = "trial";

  ModuleUse use;
  script::Entry entry;
  std::shared_ptr<std::optional<script::Trial>> trial = std::make_shared<std::optional<script::Trial>>();
};

// trialOpen(module, methods): trial; `methods` beside `forward`, as moduleRecord takes them
Napi::Value TrialOpen(const Napi::CallbackInfo& info) {
  const NativeModule& native = FromHandle<NativeModule>(info[0], "module");
  const script::Entry entry = ToEntry(native.module(), info[1]);
  return MakeHandle(info.Env(), std::unique_ptr<NativeTrial>(new NativeTrial{native.Use(), entry}));
}

// trialRun(trial, inputs, seed, job options): Promise<output>
Napi::Value TrialRun(const Napi::CallbackInfo& info) {
  const NativeTrial native = FromHandle<NativeTrial>(info[0], "trial");
  auto inputs = ToInputs(info[1], native.entry);
  const auto seed = static_cast<uint64_t>(ToInteger(info[2], "seed", 0, INT32_MAX));
  return Addon::Of(info.Env())
      .runner.Submit(info.Env(), JobOptions::From(info[3]),
                     [native, inputs, seed](const JobContext& context) -> Runner::Settle {
                       auto locked = native.use.Lock(context);
                       if (!*native.trial) native.trial->emplace(locked.module(), native.entry);
                       c10::IValue output = (*native.trial)->Run(locked.module(), inputs, seed, context.Check());
                       return [output](Napi::Env env) { return FromIValue(env, output); };
                     });
}

Napi::Value TrialDispose(const Napi::CallbackInfo& info) {
  DisposeHandle<NativeTrial>(info[0], "trial");
  return info.Env().Undefined();
}

}  // namespace

void RegisterObserve(Napi::Env, Napi::Object exports) {
  Export<ModuleObserve>(exports, "moduleObserve");
  Export<ModuleCapture>(exports, "moduleCapture");
  Export<ModuleNodeTimes>(exports, "moduleNodeTimes");
  Export<ModuleCourse>(exports, "moduleCourse");
  Export<TrialOpen>(exports, "trialOpen");
  Export<TrialRun>(exports, "trialRun");
  Export<TrialDispose>(exports, "trialDispose");
}

}  // namespace espalier
