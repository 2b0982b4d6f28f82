#pragma once

#include <torch/csrc/jit/api/module.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace espalier::script {

// Attributes of a module and its submodules.
struct AttributeSet {
  std::set<std::string> paths;     // "memory.index"
  std::set<std::string> anywhere;  // "index", where the program does not say of which module

  // Whether `path` is one of them, or in one: "memory.index.0".
  bool Contains(const std::string& path) const;
  void Add(const AttributeSet& others);
};

// What methods write to, other than the one that fills a module when it is loaded. What it holds is no constant:
// another run may find something else.
struct WrittenAttributes {
  // Names of the attributes that methods set, or write into in place (`self.sizes[0] = 3`, `self.index.add_(1)`).
  std::set<std::string> names;
  // Whose tensors another run may find with other sizes: a method resizes them, puts others into the list that holds
  // them, or, where its own runs don't tell, others in their place.
  AttributeSet replaced;
};

// `known`: path and name of the methods whose runs are recorded, with what they set.
WrittenAttributes FindWritten(const torch::jit::Module& module,
                              const std::vector<std::pair<std::string, std::string>>& known);

}  // namespace espalier::script
