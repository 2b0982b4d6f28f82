#pragma once

#include <napi.h>

#include <cstdint>
#include <exception>
#include <string>
#include <utility>

namespace espalier {

// What went wrong, before it is a JavaScript error: it can be made and thrown on any thread. The codes are those of
// lib/errors.ts.
struct Failure : std::exception {
  Failure(std::string code, std::string message, std::string detail = "", std::string hint = "")
      : code(std::move(code)), message(std::move(message)), detail(std::move(detail)), hint(std::move(hint)) {}
  const char* what() const noexcept override { return message.c_str(); }

  std::string code;
  std::string message;
  std::string detail;   // the full text behind the message; empty for none
  std::string hint;     // what to do about it; empty for none
  uint64_t thrown = 0;  // what JavaScript threw, by its number in Addon::thrown; 0 for none
};

// What a callback threw, so that it can go on through native code. JS thread only.
Failure ThrownByCallback(const Napi::Error& error);

inline Failure InvalidArgument(std::string message) { return Failure("ERR_INVALID_ARGUMENT", std::move(message)); }

// The current exception as a Failure. LibTorch's errors become ERR_TORCH with the first line that says something as the
// message and the full text as the detail. Call it in a catch block.
Failure CurrentFailure();

// The EspalierError for a failure, or what the callback threw. JS thread only.
Napi::Error ToError(Napi::Env env, const Failure& failure);

// Every function that JavaScript can call goes through this: no C++ exception may leave it.
using Entry = Napi::Value (*)(const Napi::CallbackInfo&);

template <Entry kEntry>
Napi::Value Guarded(const Napi::CallbackInfo& info) {
  try {
    return kEntry(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw ToError(info.Env(), CurrentFailure());
  }
}

template <Entry kEntry>
void Export(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<Guarded<kEntry>>(exports.Env(), name));
}

}  // namespace espalier
