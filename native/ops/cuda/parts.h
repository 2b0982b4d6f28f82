#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "ops/cuda/launch.h"
#include "ops/layout.h"

// What is read of a tensor's contents on the host, once for as long as the tensor lives and is not written to: a step
// waits for no copy.
namespace espalier::cuda {

// As many tensors as one launch can name, with their tables on the device.
struct Part {
  size_t first, count;
  DeviceTables tables;
  int64_t partials;
  at::Tensor memory;  // of the tables
};
using Parts = std::vector<Part>;

std::shared_ptr<const Parts> PartsOf(const at::Tensor& layout, const std::vector<ops::Layout>& layouts,
                                     at::Device device);

// As ops::CheckSparse and ops::CheckGroups, for tensors on the device.
void CheckSparseOnce(const at::Tensor& begins, const at::Tensor& columns, int64_t rows, int64_t limit);
void CheckGroupsOnce(const at::Tensor& groups, int64_t units);

}  // namespace espalier::cuda
