// Shapes of operators that LibTorch itself can't run on tensors without memory: PyTorch keeps these in Python.

#include "script/record/shape_kernels.h"

#include <ATen/ExpandUtils.h>
#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace espalier::script {

using c10::IValue;

namespace {

using Sizes = std::vector<int64_t>;
using Tensors = std::vector<at::Tensor>;

// The arguments of an operator by name.
class Call {
 public:
  Call(const c10::FunctionSchema& schema, at::ArrayRef<IValue> args) : schema_(schema), args_(args) {}

  const IValue& at(const char* name) const {
    const auto index = schema_.argumentIndexWithName(name);
    TORCH_CHECK(index.has_value(), schema_.name(), " has no argument ", name);
    return args_[*index];
  }
  bool has(const char* name) const {
    const auto index = schema_.argumentIndexWithName(name);
    return index.has_value() && !args_[*index].isNone();
  }
  const at::Tensor& tensor(const char* name) const { return at(name).toTensor(); }
  Sizes ints(const char* name) const { return has(name) ? at(name).toIntVector() : Sizes{}; }
  const at::Tensor& first() const { return args_[0].toTensor(); }

 private:
  const c10::FunctionSchema& schema_;
  at::ArrayRef<IValue> args_;
};

at::Tensor Empty(const at::Tensor& like, at::IntArrayRef sizes) { return at::empty(sizes, like.options()); }
at::Tensor Bool(const at::Tensor& like, at::IntArrayRef sizes) {
  return at::empty(sizes, like.options().dtype(at::kBool));
}

int64_t Of(const Sizes& values, size_t d) { return values.at(values.size() == 1 ? 0 : d); }

// What the real kernels refuse must be refused here: these run first.
void NeedDims(const at::Tensor& tensor, size_t dims) {
  TORCH_CHECK(tensor.dim() >= static_cast<int64_t>(dims), "an input of shape ", tensor.sizes(), " where ", dims,
              " dimensions are needed");
}

Tensors LikeFirst(const Call& call) { return {at::empty_like(call.first())}; }
Tensors TwiceLikeFirst(const Call& call) { return {at::empty_like(call.first()), at::empty_like(call.first())}; }
Tensors LikeFirstBool(const Call& call) { return {Bool(call.first(), call.first().sizes())}; }

Sizes Broadcast(const Call& call) { return at::infer_size(call.tensor("self").sizes(), call.tensor("other").sizes()); }
Tensors BroadcastBool(const Call& call) { return {Bool(call.first(), Broadcast(call))}; }
Tensors BroadcastPromoted(const Call& call) {
  const auto type = at::result_type(call.tensor("self"), call.tensor("other"));
  return {at::empty(Broadcast(call), call.first().options().dtype(type))};
}
Tensors Where(const Call& call) {
  const auto type = at::result_type(call.tensor("self"), call.tensor("other"));
  const Sizes sizes = at::infer_size(call.tensor("condition").sizes(), Broadcast(call));
  return {at::empty(sizes, call.tensor("self").options().dtype(type))};
}

Tensors Convolution(const Call& call) {
  const at::Tensor &input = call.tensor("input"), &weight = call.tensor("weight");
  const bool transposed = call.at("transposed").toBool();
  const int64_t groups = call.at("groups").toInt();
  const Sizes stride = call.ints("stride"), padding = call.ints("padding"), dilation = call.ints("dilation");
  const Sizes extra = call.ints("output_padding");
  const int64_t read = transposed ? weight.size(0) : weight.size(1) * groups;
  TORCH_CHECK(input.dim() == weight.dim() && input.size(1) == read, "a convolution of ", read,
              " channels got an input of shape ", input.sizes());
  for (const int64_t step : stride) TORCH_CHECK(step > 0, "a convolution with a stride of ", step);
  Sizes sizes = {input.size(0), transposed ? weight.size(1) * groups : weight.size(0)};
  for (int64_t d = 2; d < input.dim(); ++d) {
    const size_t k = d - 2;
    const int64_t window = Of(dilation, k) * (weight.size(d) - 1) + 1;
    const int64_t room = input.size(d) + 2 * Of(padding, k) - window;
    sizes.push_back(transposed ? (input.size(d) - 1) * Of(stride, k) - 2 * Of(padding, k) + window + Of(extra, k)
                               : room / Of(stride, k) + 1);
    TORCH_CHECK(transposed || room >= 0, "the window of a convolution does not fit an input of shape ", input.sizes());
  }
  return {at::empty(sizes, input.options(), input.suggest_memory_format())};
}

Tensors BatchNorm(const Call& call) {
  const at::Tensor& x = call.first();
  const bool training = !call.has("training") || call.at("training").toBool();
  const Sizes saved = {training ? x.size(1) : 0};
  return {at::empty_like(x), Empty(x, saved), Empty(x, saved)};
}
Tensors LayerNorm(const Call& call) {
  const at::Tensor& x = call.first();
  Sizes outer = x.sizes().vec();
  const Sizes normalized = call.ints("normalized_shape");
  const size_t rank = normalized.size();
  NeedDims(x, rank);
  TORCH_CHECK(std::equal(normalized.begin(), normalized.end(), outer.end() - static_cast<int64_t>(rank)),
              "a layer norm over ", normalized, " got an input of shape ", x.sizes());
  std::fill(outer.end() - static_cast<int64_t>(rank), outer.end(), 1);
  return {at::empty_like(x).contiguous(), Empty(x, outer), Empty(x, outer)};
}
Tensors GroupNorm(const Call& call) {
  const at::Tensor& x = call.first();
  const Sizes saved = {call.at("N").toInt(), call.at("group").toInt()};
  return {at::empty_like(x), Empty(x, saved), Empty(x, saved)};
}

Tensors AdaptivePool(const Call& call) {
  const Sizes pixels = call.ints("output_size");
  NeedDims(call.first(), pixels.size());
  Sizes sizes = call.first().sizes().vec();
  std::copy(pixels.begin(), pixels.end(), sizes.end() - static_cast<int64_t>(pixels.size()));
  return {at::empty(sizes, call.first().options(), call.first().suggest_memory_format())};
}

Tensors WeightNorm(const Call& call) { return {at::empty_like(call.tensor("v")), at::empty_like(call.tensor("g"))}; }

Sizes Reduced(const Call& call) {
  Sizes sizes = call.first().sizes().vec();
  std::vector<bool> gone(sizes.size(), call.ints("dim").empty());
  for (const int64_t dim : call.ints("dim")) gone[at::maybe_wrap_dim(dim, static_cast<int64_t>(sizes.size()))] = true;
  const bool keep = call.has("keepdim") && call.at("keepdim").toBool();
  Sizes result;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (!gone[d] || keep) result.push_back(gone[d] ? 1 : sizes[d]);
  }
  return result;
}
Tensors Reduction(const Call& call) { return {Empty(call.first(), Reduced(call))}; }
Tensors TwoReductions(const Call& call) {
  return {Empty(call.first(), Reduced(call)), Empty(call.first(), Reduced(call))};
}
Tensors Single(const Call& call) { return {Empty(call.first(), {})}; }

Tensors IndexSelect(const Call& call) {
  const at::Tensor& x = call.first();
  Sizes sizes = x.sizes().vec();
  if (!sizes.empty()) sizes[at::maybe_wrap_dim(call.at("dim").toInt(), x.dim())] = call.tensor("index").numel();
  return {Empty(x, sizes)};
}

// Rounded numbers, and which of them were not clamped.
Tensors FakeQuantize(const Call& call) {
  const at::Tensor& x = call.first();
  TORCH_CHECK(call.at("quant_min").toInt() <= call.at("quant_max").toInt(), "quant_min is above quant_max");
  return {at::empty_like(x), at::empty_like(x, x.options().dtype(at::kBool))};
}
Tensors FakeQuantizeChannels(const Call& call) {
  const at::Tensor &x = call.first(), &scale = call.tensor("scale");
  const int64_t axis = call.at("axis").toInt();
  TORCH_CHECK(axis >= 0 && axis < x.dim() && scale.dim() == 1 && scale.numel() == x.size(axis) &&
                  call.tensor("zero_point").sizes() == scale.sizes(),
              "an input of shape ", x.sizes(), " is quantized along dimension ", axis, " with scales of shape ",
              scale.sizes());
  return FakeQuantize(call);
}

// Channels to pixels (`up`) or back.
template <bool up>
Tensors PixelShuffle(const Call& call) {
  const int64_t r = call.at(up ? "upscale_factor" : "downscale_factor").toInt();
  Sizes sizes = call.first().sizes().vec();
  NeedDims(call.first(), 3);
  TORCH_CHECK(r > 0, "pixels are shuffled by a factor above 0, not ", r);
  const auto scale = [r](int64_t& size, int64_t factor, bool grow) {
    TORCH_CHECK(grow || size % factor == 0, "a size of ", size, " does not divide by ", r);
    size = grow ? size * factor : size / factor;
  };
  scale(sizes[sizes.size() - 3], r * r, !up);
  scale(sizes[sizes.size() - 2], r, up);
  scale(sizes[sizes.size() - 1], r, up);
  return {Empty(call.first(), sizes)};
}

Tensors ReflectionPad(const Call& call) {
  const Sizes pad = call.ints("padding");
  NeedDims(call.first(), pad.size() / 2);
  Sizes sizes = call.first().sizes().vec();
  for (size_t k = 0; k < pad.size() / 2; ++k) sizes[sizes.size() - 1 - k] += pad[2 * k] + pad[2 * k + 1];
  return {Empty(call.first(), sizes)};
}

struct Kernel {
  const char* names;
  Tensors (*make)(const Call&);
};

constexpr Kernel kKernels[] = {
    {"relu hardswish hardswish.out hardtanh hardtanh.out flip roll channel_shuffle native_channel_shuffle logit "
     "logit.out _prelu_kernel abs.out nan_to_num.out remainder.Scalar_Tensor",
     LikeFirst},
    {"log_sigmoid_forward native_dropout", TwiceLikeFirst},
    {"isnan logical_not.out", LikeFirstBool},
    {"logical_and.out logical_or.out logical_xor.out", BroadcastBool},
    {"floor_divide floor_divide.out rsub.Tensor", BroadcastPromoted},
    {"where.self where.self_out", Where},
    {"convolution_overrideable", Convolution},
    {"native_batch_norm _native_batch_norm_legit _native_batch_norm_legit.no_stats", BatchNorm},
    {"native_layer_norm", LayerNorm},
    {"native_group_norm", GroupNorm},
    {"_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool2d.out adaptive_avg_pool3d.out", AdaptivePool},
    {"var.correction var.correction_out std.correction std.correction_out nansum nansum.out", Reduction},
    {"var_mean.correction std_mean.correction", TwoReductions},
    {"max min prod dot vdot trace", Single},
    {"_weight_norm_interface", WeightNorm},
    {"index_select index_select.out", IndexSelect},
    {"fake_quantize_per_tensor_affine_cachemask _fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
     FakeQuantize},
    {"fake_quantize_per_channel_affine_cachemask", FakeQuantizeChannels},
    {"pixel_shuffle", PixelShuffle<true>},
    {"pixel_unshuffle", PixelShuffle<false>},
    {"reflection_pad2d reflection_pad2d.out", ReflectionPad},
};

const std::unordered_map<c10::OperatorName, Tensors (*)(const Call&)>& ByName() {
  static const auto* table = [] {
    auto* made = new std::unordered_map<c10::OperatorName, Tensors (*)(const Call&)>();
    for (const Kernel& kernel : kKernels) {
      std::istringstream names(kernel.names);
      for (std::string name; names >> name;) {
        const size_t dot = name.find('.');
        const std::string overload = dot == std::string::npos ? "" : name.substr(dot + 1);
        made->emplace(c10::OperatorName("aten::" + name.substr(0, dot), overload), kernel.make);
      }
    }
    return made;
  }();
  return *table;
}

void Run(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& schema = op.schema();
  const size_t count = schema.arguments().size();
  const at::ArrayRef<IValue> args(stack->data() + stack->size() - count, count);
  Tensors results = ByName().at(op.operator_name())(Call(schema, args));
  // `out` arguments take the shape and are the result.
  size_t next = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto* alias = schema.arguments()[i].alias_info();
    if (alias == nullptr || !alias->isWrite() || next == results.size()) continue;
    at::Tensor out = args[i].toTensor();
    out.resize_(results[next].sizes());
    results[next++] = out;
  }
  torch::jit::drop(*stack, count);
  for (at::Tensor& result : results) torch::jit::push(*stack, std::move(result));
}

}  // namespace

void RegisterShapeKernels() {
  static const auto* library = [] {
    auto* made = new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__);
    for (const auto& [name, make] : ByName()) {
      const auto op = c10::Dispatcher::singleton().findSchema(name);
      // A LibTorch that has one of its own keeps it.
      if (!op || op->hasKernelForDispatchKey(c10::DispatchKey::Meta)) continue;
      const std::string full = name.name + (name.overload_name.empty() ? "" : "." + name.overload_name);
      made->impl(full.c_str(), torch::CppFunction::makeFromBoxedFunction<&Run>());
    }
    return made;
  }();
  (void)library;
}

}  // namespace espalier::script
