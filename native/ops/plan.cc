#include "ops/plan.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace espalier::ops {
namespace {

constexpr int64_t kMaxSlots = std::numeric_limits<int32_t>::max();

// The dimensions of a dense tensor from the slowest in memory to the fastest; those of size 1 are left out.
std::vector<int64_t> MemoryOrder(const at::Tensor& tensor) {
  std::vector<int64_t> dims;
  for (int64_t d = 0; d < tensor.dim(); d++) {
    if (tensor.size(d) != 1) dims.push_back(d);
  }
  std::stable_sort(dims.begin(), dims.end(), [&](int64_t a, int64_t b) { return tensor.stride(a) > tensor.stride(b); });
  return dims;
}

// Where the slots of one tensor lie: how far apart two neighbours along a dimension are, within the rows or the
// columns.
struct Part {
  std::vector<int64_t> dims;  // slowest first
  int64_t size = 1;
  bool penalised = false;
  int64_t offset = -1;
};

Part PartOf(const at::Tensor& tensor, std::vector<int64_t> dims, const std::vector<bool>& penalised) {
  Part part;
  for (int64_t d : dims) {
    part.size *= tensor.size(d);
    part.penalised = part.penalised || penalised[d];
  }
  part.dims = std::move(dims);
  return part;
}

int64_t Slots(const Part& part) { return part.penalised ? part.size : 0; }

struct Split {
  Part rows, columns;
};

// The split with the fewest slots; of equals the one with the longest columns.
Split SplitOf(const at::Tensor& tensor, const std::vector<bool>& penalised) {
  const std::vector<int64_t> order = MemoryOrder(tensor);
  Split best;
  int64_t fewest = std::numeric_limits<int64_t>::max();
  for (size_t at = 0; at <= order.size(); at++) {
    Split split{PartOf(tensor, {order.begin(), order.begin() + at}, penalised),
                PartOf(tensor, {order.begin() + at, order.end()}, penalised)};
    // A coefficient of a dimension of size 1 has no place in either: it is a column for all elements.
    const int64_t slots = Slots(split.rows) + Slots(split.columns);
    if (slots < fewest) {
      fewest = slots;
      best = std::move(split);
    }
  }
  return best;
}

struct Slice {
  int32_t tensor, dim, coordinate, unit, scored;
};

// Calls `visit(slot)` for every slot of the part whose index along `dim` is `coordinate`.
template <class Visit>
void ForSlots(const at::Tensor& tensor, const Part& part, int64_t dim, int64_t coordinate, Visit visit) {
  int64_t inner = 1;
  for (auto d = part.dims.rbegin(); d != part.dims.rend() && *d != dim; ++d) inner *= tensor.size(*d);
  const int64_t step = inner * tensor.size(dim);
  for (int64_t block = coordinate * inner; block < part.size; block += step) {
    for (int64_t i = 0; i < inner; i++) visit(part.offset + block + i);
  }
}

at::Tensor Ints(const std::vector<int32_t>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kInt);
  std::copy(values.begin(), values.end(), tensor.data_ptr<int32_t>());
  return tensor;
}

// Rows of a sparse matrix from pairs of row and column, in the pairs' order.
std::pair<at::Tensor, at::Tensor> Rows(const std::vector<std::pair<int32_t, int32_t>>& pairs, int64_t rows) {
  std::vector<int32_t> begin(rows + 1, 0);
  for (const auto& [row, column] : pairs) begin[row + 1]++;
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<int32_t> columns(pairs.size());
  std::vector<int32_t> next(begin.begin(), begin.end() - 1);
  for (const auto& [row, column] : pairs) columns[next[row]++] = column;
  return {Ints(begin), Ints(columns)};
}

}  // namespace

std::vector<Layout> Layouts(const at::Tensor& layout, at::TensorList tensors, int64_t slots) {
  const auto count = static_cast<int64_t>(tensors.size());
  TORCH_CHECK_VALUE(layout.scalar_type() == at::kLong && layout.device().is_cpu() && layout.is_contiguous() &&
                        layout.dim() == 2 && layout.size(0) == count && layout.size(1) == kLayoutFields,
                    "layout must be an int64 tensor [", count, ", ", kLayoutFields, "] on the CPU, not ",
                    layout.toString(), " ", layout.sizes());
  std::vector<Layout> layouts(count);
  const int64_t* field = layout.const_data_ptr<int64_t>();
  for (int64_t t = 0; t < count; t++, field += kLayoutFields) {
    const Layout own{field[0], field[1], field[2], field[3]};
    const bool shaped = own.rows >= 0 && own.columns >= 0 && own.rows * own.columns == tensors[t].numel();
    const bool inside = own.row_offset >= -1 && own.column_offset >= -1 &&
                        (own.row_offset < 0 || own.row_offset + own.rows <= slots) &&
                        (own.column_offset < 0 || own.column_offset + own.columns <= slots);
    TORCH_CHECK_VALUE(shaped && inside, "layout of tensor ", t, " (", own.rows, " x ", own.columns, " at ",
                      own.row_offset, ", ", own.column_offset, ") doesn't fit ", tensors[t].sizes(), " and ", slots,
                      " slots");
    layouts[t] = own;
  }
  return layouts;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> Plan(at::TensorList tensors,
                                                                            const at::Tensor& slices, int64_t units) {
  TORCH_CHECK_VALUE(slices.scalar_type() == at::kInt && slices.device().is_cpu() && slices.is_contiguous() &&
                        slices.dim() == 2 && slices.size(1) == kSliceFields,
                    "slices must be an int32 tensor [n, ", kSliceFields, "] on the CPU, not ", slices.toString(), " ",
                    slices.sizes());
  const auto* slice = reinterpret_cast<const Slice*>(slices.const_data_ptr<int32_t>());
  const Slice* const end = slice + slices.size(0);

  std::vector<std::vector<bool>> penalised;
  for (const at::Tensor& tensor : tensors) {
    TORCH_CHECK_VALUE(tensor.is_non_overlapping_and_dense(), "a tensor of sizes ", tensor.sizes(), " and strides ",
                      tensor.strides(), " has gaps or overlaps in memory");
    penalised.emplace_back(tensor.dim(), false);
  }
  for (const Slice* s = slice; s != end; s++) {
    const bool known = s->tensor >= 0 && s->tensor < static_cast<int64_t>(tensors.size()) && s->dim >= 0 &&
                       s->dim < tensors[s->tensor].dim() && s->coordinate >= 0 &&
                       s->coordinate < tensors[s->tensor].size(s->dim) && s->unit >= 0 && s->unit < units;
    TORCH_CHECK_VALUE(known, "slice ", s - slice, " (tensor ", s->tensor, ", dimension ", s->dim, ", coordinate ",
                      s->coordinate, ", unit ", s->unit, ") is not there");
    penalised[s->tensor][s->dim] = true;
  }

  at::Tensor layout = at::empty({static_cast<int64_t>(tensors.size()), kLayoutFields}, at::kLong);
  int64_t* field = layout.data_ptr<int64_t>();
  std::vector<Split> splits;
  int64_t slots = 0;
  for (size_t t = 0; t < tensors.size(); t++, field += kLayoutFields) {
    Split split = SplitOf(tensors[t], penalised[t]);
    // A dimension of size 1 lies in no part: its coefficient is one of the columns.
    for (int64_t d = 0; d < tensors[t].dim(); d++) {
      if (tensors[t].size(d) == 1 && penalised[t][d]) split.columns.penalised = true;
    }
    for (Part* part : {&split.rows, &split.columns}) {
      if (!part->penalised) continue;
      part->offset = slots;
      slots += part->size;
    }
    field[0] = split.rows.size;
    field[1] = split.columns.size;
    field[2] = split.rows.offset;
    field[3] = split.columns.offset;
    splits.push_back(std::move(split));
  }
  TORCH_CHECK_VALUE(slots <= kMaxSlots, "the tensors need ", slots, " coefficients, more than ", kMaxSlots);

  std::vector<std::pair<int32_t, int32_t>> slot_units, unit_slots;
  for (const Slice* s = slice; s != end; s++) {
    const at::Tensor& tensor = tensors[s->tensor];
    const Split& split = splits[s->tensor];
    const bool in_rows = std::find(split.rows.dims.begin(), split.rows.dims.end(), s->dim) != split.rows.dims.end();
    ForSlots(tensor, in_rows ? split.rows : split.columns, s->dim, s->coordinate, [&](int64_t slot) {
      slot_units.emplace_back(slot, s->unit);
      if (s->scored != 0) unit_slots.emplace_back(s->unit, slot);
    });
  }
  auto [scatter_begin, scatter_units] = Rows(slot_units, slots);
  auto [gather_begin, gather_slots] = Rows(unit_slots, units);
  return {layout, scatter_begin, scatter_units, gather_begin, gather_slots};
}

}  // namespace espalier::ops
