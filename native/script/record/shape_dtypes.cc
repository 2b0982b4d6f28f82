#include "script/record/shape_dtypes.h"

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <unordered_map>

namespace espalier::script {

using c10::IValue;

namespace {

enum class Rule {
  kSame,   // all tensors are of one dtype, a floating one (masks and lengths aside)
  kOne,    // as kSame, whole numbers too
  kFloat,  // the first tensor is
  kIndex,  // what is called `index` or `indices` holds whole numbers
};

bool IsFloat(const at::Tensor& tensor) { return tensor.is_floating_point() || tensor.is_complex(); }

const std::unordered_map<std::string, Rule>& Rules() {
  static const auto* rules = [] {
    auto* made = new std::unordered_map<std::string, Rule>();
    const auto add = [made](Rule rule, const char* names) {
      std::istringstream list(names);
      for (std::string name; list >> name;) made->emplace("aten::" + name, rule);
    };
    add(Rule::kSame,
        "conv1d conv2d conv3d _convolution _convolution_mode convolution conv_transpose1d conv_transpose2d "
        "conv_transpose3d bilinear lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell "
        "scaled_dot_product_attention prelu _weight_norm");
    add(Rule::kOne, "linear matmul mm bmm mv dot addmm addbmm baddbmm einsum");
    add(Rule::kFloat,
        "batch_norm instance_norm layer_norm group_norm rms_norm softmax _softmax log_softmax gelu silu silu_ elu elu_ "
        "selu selu_ celu celu_ mish hardswish hardswish_ hardsigmoid hardsigmoid_ leaky_relu leaky_relu_ softplus "
        "log_sigmoid glu feature_dropout alpha_dropout upsample_linear1d upsample_bilinear2d upsample_bicubic2d "
        "upsample_trilinear3d grid_sampler adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d avg_pool3d "
        "local_response_norm std var std_mean var_mean linalg_vector_norm frobenius_norm cdist fft_fft");
    add(Rule::kIndex,
        "embedding embedding_bag index_select gather scatter scatter_add index_add index_copy index_fill");
    return made;
  }();
  return *rules;
}

template <class Visit>
void ForEachTensor(const IValue& value, const Visit& visit) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) visit(value.toTensor());
  } else if (value.isTensorList()) {
    for (const at::Tensor& tensor : value.toTensorVector()) visit(tensor);
  }
}

}  // namespace

void CheckDTypes(const c10::FunctionSchema& schema, const std::vector<IValue>& stack) {
  const auto rule = Rules().find(schema.name());
  if (rule == Rules().end()) return;
  std::optional<c10::ScalarType> first;
  for (size_t i = 0; i < std::min(stack.size(), schema.arguments().size()); ++i) {
    const std::string& argument = schema.arguments()[i].name();
    if (rule->second == Rule::kIndex) {
      if (argument != "index" && argument != "indices") continue;
      ForEachTensor(stack[i], [&](const at::Tensor& tensor) {
        TORCH_CHECK(tensor.scalar_type() == at::kLong || tensor.scalar_type() == at::kInt, schema.name(),
                    ": expected whole numbers as ", argument, ", not ", tensor.scalar_type());
      });
      continue;
    }
    if (argument == "attn_mask" || argument == "batch_sizes") continue;
    if (rule->second == Rule::kFloat && first) return;
    ForEachTensor(stack[i], [&](const at::Tensor& tensor) {
      TORCH_CHECK(rule->second == Rule::kOne || IsFloat(tensor), schema.name(), ": expected floating-point numbers as ",
                  argument, ", not ", tensor.scalar_type());
      TORCH_CHECK(rule->second == Rule::kFloat || tensor.scalar_type() == first.value_or(tensor.scalar_type()),
                  schema.name(), ": expected one dtype, not ", *first, " and ", tensor.scalar_type());
      first = tensor.scalar_type();
    });
  }
}

}  // namespace espalier::script
