#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "archive/limits.h"

namespace espalier::archive {

struct Function {
  std::string name;
  uint64_t nesting = 0;                   // the deepest syntax in it
  std::unordered_set<std::string> calls;  // every name that stands behind a dot
};

// A class with its methods, or a function of its own. Names are in lower case: LibTorch looks files up whatever theirs.
struct Definition {
  std::string name;  // qualified
  bool tuple = false;
  uint64_t nesting = 0;                            // outside of its functions
  std::unordered_map<std::string, uint64_t> uses;  // qualified names in it, with how often each stands there
  std::vector<Function> functions;
};

// Refuses a program whose classes and functions lean on one another in longer chains than the limit, or need more stack
// in all than there is: LibTorch compiles what a definition needs in the middle of compiling it. Throws Refusal.
void CheckDefinitions(const std::vector<Definition>& definitions, const Limits& limits);

}  // namespace espalier::archive
