#pragma once

#include <string>
#include <vector>

namespace espalier::script {

// What all executions of a node have in common.
struct NodeFacts {
  std::string name;
  std::string overload;
  std::vector<std::string> arg_names;
  std::string scope;
  bool mutates = false;
  bool literal = false;  // it takes a list that the program writes out there
};

}  // namespace espalier::script
