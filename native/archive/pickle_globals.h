#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace espalier::archive {

// What calling a global of a pickle gives.
enum class Call {
  kNothing,  // it is a value, not called
  kObject,   // an object or enum of the program
  kTensor,
  kQuantizedTensor,
  kSparseTensor,
  kTyped,   // its first argument, a container, with the type of its elements
  kScalar,  // a complex number, a device
  kNone,    // OrderedDict, which LibTorch reads as nothing
};

struct Global {
  Call call = Call::kNothing;
  uint32_t element_size = 0;  // of a storage type, bytes; else 0
};

// None for a global that no TorchScript file and no checkpoint has.
std::optional<Global> FindGlobal(std::string_view module, std::string_view name);

}  // namespace espalier::archive
