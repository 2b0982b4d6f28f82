#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>

#include "binding/handle.h"

namespace espalier {

// Tells the garbage collector how much memory the handles hold outside of its heap: each storage once, however many
// tensors share it. JS thread only.
class StorageLedger {
 public:
  explicit StorageLedger(napi_env env) : env_(env) {}
  void Add(const void* storage, int64_t bytes);
  void Remove(const void* storage);

 private:
  struct Entry {
    int64_t handles = 0;
    int64_t bytes = 0;
  };
  napi_env env_;
  std::unordered_map<const void*, Entry> entries_;
};

// A handle's tensor. Copying `tensor` out of it keeps the memory alive after dispose.
class NativeTensor {
 public:
  static constexpr napi_type_tag kTag = {0x3a2c8f5e71d94b06, 0x9d7e1f604bb25ac8};
  static constexpr const char* kNoun = "tensor";

  NativeTensor(at::Tensor value, std::shared_ptr<StorageLedger> ledger);
  ~NativeTensor();

  const at::Tensor tensor;

 private:
  std::shared_ptr<StorageLedger> ledger_;
  const void* storage_ = nullptr;
};

// A new handle for a defined tensor. JS thread only.
Napi::Object WrapTensor(Napi::Env env, at::Tensor tensor);

// The tensor behind a handle. `argument` names the argument in the error. Throws ERR_INVALID_ARGUMENT, ERR_DISPOSED.
inline at::Tensor UnwrapTensor(Napi::Value value, const char* argument) {
  return FromHandle<NativeTensor>(value, argument).tensor;
}

void RegisterTensor(Napi::Env env, Napi::Object exports);

}  // namespace espalier
