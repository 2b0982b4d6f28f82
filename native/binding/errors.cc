#include "binding/errors.h"

#include <c10/util/Exception.h>

#include <new>

#include "binding/addon.h"
#include "script/error.h"

namespace espalier {
namespace {

Failure TorchFailure(const std::string& text) {
  const std::string summary = script::FirstLine(text);
  return Failure("ERR_TORCH", summary, text == summary ? "" : text);
}

}  // namespace

Failure CurrentFailure() {
  try {
    throw;
  } catch (const Failure& failure) {
    return failure;
  } catch (const script::Error& error) {
    return Failure(error.code, error.message, error.detail);
  } catch (const c10::Error& error) {
    return TorchFailure(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return Failure("ERR_TORCH", "out of memory");
  } catch (const std::exception& error) {
    return TorchFailure(error.what());
  } catch (...) {
    return Failure("ERR_TORCH", "unknown native exception");
  }
}

Failure ThrownByCallback(const Napi::Error& error) {
  Failure failure("ERR_TORCH", error.Message());
  Addon& addon = Addon::Of(error.Env());
  failure.thrown = ++addon.thrown_count;
  addon.Thrown(error.Env()).Set(static_cast<uint32_t>(failure.thrown), error.Value());
  return failure;
}

Napi::Error ToError(Napi::Env env, const Failure& failure) {
  Addon& addon = Addon::Of(env);
  if (failure.thrown != 0) {
    Napi::Object thrown = addon.Thrown(env);
    const auto number = static_cast<uint32_t>(failure.thrown);
    const Napi::Value value = thrown.Get(number);
    thrown.Delete(number);
    return Napi::Error(env, value);
  }
  Napi::HandleScope scope(env);
  if (addon.error_class.IsEmpty()) {  // before init()
    return Napi::Error::New(env, failure.code + ": " + failure.message);
  }
  Napi::Object options = Napi::Object::New(env);
  if (!failure.detail.empty()) options.Set("detail", failure.detail);
  if (!failure.hint.empty()) options.Set("hint", failure.hint);
  Napi::Value error =
      addon.error_class.New({Napi::String::New(env, failure.code), Napi::String::New(env, failure.message), options});
  return Napi::Error(env, error);
}

}  // namespace espalier
