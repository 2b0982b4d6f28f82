#pragma once

#include <functional>
#include <string>
#include <vector>

#include "script/edits/request.h"
#include "script/methods/unreached.h"
#include "script/record/recording.h"

namespace espalier::script {

// Names of methods are qualified: "encoder.reset".
struct CutResult {
  torch::jit::Module module;
  std::vector<std::string> kept_methods;  // they compute with nothing that was cut
  std::vector<std::string> cut_methods;   // they were cut along with `forward`
  std::vector<std::string> dropped_methods;
  struct Closed {
    std::string method;
    std::string reason;
    bool whole = false;  // not only a branch
  };
  std::vector<Closed> closed;  // what raises: `forward` calls the method and goes another way
  std::vector<UnreachedTensor> unreached;
};

// A new module: `module` with slices of its tensors cut out and the recorded graph edited. Its types are its own;
// names, order and tying of the state_dict stay. A method that would be wrong is refused (ERR_UNSUPPORTED) unless the
// request lets it go. What submodules have for `forward` alone is gone: `forward` is one flat graph.
CutResult Cut(const torch::jit::Module& module, const Recording& recording, const CutRequest& request,
              const std::function<void()>& check);

// A copy that shares neither tensors nor types.
torch::jit::Module CopyModule(const torch::jit::Module& module);

}  // namespace espalier::script
