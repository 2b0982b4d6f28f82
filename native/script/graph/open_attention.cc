#include "script/graph/open_attention.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/jit.h>

#include <string>
#include <vector>

#include "script/graph/prepare.h"
#include "script/graph/scope.h"
#include "script/graph/walk.h"

namespace espalier::script {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

namespace {

// What the fused operators compute, with their arguments under the names of their schemas.
constexpr const char* kSource = R"(
def attention(query: Tensor, embed_dim: int, num_heads: int, qkv_weight: Tensor, qkv_bias: Tensor, proj_weight: Tensor, proj_bias: Tensor) -> Tensor:
  batch = query.size(0)
  length = query.size(1)
  qkv = torch.linear(query, qkv_weight, qkv_bias).reshape([batch, length, 3, num_heads, embed_dim // num_heads])
  q, k, v = qkv.permute([2, 0, 3, 1, 4]).unbind(0)
  y = torch.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape([batch, length, embed_dim])
  return torch.linear(y, proj_weight, proj_bias)

def encoder_layer(src: Tensor, embed_dim: int, num_heads: int, qkv_weight: Tensor, qkv_bias: Tensor, proj_weight: Tensor, proj_bias: Tensor, use_gelu: bool, norm_first: bool, eps: float, norm_weight_1: Tensor, norm_bias_1: Tensor, norm_weight_2: Tensor, norm_bias_2: Tensor, ffn_weight_1: Tensor, ffn_bias_1: Tensor, ffn_weight_2: Tensor, ffn_bias_2: Tensor) -> Tensor:
  x = src
  if norm_first:
    x = torch.layer_norm(x, [embed_dim], norm_weight_1, norm_bias_1, eps)
  x = src + attention(x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias)
  if not norm_first:
    x = torch.layer_norm(x, [embed_dim], norm_weight_1, norm_bias_1, eps)
  y = x
  if norm_first:
    y = torch.layer_norm(y, [embed_dim], norm_weight_2, norm_bias_2, eps)
  y = torch.linear(y, ffn_weight_1, ffn_bias_1)
  if use_gelu:
    y = torch.gelu(y)
  else:
    y = torch.relu(y)
  x = x + torch.linear(y, ffn_weight_2, ffn_bias_2)
  if not norm_first:
    x = torch.layer_norm(x, [embed_dim], norm_weight_2, norm_bias_2, eps)
  return x
)";

std::shared_ptr<Graph> Compiled(const std::string& name) {
  static const auto* unit = new std::shared_ptr<torch::jit::CompilationUnit>(torch::jit::compile(kSource));
  auto graph = torch::jit::toGraphFunction((*unit)->get_function(name)).graph()->copy();
  torch::jit::Inline(*graph);
  return graph;
}

// The argument of that name, also where the two operators spell it apart.
Value* Argument(Node* node, std::string name) {
  if (name == "num_heads" && node->hasNamedInput("num_head")) name = "num_head";
  return node->namedInput(name);
}

bool IsNone(Node* node, const char* name) { return node->namedInput(name)->mustBeNone(); }

bool IsPlainSelfAttention(Node* node) {
  const auto weights = torch::jit::constant_as<bool>(node->namedInput("need_weights"));
  return node->namedInput("query") == node->namedInput("key") && node->namedInput("key") == node->namedInput("value") &&
         IsNone(node, "mask") && weights == false && !node->output(1)->hasUses();
}

}  // namespace

void OpenFusedAttention(Graph& graph) {
  for (Node* node : NodesInOrder(graph)) {
    const std::string kind = node->kind().toQualString();
    std::shared_ptr<Graph> open;
    if (kind == "aten::_native_multi_head_attention" && IsPlainSelfAttention(node)) open = Compiled("attention");
    if (kind == "aten::_transformer_encoder_layer_fwd" && IsNone(node, "mask")) open = Compiled("encoder_layer");
    if (open == nullptr) continue;
    std::vector<Value*> arguments;
    for (const Value* input : open->inputs()) {
      // Names in a compiled graph carry a number: "eps.1".
      const std::string name = input->debugName();
      arguments.push_back(Argument(node, name.substr(0, name.find('.'))));
    }
    Node* before = node->prev();
    torch::jit::WithInsertPoint guard(node);
    const auto outputs = torch::jit::insertGraph(graph, *open, arguments);
    const std::string scope = CallOf(node);
    size_t count = 0;
    const auto mark = [&](Node* made) {
      SetScope(made, scope);
      if (!TrailOf(node).empty()) SetTrail(made, TrailOf(node) + "+" + std::to_string(count++));
    };
    ForEachNode(before->next(), node, mark);
    node->output(0)->replaceAllUsesWith(outputs[0]);
    MoveGives(node->output(0), outputs[0]);
    node->destroy();
  }
}

}  // namespace espalier::script
