#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "script/graph/node_facts.h"
#include "script/graph/written.h"

namespace espalier::script {

// `forward` as one flat graph: all calls inlined, whatever is constant for the module folded, dead code gone. Nodes
// carry their scope. A node's id is its place in a depth-first walk; a copy of the graph has the same ids.
struct PreparedGraph {
  // A call of a method that was put in its place; `trail`: what those of its nodes begin with, see scope.h.
  struct Call {
    std::string path;
    std::string method;
    std::string trail;
  };
  std::shared_ptr<torch::jit::Graph> graph;
  std::vector<torch::jit::Node*> nodes;  // by id
  std::unordered_map<const torch::jit::Node*, int32_t> ids;
  std::shared_ptr<const std::vector<NodeFacts>> facts;  // by id
  std::vector<Call> calls;
  std::set<std::string> written;  // names of attributes that some method of the module sets, or writes into
  AttributeSet replaced;          // see WrittenAttributes
};

PreparedGraph Prepare(const torch::jit::Module& module);

// The same of a graph that calls methods of the module. `known`: path and name of those that it runs as a whole;
// `told`: of each call that was put in its place, with what the trails of its nodes begin with.
using CallTold = std::function<void(const torch::jit::Node* call, const std::string& trail)>;
PreparedGraph Prepare(const torch::jit::Module& module, std::shared_ptr<torch::jit::Graph> graph,
                      const std::vector<std::pair<std::string, std::string>>& known, const CallTold& told);

// Another method of a module, which is at `path` of its root; `written`: of the root. Calls of the module's own
// methods stay calls when it is the root itself.
PreparedGraph PrepareMethod(const torch::jit::Module& module, const std::string& path, const std::string& method,
                            const std::set<std::string>& written);

// A graph that is flat already, with its nodes numbered.
PreparedGraph Numbered(std::shared_ptr<torch::jit::Graph> graph);

// The nodes in the order of their ids.
std::vector<torch::jit::Node*> NodesInOrder(torch::jit::Graph& graph);

// The block can only end in an exception.
bool OnlyRaises(const torch::jit::Block* block);

// The object that the value is when the graph runs on `module`: the chain of GetAttr followed in the module itself.
// None when the value is no such chain.
std::optional<c10::IValue> AttributeOf(const torch::jit::Module& module, const torch::jit::Value* value);

}  // namespace espalier::script
