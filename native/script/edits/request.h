#pragma once

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace espalier::script {

// What lib/record/cut-request.ts calls a CutRequest.
struct CutRequest {
  struct Slice {
    std::string name;
    int64_t dim = 0;
    std::vector<int64_t> keep;
  };
  // Where a number is used: an input of a node, or one element of the list that it takes.
  struct Place {
    int64_t node = 0;
    int64_t input = 0;
    std::optional<int64_t> element;
  };
  struct Constant {
    Place place;
    c10::IValue value;  // number, flag, list of ints, tensor, or none
  };
  // A size that the program reads: what a node gives, or one element of the list of `size` that it gives.
  struct Entry {
    int64_t node = 0;
    std::optional<int64_t> element;
    int64_t size = 0;
    int64_t multiply = 1;
    int64_t divide = 1;
  };
  struct Scaled {
    Place place;
    int64_t multiply = 1;
    int64_t divide = 1;
    std::vector<Entry> entries;
  };
  // Slices of the constant tensor that is read at a place, for this use only.
  struct Tensor {
    Place place;
    std::vector<Slice> slices;  // without names
  };
  // A node becomes the body of a TorchScript function, which takes the node's arguments by the names of its schema, and
  // `values` by theirs.
  struct Rewrite {
    int64_t node = 0;
    std::string source;
    std::map<std::string, c10::IValue> values;
  };
  // A block of an `if` that the model does not enter: it only raises.
  struct Close {
    int64_t node = 0;
    int64_t block = 0;
    std::string method;  // the one beside `forward` that it is of
  };

  // What becomes of all that is not `forward`.
  struct Interface {
    bool drop_any_method = false;  // that would be wrong
    std::set<std::string> drop_methods;
    bool drop_unreached = false;
  };

  std::vector<Slice> slices;
  std::vector<Constant> constants;
  std::vector<Scaled> scaled;
  std::vector<Tensor> tensors;
  std::vector<Rewrite> rewrites;
  std::vector<Close> closed;
  Interface interface;

  // Every list of edits at nodes, in the order in which they are made: what is done with one kind is done with all.
  auto Edits() const { return std::tie(constants, scaled, tensors, rewrites, closed); }
  auto Edits() { return std::tie(constants, scaled, tensors, rewrites, closed); }
};
static_assert(sizeof(CutRequest) == 6 * sizeof(std::vector<int>) + sizeof(CutRequest::Interface),
              "A new kind of edit belongs into Edits(), too");

}  // namespace espalier::script
