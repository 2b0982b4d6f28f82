#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "archive/limits.h"

namespace espalier::archive {

// The size of the record that holds a storage, by its key in the pickle; none: there is no such record.
using StorageSize = std::function<std::optional<uint64_t>(std::string_view key)>;

// Runs a pickle as LibTorch's unpickler does, on the kinds of its values alone, and refuses what that one takes on
// trust: storages larger than their record, tensors that reach out of their storage, marks and memo that are not there,
// values nested deeper than the limit or in themselves, globals that no TorchScript file has. Returns the bytes of all
// storages and of values. Throws Refusal.
uint64_t CheckPickle(std::string_view pickle, const StorageSize& storage_size, const Limits& limits);

}  // namespace espalier::archive
