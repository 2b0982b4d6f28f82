#include "binding/tensor.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstring>

#include "binding/addon.h"
#include "binding/values.h"

namespace espalier {

void StorageLedger::Add(const void* storage, int64_t bytes) {
  Entry& entry = entries_[storage];
  if (entry.handles++ > 0) return;
  entry.bytes = bytes;
  int64_t total = 0;
  napi_adjust_external_memory(env_, bytes, &total);
}

void StorageLedger::Remove(const void* storage) {
  auto it = entries_.find(storage);
  if (--it->second.handles > 0) return;
  int64_t total = 0;
  napi_adjust_external_memory(env_, -it->second.bytes, &total);
  entries_.erase(it);
}

NativeTensor::NativeTensor(at::Tensor value, std::shared_ptr<StorageLedger> ledger)
    : tensor(std::move(value)), ledger_(std::move(ledger)) {
  if (!tensor.has_storage()) return;
  storage_ = tensor.storage().unsafeGetStorageImpl();
  ledger_->Add(storage_, static_cast<int64_t>(tensor.storage().nbytes()));
}

NativeTensor::~NativeTensor() {
  if (storage_ != nullptr) ledger_->Remove(storage_);
}

Napi::Object WrapTensor(Napi::Env env, at::Tensor tensor) {
  return MakeHandle(env, std::make_unique<NativeTensor>(std::move(tensor), Addon::Of(env).ledger));
}

namespace {

c10::ScalarType ElementType(const Napi::TypedArray& array) {
  switch (array.TypedArrayType()) {
    case napi_float32_array:
      return at::kFloat;
    case napi_float64_array:
      return at::kDouble;
    case napi_bigint64_array:
      return at::kLong;
    case napi_int32_array:
      return at::kInt;
    case napi_int16_array:
      return at::kShort;
    case napi_int8_array:
      return at::kChar;
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return at::kByte;
    default:
      throw InvalidArgument("data: no tensor has elements of this typed array's type");
  }
}

// From pinned memory a GPU copies when it comes to it, in the order of its work, and nobody waits. LibTorch keeps such
// memory for the next copy, so that it is used for what comes again and again, such as batches.
constexpr size_t kMostPinned = size_t{1} << 28;

// tensorFrom(data: TypedArray, shape, dtype, device, requiresGrad): copies the data.
Napi::Value TensorFrom(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) throw InvalidArgument("data must be a typed array, not " + Describe(info[0]));
  Napi::TypedArray array = info[0].As<Napi::TypedArray>();
  const std::vector<int64_t> shape = ToShape(info[1], "shape");
  const c10::ScalarType dtype = ToDType(info[2], "dtype");
  const c10::Device device = ToDevice(info[3], "device");
  const bool requires_grad = ToFlag(info[4], "requiresGrad");
  const c10::ScalarType elements = ElementType(array);
  int64_t count = 1;
  for (int64_t size : shape) {
    if (__builtin_mul_overflow(count, size, &count)) throw InvalidArgument("shape has too many elements");
  }
  if (static_cast<size_t>(count) != array.ElementLength()) {
    throw InvalidArgument("data has " + std::to_string(array.ElementLength()) + " elements and shape asks for " +
                          std::to_string(count));
  }
  if (requires_grad && !c10::isFloatingType(dtype)) {
    throw InvalidArgument("requiresGrad: only floating-point tensors have gradients, not " +
                          std::string(DTypeName(dtype)));
  }
  at::NoGradGuard no_grad;
  const bool pinned = device.is_cuda() && at::hasCUDA() && count > 0 && array.ByteLength() <= kMostPinned;
  at::Tensor tensor = at::empty(shape, at::TensorOptions(elements).pinned_memory(pinned));
  if (count > 0) {
    const char* bytes = static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset();
    std::memcpy(tensor.mutable_data_ptr(), bytes, array.ByteLength());
  }
  tensor = tensor.to(device, dtype, /*non_blocking=*/pinned);
  tensor.set_requires_grad(requires_grad);
  return WrapTensor(info.Env(), tensor);
}

template <class Element>
Napi::Value CopyOut(Napi::Env env, const at::Tensor& tensor, napi_typedarray_type type) {
  const size_t count = tensor.numel();
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, count * sizeof(Element));
  if (count > 0) std::memcpy(buffer.Data(), tensor.const_data_ptr(), count * sizeof(Element));
  return Napi::TypedArrayOf<Element>::New(env, count, buffer, 0, type);
}

// tensorData(tensor): a copy of the elements in row-major order.
Napi::Value TensorData(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  at::NoGradGuard no_grad;
  at::Tensor tensor = UnwrapTensor(info[0], "tensor").detach().cpu().resolve_conj().resolve_neg();
  if (tensor.scalar_type() == at::kHalf || tensor.scalar_type() == at::kBFloat16) tensor = tensor.to(at::kFloat);
  tensor = tensor.contiguous();
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return CopyOut<float>(env, tensor, napi_float32_array);
    case at::kDouble:
      return CopyOut<double>(env, tensor, napi_float64_array);
    case at::kLong:
      return CopyOut<int64_t>(env, tensor, napi_bigint64_array);
    case at::kInt:
      return CopyOut<int32_t>(env, tensor, napi_int32_array);
    case at::kShort:
      return CopyOut<int16_t>(env, tensor, napi_int16_array);
    case at::kChar:
      return CopyOut<int8_t>(env, tensor, napi_int8_array);
    case at::kByte:
    case at::kBool:
      return CopyOut<uint8_t>(env, tensor, napi_uint8_array);
    default:
      throw Failure("ERR_UNSUPPORTED", std::string("there is no typed array for a tensor of dtype ") +
                                           c10::toString(tensor.scalar_type()));
  }
}

Napi::Value TensorItem(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = UnwrapTensor(info[0], "tensor");
  if (tensor.numel() != 1) {
    throw InvalidArgument("item() needs a tensor of one element, not of " + std::to_string(tensor.numel()));
  }
  const at::Scalar scalar = tensor.item();
  if (scalar.isComplex()) throw Failure("ERR_UNSUPPORTED", "item() of a complex tensor");
  return Napi::Number::New(info.Env(), scalar.toDouble());
}

Napi::Value TensorShape(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = UnwrapTensor(info[0], "tensor");
  Napi::Array shape = Napi::Array::New(info.Env(), tensor.dim());
  for (int64_t i = 0; i < tensor.dim(); i++) shape.Set(i, Napi::Number::New(info.Env(), tensor.size(i)));
  return shape;
}

Napi::Value TensorDType(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), DTypeName(UnwrapTensor(info[0], "tensor").scalar_type()));
}

Napi::Value TensorDevice(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), UnwrapTensor(info[0], "tensor").device().str());
}

Napi::Value TensorRequiresGrad(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), UnwrapTensor(info[0], "tensor").requires_grad());
}

Napi::Value TensorSetRequiresGrad(const Napi::CallbackInfo& info) {
  at::Tensor tensor = UnwrapTensor(info[0], "tensor");
  const bool on = ToFlag(info[1], "requiresGrad");
  if (on && !c10::isFloatingType(tensor.scalar_type())) {
    throw InvalidArgument("requiresGrad: only floating-point tensors have gradients, not " +
                          std::string(DTypeName(tensor.scalar_type())));
  }
  if (!tensor.is_leaf()) {
    throw InvalidArgument("requiresGrad can only be set on a leaf; this tensor is the result of an operation");
  }
  tensor.set_requires_grad(on);
  return info.Env().Undefined();
}

// tensorGrad(tensor): a handle of the gradient, or null.
Napi::Value TensorGrad(const Napi::CallbackInfo& info) {
  const at::Tensor tensor = UnwrapTensor(info[0], "tensor");
  if (!tensor.is_leaf()) return info.Env().Null();
  const at::Tensor grad = tensor.grad();
  if (!grad.defined()) return info.Env().Null();
  return WrapTensor(info.Env(), grad);
}

Napi::Value TensorSetGrad(const Napi::CallbackInfo& info) {
  at::Tensor tensor = UnwrapTensor(info[0], "tensor");
  at::Tensor grad;
  if (!info[1].IsNull()) {
    grad = UnwrapTensor(info[1], "grad");
    if (grad.sizes() != tensor.sizes() || grad.scalar_type() != tensor.scalar_type() ||
        grad.device() != tensor.device()) {
      throw InvalidArgument("grad must have the tensor's shape, dtype and device");
    }
    if (grad.is_same(tensor)) throw InvalidArgument("grad can't be the tensor itself");
  }
  tensor.mutable_grad() = grad;
  return info.Env().Undefined();
}

Napi::Value TensorSame(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), UnwrapTensor(info[0], "tensor").is_same(UnwrapTensor(info[1], "other")));
}

Napi::Value TensorDispose(const Napi::CallbackInfo& info) {
  DisposeHandle<NativeTensor>(info[0], "tensor");
  return info.Env().Undefined();
}

struct Backward {
  explicit Backward(const Napi::CallbackInfo& info) : root(UnwrapTensor(info[0], "tensor")) {
    if (!info[1].IsNull()) {
      gradient = UnwrapTensor(info[1], "gradient");
      if (gradient.sizes() != root.sizes()) throw InvalidArgument("gradient must have the tensor's shape");
    } else if (root.numel() != 1) {
      throw InvalidArgument("backward() of a tensor of " + std::to_string(root.numel()) +
                            " elements needs a gradient of its shape");
    }
    if (!root.requires_grad()) {
      throw InvalidArgument("backward() needs a tensor that requires grad or was computed from one that does");
    }
    retain_graph = ToFlag(info[2], "retainGraph");
  }
  void Run() const { root.backward(gradient, retain_graph); }

  at::Tensor root;
  at::Tensor gradient;
  bool retain_graph;
};

// tensorBackward(tensor, gradient | null, retainGraph, job options)
Napi::Value TensorBackward(const Napi::CallbackInfo& info) {
  Backward backward(info);
  JobOptions options = JobOptions::From(info[3]);
  return Addon::Of(info.Env()).runner.Submit(info.Env(), options, [backward](const JobContext&) -> Runner::Settle {
    backward.Run();
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

Napi::Value TensorBackwardSync(const Napi::CallbackInfo& info) {
  const Backward backward(info);
  const Runner::Blocking blocking(Addon::Of(info.Env()).runner, info.Env());
  backward.Run();
  return info.Env().Undefined();
}

}  // namespace

void RegisterTensor(Napi::Env, Napi::Object exports) {
  Export<TensorFrom>(exports, "tensorFrom");
  Export<TensorData>(exports, "tensorData");
  Export<TensorItem>(exports, "tensorItem");
  Export<TensorShape>(exports, "tensorShape");
  Export<TensorDType>(exports, "tensorDType");
  Export<TensorDevice>(exports, "tensorDevice");
  Export<TensorRequiresGrad>(exports, "tensorRequiresGrad");
  Export<TensorSetRequiresGrad>(exports, "tensorSetRequiresGrad");
  Export<TensorGrad>(exports, "tensorGrad");
  Export<TensorSetGrad>(exports, "tensorSetGrad");
  Export<TensorSame>(exports, "tensorSame");
  Export<TensorDispose>(exports, "tensorDispose");
  Export<TensorBackward>(exports, "tensorBackward");
  Export<TensorBackwardSync>(exports, "tensorBackwardSync");
}

}  // namespace espalier
