// Operators that LibTorch calls itself with what fits, and that a program may name all the same.

#include "script/checks/unchecked.h"

namespace espalier::script {

using c10::IValue;

namespace {

void Refuse(const Call& call) {
  TORCH_CHECK(false, call.Schema().name(), " is an operator of LibTorch's own, which does not check its arguments");
}

// What is given of weights and statistics has one value for each channel, and what is used is given.
void BatchNorm(const Call& call) {
  const at::Tensor input = call.At("input").toTensor();
  TORCH_CHECK(input.dim() > 1, "a batch norm of an input of shape ", input.sizes());
  const bool given = !call.Has("training") || !call.At("training").toBool();
  for (const char* name : {"weight", "bias", "running_mean", "running_var"}) {
    const bool statistics = name[0] == 'r';
    const bool has = call.Has(name) && call.At(name).isTensor() && call.At(name).toTensor().defined();
    TORCH_CHECK(has || !statistics || !given, "a batch norm without its '", name, "'");
    TORCH_CHECK(!has || call.At(name).toTensor().numel() == input.size(1), "a batch norm of ", input.size(1),
                " channels with another number of '", name, "'");
  }
}

void Transform(const Call& call) {
  const at::Tensor input = call.At("self").toTensor();
  for (const IValue& dim : call.At("dim").toListRef()) {
    TORCH_CHECK(dim.toInt() >= -input.dim() && dim.toInt() < input.dim(), call.Schema().name(), ": dimension ",
                dim.toInt(), " of ", input.dim());
  }
}

void Heads(const Call& call) {
  const at::Tensor qkv = call.At("qkv").toTensor(), bias = call.At("qkv_bias").toTensor();
  const int64_t heads = call.At("num_heads").toInt();
  TORCH_CHECK(heads > 0 && qkv.dim() == 3 && qkv.size(2) % 3 == 0 && qkv.size(2) / 3 % heads == 0 &&
                  bias.numel() == qkv.size(2),
              heads, " heads of queries, keys and values of shape ", qkv.sizes());
}

void Attention(const Call& call) {
  const at::Tensor query = call.At("query").toTensor(), key = call.At("key").toTensor(),
                   value = call.At("value").toTensor();
  const bool fits = query.dim() == 4 && key.dim() == 4 && value.dim() == 4 && key.size(1) > 0 &&
                    query.size(1) % key.size(1) == 0 && key.size(1) == value.size(1) && key.size(2) == value.size(2) &&
                    query.size(0) == key.size(0) && key.size(0) == value.size(0) && query.size(3) == key.size(3);
  TORCH_CHECK(fits, "attention of queries of shape ", query.sizes(), " to keys of shape ", key.sizes(),
              " and values of shape ", value.sizes());
}

void NotEmpty(const Call& call) {
  const IValue& first = call.Place(0);
  TORCH_CHECK(first.isTensor() ? first.toTensor().numel() > 0 : !first.toListRef().empty(), call.Schema().name(),
              " of nothing");
}

void TwoStates(const Call& call) {
  TORCH_CHECK(call.At("hx").toListRef().size() == 2, call.Schema().name(), " needs two states");
}

// A kernel that spans the whole input many times over.
void Shrinking(const Call& call) {
  if (!call.Has("scales_h")) return;
  const at::Tensor input = call.Place(0).toTensor();
  const std::vector<int64_t> size = call.At("output_size").toIntVector();
  for (const int64_t d : {0, 1}) {
    const IValue& scale = call.At(d == 0 ? "scales_h" : "scales_w");
    if (scale.isNone() || !(scale.toDouble() > 0) || input.dim() != 4 || size.size() != 2) continue;
    TORCH_CHECK(scale.toDouble() * static_cast<double>(input.size(d + 2)) > 0.5 * static_cast<double>(size[d]),
                call.Schema().name(), ": a scale of ", scale.toDouble(), " does not lead from ", input.size(d + 2),
                " to ", size[d]);
  }
}

// One for each dimension of space.
void Resizing(const Call& call) {
  const at::Tensor input = call.Place(0).toTensor();
  for (const char* name : {"size", "scale_factor"}) {
    if (!call.At(name).isList()) continue;
    const auto given = static_cast<int64_t>(call.At(name).toListRef().size());
    TORCH_CHECK(given == input.dim() - 2, call.Schema().name(), ": '", name, "' has ", given,
                " values for an input of ", input.dim(), " dimensions");
  }
}

// The overloads of the interpreter alone copy to the device that is given.
void Copying(const Call& call) {
  if (call.Schema().overload_name().rfind("prim_", 0) != 0 || !call.Has("dtype")) return;
  const bool given = (call.Has("device") && !call.At("device").isNone()) || !call.At("dtype").isNone();
  TORCH_CHECK(given || !call.At("copy").toBool(), call.Schema().name(), " without a device or a dtype");
}

void Padding(const Call& call) {
  const std::string& name = call.Schema().name();
  const size_t dims = name.find("3d") != std::string::npos ? 3 : name.find("2d") != std::string::npos ? 2 : 1;
  const at::Tensor input = call.At("self").toTensor();
  TORCH_CHECK(call.At("padding").toListRef().size() == 2 * dims && input.dim() > static_cast<int64_t>(dims), name,
              " with padding of an input of shape ", input.sizes());
}

}  // namespace

const Checks& ChecksOfInternals() {
  static const auto* checks = [] {
    auto* all = new Checks{
        {"aten::native_batch_norm", BatchNorm},
        {"aten::_native_batch_norm_legit", BatchNorm},
        {"aten::_native_batch_norm_legit_functional", BatchNorm},
        {"aten::_native_batch_norm_legit_no_training", BatchNorm},
        {"aten::_batch_norm_no_update", BatchNorm},
        {"aten::_batch_norm_with_update", BatchNorm},
        {"aten::_batch_norm_with_update_functional", BatchNorm},
        {"aten::_fft_r2c", Transform},
        {"aten::_fft_c2r", Transform},
        {"aten::_fft_c2c", Transform},
        {"aten::_transform_bias_rescale_qkv", Heads},
        {"aten::_scaled_dot_product_flash_attention_for_cpu", Attention},
        {"aten::_stack", NotEmpty},
        {"aten::_tensor_to_list", NotEmpty},
        {"aten::_foreach_copy", NotEmpty},
        {"aten::quantized_lstm_cell", TwoStates},
        {"aten::_upsample_bilinear2d_aa", Shrinking},
        {"aten::_upsample_bicubic2d_aa", Shrinking},
        {"aten::_upsample_lanczos2d_aa", Shrinking},
        {"aten::__upsample", Resizing},
        {"aten::__upsample_bilinear", Resizing},
        {"aten::__upsample_nearest", Resizing},
        {"aten::__interpolate", Resizing},
        {"aten::to", Copying},
        {"aten::reflection_pad1d_backward", Padding},
        {"aten::reflection_pad2d_backward", Padding},
        {"aten::reflection_pad3d_backward", Padding},
        {"aten::replication_pad1d_backward", Padding},
        {"aten::replication_pad2d_backward", Padding},
        {"aten::replication_pad3d_backward", Padding},
    };
    for (const char* name : {
             "aten::_add_batch_dim",
             "aten::_cholesky_solve_helper",
             "aten::_batch_norm_impl_index_backward",
             "aten::_ctc_loss_backward",
             "aten::_weight_norm_interface_backward",
             "aten::_cummax_helper",
             "aten::_cummin_helper",
             "aten::_dyn_quant_matmul_4bit",
             "aten::_dyn_quant_pack_4bit_weight",
             "aten::_nnpack_spatial_convolution",
             "aten::_pack_padded_sequence_backward",
             "aten::_remove_batch_dim",
             "aten::_slow_conv2d_backward",
             "aten::_thnn_differentiable_gru_cell_backward",
             "aten::_thnn_differentiable_lstm_cell_backward",
             "aten::_thnn_fused_gru_cell_backward",
             "aten::_thnn_fused_lstm_cell_backward",
             "aten::_thnn_fused_lstm_cell_backward_impl",
             "aten::fractional_max_pool2d_backward",
             "aten::fractional_max_pool3d_backward",
             "aten::mkldnn_reorder_conv2d_weight",
             "aten::mkldnn_reorder_conv3d_weight",
             "aten::mkldnn_rnn_layer",
             "aten::mkldnn_rnn_layer_backward",
             "mkldnn::_reorder_mkldnn_rnn_layer_weight",
             "onednn::linear_prepack_fp16",
             "onednn::qlinear_prepack",
         }) {
      all->emplace(name, Refuse);
    }
    return all;
  }();
  return *checks;
}

}  // namespace espalier::script
