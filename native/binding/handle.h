#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "binding/errors.h"

namespace espalier {

// A native object in JavaScript's hands is a bare object that wraps a T and carries the type tag of T, so that a wrong
// handle is an error and never a wrong pointer. The classes with methods and policy are in lib/torch.
//
// A T says what it is:
//   static constexpr napi_type_tag kTag = {..., ...};   any 128 random bits
//   static constexpr const char* kNoun = "tensor";      for messages
//   bool Disposed() const;
template <class T>
Napi::Object MakeHandle(Napi::Env env, std::unique_ptr<T> object) {
  Napi::Object handle = Napi::Object::New(env);
  const napi_finalize finalize = [](napi_env, void* data, void*) { delete static_cast<T*>(data); };
  if (napi_wrap(env, handle, object.get(), finalize, nullptr, nullptr) != napi_ok) throw Napi::Error::New(env);
  object.release();
  if (napi_type_tag_object(env, handle, &T::kTag) != napi_ok) throw Napi::Error::New(env);
  return handle;
}

template <class T>
bool IsHandle(Napi::Value value) {
  bool tagged = false;
  return value.IsObject() && napi_check_object_type_tag(value.Env(), value, &T::kTag, &tagged) == napi_ok && tagged;
}

// The object behind a handle, disposed or not. `argument` names the argument in the error.
template <class T>
T& AnyFromHandle(Napi::Value value, const char* argument) {
  if (!IsHandle<T>(value)) {
    throw InvalidArgument(std::string(argument) + " must be a " + T::kNoun);
  }
  void* data = nullptr;
  if (napi_unwrap(value.Env(), value, &data) != napi_ok) throw Napi::Error::New(value.Env());
  return *static_cast<T*>(data);
}

// The object behind a handle. Throws ERR_DISPOSED after dispose.
template <class T>
T& FromHandle(Napi::Value value, const char* argument) {
  T& object = AnyFromHandle<T>(value, argument);
  if (object.Disposed()) {
    throw Failure("ERR_DISPOSED", std::string(argument) + ": this " + T::kNoun + " was used after dispose()");
  }
  return object;
}

}  // namespace espalier
