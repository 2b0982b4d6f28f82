// A device that is not the CPU, in the CPU's memory: `mtia:0`, which LibTorch knows by name and brings no operators for. What
// a GPU refuses it refuses, too: an operator whose tensors are on several devices, and all that comes after a read beyond a
// table. The CPU's operators compute everything.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/Functions.h>
#include <ATen/detail/MTIAHooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <node_api.h>
#include <torch/library.h>

#include <string>
#include <tuple>
#include <vector>

namespace at::native {
Tensor as_strided_tensorimpl(const Tensor&, IntArrayRef, IntArrayRef, std::optional<int64_t>);
Tensor view(const Tensor&, IntArrayRef);
Tensor _reshape_alias(const Tensor&, IntArrayRef, IntArrayRef);
const Tensor& resize_(const Tensor&, IntArrayRef, std::optional<MemoryFormat>);
Tensor& set_storage_cpu_(Tensor&, Storage, int64_t, IntArrayRef, IntArrayRef);
Tensor unfold(const Tensor&, int64_t, int64_t, int64_t);
}  // namespace at::native

namespace at {
const c10::Device kThere(c10::DeviceType::MTIA, 0);

// Autograd asks for it by this name.
struct MTIAHooks final : MTIAHooksInterface {
  void init() const override {}
  bool hasMTIA() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  const Generator& getDefaultGenerator(DeviceIndex) const override { return detail::getDefaultCPUGenerator(); }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  c10::Stream getCurrentStream(DeviceIndex) const override { return c10::Stream(c10::Stream::DEFAULT, kThere); }
  c10::Stream getDefaultStream(DeviceIndex) const override { return c10::Stream(c10::Stream::DEFAULT, kThere); }
};

C10_REGISTER_CLASS(MTIAHooksRegistry, MTIAHooks, MTIAHooks);
}  // namespace at

namespace {

using at::Tensor;

const c10::Device kDevice = at::kThere;
const c10::DispatchKeySet kKeys(c10::DispatchKey::MTIA);

// A GPU ends all work of a process when it reads beyond a table.
bool dead = false;

void CheckAlive() { TORCH_CHECK(!dead, "device-side assert triggered"); }

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    CheckAlive();
    c10::DataPtr made = c10::GetCPUAllocator()->allocate(bytes);
    made.unsafe_set_device(kDevice);
    return made;
  }
  c10::DeleterFnPtr raw_deleter() const override { return c10::GetCPUAllocator()->raw_deleter(); }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};
Memory memory;

Tensor Empty(at::IntArrayRef sizes, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
             std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, &memory, kKeys, c10::dtype_or_default(dtype), format);
}

Tensor EmptyStrided(at::IntArrayRef sizes, at::IntArrayRef strides, std::optional<at::ScalarType> dtype,
                    std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(sizes, strides, &memory, kKeys, c10::dtype_or_default(dtype));
}

// The same memory as a tensor of the CPU.
Tensor OnCpu(const Tensor& tensor) {
  if (!tensor.defined() || tensor.device() != kDevice) return tensor;
  const auto options = tensor.options().device(at::kCPU);
  Tensor shared = at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), options);
  if (tensor.is_leaf() && tensor.grad().defined()) shared.mutable_grad() = OnCpu(tensor.grad());
  return shared;
}

Tensor Here(const Tensor& tensor) { return tensor.defined() ? tensor.to(kDevice) : tensor; }

Tensor CopyFrom(const Tensor& from, const Tensor& to, bool) {
  CheckAlive();
  OnCpu(to).copy_(OnCpu(from));
  return to;
}

Tensor CopyFromAndResize(const Tensor& from, const Tensor& to) {
  at::native::resize_(to, from.sizes(), std::nullopt);
  return CopyFrom(from, to, false);
}

at::Scalar LocalScalar(const Tensor& tensor) {
  CheckAlive();
  return OnCpu(tensor).item();
}

Tensor Convolution(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias, at::IntArrayRef stride,
                   at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef output_padding,
                   int64_t groups) {
  return Here(at::convolution(OnCpu(input), OnCpu(weight), bias ? std::optional(OnCpu(*bias)) : std::nullopt, stride,
                              padding, dilation, transposed, output_padding, groups));
}

std::tuple<Tensor, Tensor, Tensor> ConvolutionBackward(const Tensor& gradient, const Tensor& input,
                                                       const Tensor& weight, at::IntArrayRef stride,
                                                       at::IntArrayRef padding, at::IntArrayRef dilation,
                                                       bool transposed, at::IntArrayRef output_padding, int64_t groups,
                                                       std::array<bool, 3> mask) {
  const int64_t channels = gradient.size(1);
  const auto [a, b, c] =
      at::convolution_backward(OnCpu(gradient), OnCpu(input), OnCpu(weight), at::OptionalIntArrayRef({channels}),
                               stride, padding, dilation, transposed, output_padding, groups, mask);
  return {Here(a), Here(b), Here(c)};
}

void Note(const c10::IValue& value, bool& here, bool& elsewhere) {
  if (value.isTensor() && value.toTensor().defined()) {
    const Tensor& tensor = value.toTensor();
    // A number may be on the CPU.
    if (tensor.device() == kDevice) here = true;
    else if (tensor.dim() > 0) elsewhere = true;
  } else if (value.isList()) {
    for (const c10::IValue& each : value.toListRef()) Note(each, here, elsewhere);
  }
}

template <class Element>
c10::List<Element> Shared(const c10::IValue& list) {
  c10::List<Element> shared;
  for (const c10::IValue& each : list.toListRef()) {
    shared.push_back(each.isTensor() ? Element(OnCpu(each.toTensor())) : Element());
  }
  return shared;
}

void Fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const std::string name = op.schema().name();
  CheckAlive();
  const bool reads_by_index =
      name == "aten::index" || name == "aten::embedding" || name == "aten::index_select" || name == "aten::gather";
  bool here = false, elsewhere = false;
  const size_t count = op.schema().arguments().size(), first = stack->size() - count;
  for (size_t k = first; k < stack->size(); k++) Note((*stack)[k], here, elsewhere);
  // The second writes to its statistics, which its schema does not say.
  const bool own = name.rfind("espalier::", 0) == 0 || name == "aten::native_batch_norm";
  // Indices may be on the CPU, and layouts of the penalty are.
  const bool may = name.rfind("aten::index", 0) == 0 && name.find("index_") == std::string::npos;
  TORCH_CHECK(!(here && elsewhere) || may || own,
              "Expected all tensors to be on the same device, but found at least two devices, ", kDevice,
              " and cpu! (", name, ")");
  // LibTorch does not bring back what is written to in a list, and does not move lists with gaps: these share memory.
  for (size_t k = 0; k < count; k++) {
    c10::IValue& value = (*stack)[first + k];
    const std::string type = op.schema().arguments()[k].type()->str();
    if (type == "Tensor?[]") value = Shared<std::optional<Tensor>>(value);
    if (type == "Tensor[]" && own) value = Shared<Tensor>(value);
    if (own && value.isTensor()) value = OnCpu(value.toTensor());
  }
  if (!own) {
    try {
      return at::native::cpu_fallback(op, stack);
    } catch (const std::exception&) {
      dead = reads_by_index;
      throw;
    }
  }
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  // The first of the plan is the layout, which stays on the host.
  const bool plan = name == "espalier::reg_plan";
  for (size_t k = plan ? 1 : 0; k < stack->size() - first; k++) {
    c10::IValue& value = (*stack)[first + k];
    if (value.isTensor()) value = Here(value.toTensor());
  }
}

// Nothing is asynchronous: its streams and events are nothing.
struct Guard : c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::MTIA> {
  c10::Device getDevice() const override { return kDevice; }
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, c10::DeviceIndex) const noexcept override {}
  void synchronizeEvent(void*) const override {}
};

C10_REGISTER_GUARD_IMPL(MTIA, Guard);

TORCH_LIBRARY_IMPL(_, MTIA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&Fallback>());
}

TORCH_LIBRARY_IMPL(aten, MTIA, library) {
  library.impl("empty.memory_format", Empty);
  library.impl("empty_strided", EmptyStrided);
  library.impl("as_strided", at::native::as_strided_tensorimpl);
  library.impl("view", at::native::view);
  library.impl("unfold", at::native::unfold);
  library.impl("set_.source_Storage_storage_offset", at::native::set_storage_cpu_);
  library.impl("_reshape_alias", at::native::_reshape_alias);
  library.impl("_copy_from", CopyFrom);
  library.impl("_copy_from_and_resize", CopyFromAndResize);
  library.impl("resize_", at::native::resize_);
  library.impl("_local_scalar_dense", LocalScalar);
  library.impl("convolution_overrideable", Convolution);
  library.impl("convolution_backward_overrideable", ConvolutionBackward);
}

}  // namespace

// Node loads it as an addon, which it is not.
NAPI_MODULE_INIT() { return exports; }
