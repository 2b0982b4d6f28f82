#include "script/graph/stochastic_depth.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace espalier::script {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;
namespace aten = c10::aten;
namespace prim = c10::prim;

namespace {

// A number of the program; tracing makes some of them tensors.
std::optional<double> NumberOf(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant) return std::nullopt;
  if (constant->isDouble() || constant->isInt()) return constant->toScalar().toDouble();
  if (constant->isTensor() && constant->toTensor().defined() && constant->toTensor().numel() == 1) {
    return constant->toTensor().item<double>();
  }
  return std::nullopt;
}

bool Is(const Node* node, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(),
                     [&](const char* name) { return std::string(node->kind().toQualString()) == name; });
}

// One number for each sample: all sizes but the first are 1.
bool OnePerSample(const Value* sizes) {
  const Node* list = sizes->node();
  if (list->kind() != prim::ListConstruct || list->inputs().empty()) return false;
  for (size_t i = 1; i < list->inputs().size(); ++i) {
    if (NumberOf(list->input(i)) != 1.0) return false;
  }
  return true;
}

class Match {
 public:
  explicit Match(Node* product) : product_(product) {}

  std::optional<StochasticDepth> With(Value* branch, Value* noise) {
    std::optional<double> scale = Divided(noise, {"aten::div", "aten::div_"});
    if (!scale) scale = Divided(branch, {"aten::div"});
    const auto keep = Keep(noise);
    if (!keep || !(*keep > 0 && *keep < 1) || (scale && std::abs(*scale - *keep) > 1e-6)) return std::nullopt;
    std::reverse(own_.begin(), own_.end());
    return StochasticDepth{product_, branch, own_, random_};
  }

 private:
  // The number by which the value was divided; the value becomes what it was before.
  std::optional<double> Divided(Value*& value, std::initializer_list<const char*> by) {
    Node* node = value->node();
    if (!Is(node, by) || node->inputs().size() != 2) return std::nullopt;
    const auto divisor = NumberOf(node->input(1));
    if (!divisor || !Own(value)) return std::nullopt;
    value = node->input(0);
    return divisor;
  }

  // The probability of a 1.
  std::optional<double> Keep(Value* noise) {
    Node* node = noise->node();
    if (!Own(noise)) return std::nullopt;
    if (Is(node, {"aten::bernoulli_"})) {
      Value* fresh = node->input(0);
      const bool like = Is(fresh->node(), {"aten::new_empty"});
      if (!like && !Is(fresh->node(), {"aten::empty"})) return std::nullopt;
      random_ = node;
      if (!OnePerSample(fresh->node()->input(like ? 1 : 0)) || !Own(fresh)) return std::nullopt;
      return NumberOf(node->input(1));
    }
    if (!Is(node, {"aten::floor", "aten::floor_"})) return std::nullopt;
    Value* sum = node->input(0);
    if (!Is(sum->node(), {"aten::add", "aten::add_"}) || NumberOf(sum->node()->input(2)) != 1.0 || !Own(sum)) {
      return std::nullopt;
    }
    Value* uniform = sum->node()->input(0);
    if (!Is(uniform->node(), {"aten::rand"}) || !OnePerSample(uniform->node()->input(0)) || !Own(uniform)) {
      return std::nullopt;
    }
    random_ = uniform->node();
    return NumberOf(sum->node()->input(1));
  }

  // Nothing else may read it, so that it can move along.
  bool Own(Value* value) {
    if (value->uses().size() != 1 || value->node()->owningBlock() != product_->owningBlock()) return false;
    own_.push_back(value->node());
    return true;
  }

  Node* product_;
  Node* random_ = nullptr;
  std::vector<Node*> own_;
};

}  // namespace

std::optional<StochasticDepth> StochasticDepthIn(Node* product) {
  if (product->kind() != aten::mul || product->inputs().size() != 2) return std::nullopt;
  for (const size_t noise : {1, 0}) {
    if (auto depth = Match(product).With(product->input(1 - noise), product->input(noise))) return depth;
  }
  return std::nullopt;
}

void Guard(const StochasticDepth& depth, Value* training) {
  Node* product = depth.product;
  Graph& graph = *product->owningGraph();
  Node* branch = graph.create(prim::If, {training}, 1);
  branch->insertBefore(product);
  branch->setSourceRange(product->sourceRange());
  branch->output()->setType(product->output()->type());
  product->output()->replaceAllUsesWith(branch->output());
  Block* drops = branch->addBlock();
  Block* gives = branch->addBlock();
  for (Node* node : depth.noise) node->moveBefore(drops->return_node());
  product->moveBefore(drops->return_node());
  drops->registerOutput(product->output());
  gives->registerOutput(depth.branch);
}

}  // namespace espalier::script
