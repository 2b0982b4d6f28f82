#include "script/graph/devices.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "script/graph/prepare.h"

namespace espalier::script {

using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;
namespace prim = c10::prim;

namespace {

// Which of the devices that a program names are meant: all but the CPU, or all.
enum class Named { kElsewhere, kAny };

bool Means(Named named, std::string_view device) {
  if (device.starts_with("meta")) return false;
  return named == Named::kAny || !device.starts_with("cpu");
}

// A constant, or `torch.device("cuda:0")` as a file spells it.
bool NamesDevice(const Node* node, Named named) {
  if (node->kind() == prim::Constant) {
    const auto value = torch::jit::toIValue(node->output());
    return value && value->isDevice() && Means(named, value->toDevice().str());
  }
  if (node->kind() != c10::Symbol::fromQualString("aten::device")) return false;
  const auto name = torch::jit::toIValue(node->input(0));
  return name && name->isString() && Means(named, name->toStringRef());
}

// The lengths that it is given must be on the CPU.
bool WantsCpu(const Node* node) { return node->kind() == c10::Symbol::fromQualString("aten::_pack_padded_sequence"); }

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

void Follow(Graph& graph, std::optional<std::string> tensor, c10::Device now, Named named) {
  const std::vector<Node*> all = NodesInOrder(graph);
  if (std::any_of(all.begin(), all.end(), WantsCpu)) named = Named::kElsewhere;
  std::vector<Node*> nodes;
  for (Node* node : all) {
    if (NamesDevice(node, named) || MovesToCuda(node)) nodes.push_back(node);
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

// A number may stay on the CPU.
void MoveConstants(Graph& graph, c10::Device device) {
  for (Node* node : NodesInOrder(graph)) {
    if (node->kind() != prim::Constant || !node->hasAttribute(c10::attr::value)) continue;
    if (node->kindOf(c10::attr::value) != torch::jit::AttributeKind::t) continue;
    const at::Tensor& tensor = node->t(c10::attr::value);
    if (tensor.dim() > 0) node->t_(c10::attr::value, tensor.to(device));
  }
}

using Change = std::function<void(Graph&, const std::optional<std::string>&)>;

// change(graph, a tensor of its module), once for every graph of the module and of what was loaded with it.
class Search {
 public:
  explicit Search(Change change) : change_(std::move(change)) {}

  void Program(const Module& module) {
    Visit(module);
    // Functions and classes beside the modules.
    for (auto* function : module._ivalue()->compilation_unit()->get_functions()) Function(*function, std::nullopt);
  }

 private:
  void Visit(const Module& module) {
    for (auto* method : module.type()->methods()) Function(*method, TensorIn(module));
    for (const auto& child : module.named_children()) Visit(child.value);
  }

  void Function(torch::jit::Function& function, const std::optional<std::string>& tensor) {
    auto* own = torch::jit::tryToGraphFunction(function);
    if (own != nullptr && seen_.insert(&function).second) change_(*own->graph(), tensor);
  }

  Change change_;
  std::set<const torch::jit::Function*> seen_;
};

c10::Device DeviceOf(const Module& module) {
  for (const at::Tensor& parameter : module.parameters()) return parameter.device();
  for (const at::Tensor& buffer : module.buffers()) return buffer.device();
  return c10::Device(c10::kCPU);
}

}  // namespace

void FollowDevice(Module& module) {
  const c10::Device now = DeviceOf(module);
  Search([&](Graph& graph, const std::optional<std::string>& tensor) {
    Follow(graph, tensor, now, Named::kElsewhere);
  }).Program(module);
}

void MoveProgram(Module& module, c10::Device device) {
  const Named named = device.is_cpu() ? Named::kElsewhere : Named::kAny;
  Search([&](Graph& graph, const std::optional<std::string>& tensor) {
    Follow(graph, tensor, device, named);
    MoveConstants(graph, device);
  }).Program(module);
}

}  // namespace espalier::script
