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
template <class T>
Napi::Object MakeHandle(Napi::Env env, std::unique_ptr<T> object) {
  Napi::Object handle = Napi::Object::New(env);
  const napi_finalize finalize = [](napi_env, void* data, void*) { delete static_cast<T*>(data); };
  if (napi_wrap(env, handle, object.get(), finalize, nullptr, nullptr) != napi_ok) throw Napi::Error::New(env);
  object.release();
  if (napi_type_tag_object(env, handle, &T::kTag) != napi_ok) throw Napi::Error::New(env);
  return handle;
}

// Whether a value is a handle of a T, disposed or not.
template <class T>
bool IsHandle(Napi::Value value) {
  bool tagged = false;
  return value.IsObject() && napi_check_object_type_tag(value.Env(), value, &T::kTag, &tagged) == napi_ok && tagged;
}

template <class T>
void RequireHandle(Napi::Value value, const char* argument) {
  if (!IsHandle<T>(value)) throw InvalidArgument(std::string(argument) + " must be a " + T::kNoun);
}

// The object behind a handle. `argument` names the argument in errors. Throws ERR_DISPOSED after DisposeHandle.
template <class T>
T& FromHandle(Napi::Value value, const char* argument) {
  RequireHandle<T>(value, argument);
  void* data = nullptr;
  if (napi_unwrap(value.Env(), value, &data) != napi_ok) {
    throw Failure("ERR_DISPOSED", std::string(argument) + ": this " + T::kNoun + " was used after dispose()");
  }
  return *static_cast<T*>(data);
}

// Destroys the object behind a handle; does nothing the second time. The wrap goes with it: left to the garbage
// collector, such small blocks between the large ones of tensors keep malloc from joining what is free (300 tensors of
// 10 MB, disposed of one by one, then take 3 GB).
template <class T>
void DisposeHandle(Napi::Value value, const char* argument) {
  RequireHandle<T>(value, argument);
  void* data = nullptr;
  if (napi_remove_wrap(value.Env(), value, &data) == napi_ok) delete static_cast<T*>(data);
}

}  // namespace espalier
