#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "script/edits/request.h"
#include "script/methods/width_check.h"
#include "script/record/recording.h"

namespace espalier::script {

// What a method can do no more: `forward`, which calls it, goes another way there. It raises.
struct ClosedBranch {
  std::string reason;  // why it could not be cut along
  bool whole = false;  // it is all of the method
};

// What becomes of a method beside `forward` when its module is cut.
struct MethodFate {
  enum class Kind {
    kKept,     // it computes with nothing that is cut
    kCut,      // it computes with what is cut, and goes on to
    kDropped,  // it would be wrong
  };
  bool Goes() const { return kind == Kind::kDropped; }

  std::string path;  // of its module
  std::string name;
  Kind kind = Kind::kKept;
  std::string obstacle;  // when dropped
  Narrower gives;
  bool given = false;                         // recorded for its own sake
  bool called = false;                        // by `forward`, or recorded after it
  std::vector<ClosedBranch> closed;           // of it
  bool internal = false;                      // no part of the interface: it may go
  bool told = true;                           // in the report
  std::shared_ptr<torch::jit::Graph> edited;  // when its code must change
  bool only_marked = false;                   // it is the same code, with its trails
  std::vector<std::string> reads;             // tensors and lists of them that it reads
  std::set<std::string> calls;                // other methods of its module, where that is the root
};

// A check of the program that fails after the cut: it is replaced by what is known of it.
struct StaleAssertion {
  std::string trail;
  bool condition;
};

// The methods of a module and of its submodules, but for `forward` and what only forward calls in submodules.
std::vector<MethodFate> FateOfMethods(const torch::jit::Module& module, const Recording& recording,
                                      const CutRequest& request, const CutTensors& cut,
                                      const std::vector<StaleAssertion>& stale);

// The tensors, and lists of them, that a graph of the module at `path` reads.
std::vector<std::string> Reads(const torch::jit::Graph& graph, const std::string& path);

}  // namespace espalier::script
