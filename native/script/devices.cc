#include "script/devices.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include <functional>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "script/prepare.h"

namespace espalier::script {

using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;

namespace {

bool IsElsewhere(const c10::Device& device) { return !device.is_cpu() && !device.is_meta(); }

// A constant, or `torch.device("cuda:0")` as a file spells it.
bool NamesOtherDevice(const Node* node) {
  if (node->kind() == prim::Constant) {
    const auto value = torch::jit::toIValue(node->output());
    return value && value->isDevice() && IsElsewhere(value->toDevice());
  }
  if (node->kind() != c10::Symbol::fromQualString("aten::device")) return false;
  const auto name = torch::jit::toIValue(node->input(0));
  return name && name->isString() && name->toStringRef().rfind("cpu", 0) != 0 &&
         name->toStringRef().rfind("meta", 0) != 0;
}

// `x.cuda()`
bool MovesToCuda(const Node* node) { return node->kind() == c10::Symbol::fromQualString("aten::cuda"); }

// The path of some parameter, or buffer, of a module; none when it has none.
std::optional<std::string> TensorIn(const Module& module) {
  for (const auto& parameter : module.named_parameters()) return parameter.name;
  for (const auto& buffer : module.named_buffers()) return buffer.name;
  return std::nullopt;
}

// Makes the value that stands for the device of the module, at the beginning of a graph.
class Place {
 public:
  Place(Graph& graph, std::optional<std::string> tensor, c10::Device now)
      : graph_(graph), tensor_(std::move(tensor)), now_(now) {}

  Value* Device() {
    if (device_ == nullptr) {
      torch::jit::WithInsertPoint guard(*graph_.nodes().begin());
      device_ = Make();
    }
    return device_;
  }

 private:
  Value* Make() {
    if (Value* tensor = Tensor()) return graph_.insert(prim::device, {tensor});
    return graph_.insertConstant(now_);
  }

  Value* Tensor() {
    if (tensor_) {
      Value* at = graph_.inputs()[0];
      std::istringstream path(*tensor_);
      for (std::string name; std::getline(path, name, '.');) {
        at = graph_.insertNode(graph_.createGetAttr(at, name))->output();
      }
      return at;
    }
    for (Value* input : graph_.inputs()) {
      if (input->type()->isSubtypeOf(*c10::TensorType::get())) return input;
    }
    return nullptr;
  }

  Graph& graph_;
  std::optional<std::string> tensor_;
  c10::Device now_;
  Value* device_ = nullptr;
};

void Follow(Graph& graph, std::optional<std::string> tensor, c10::Device now) {
  std::vector<Node*> nodes;
  for (Node* node : NodesInOrder(graph)) {
    if (NamesOtherDevice(node) || MovesToCuda(node)) nodes.push_back(node);
  }
  if (nodes.empty()) return;
  Place place(graph, std::move(tensor), now);
  for (Node* node : nodes) {
    Value* made = place.Device();
    if (MovesToCuda(node)) {
      torch::jit::WithInsertPoint guard(node);
      made = graph.insert(c10::aten::to, {node->input(0), made});
      made->node()->setSourceRange(node->sourceRange());
    }
    node->output()->replaceAllUsesWith(made);
    node->destroy();
  }
}

struct Search {
  c10::Device now;
  std::set<const torch::jit::Function*> seen;

  void Visit(const Module& module) {
    for (auto* method : module.type()->methods()) Function(*method, TensorIn(module));
    for (const auto& child : module.named_children()) Visit(child.value);
  }

  void Function(torch::jit::Function& function, const std::optional<std::string>& tensor) {
    auto* own = torch::jit::tryToGraphFunction(function);
    if (own != nullptr && seen.insert(&function).second) Follow(*own->graph(), tensor, now);
  }
};

c10::Device DeviceOf(const Module& module) {
  for (const at::Tensor& parameter : module.parameters()) return parameter.device();
  for (const at::Tensor& buffer : module.buffers()) return buffer.device();
  return c10::Device(c10::kCPU);
}

}  // namespace

void FollowDevice(Module& module) {
  Search search{DeviceOf(module), {}};
  search.Visit(module);
  // Functions and classes beside the modules.
  for (auto* function : module._ivalue()->compilation_unit()->get_functions()) search.Function(*function, std::nullopt);
}

}  // namespace espalier::script
