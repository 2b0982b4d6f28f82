// Operators whose kernels take values of tensors for places: of labels, rows, steps.

#include <ATen/Functions.h>

#include <string>

#include "script/checks/unchecked.h"

namespace espalier::script {

using c10::IValue;

namespace {

// Its values are at hand, and a look at them costs little.
bool Known(const IValue& value) { return value.isTensor() && value.toTensor().defined() && value.toTensor().is_cpu(); }

bool All(const at::Tensor& tensor) { return tensor.all().item<bool>(); }
bool AllAtLeast(const at::Tensor& tensor, int64_t least) { return All(tensor.ge(least)); }
bool Descends(const at::Tensor& tensor) { return All(tensor.slice(0, 1).le(tensor.slice(0, 0, -1))); }

int64_t LongestOf(const at::Tensor& lengths) { return lengths.numel() == 0 ? 0 : lengths.max().item<int64_t>(); }

// Labels within their lengths; what stands after them is never read.
void Labels(const Call& call) {
  const at::Tensor scores = call.At("log_probs").toTensor();
  if (!Known(call.At("targets")) || scores.dim() < 2) return;
  at::Tensor labels = call.At("targets").toTensor();
  const IValue& given = call.At("target_lengths");
  if (given.isTensor() && !Known(given)) return;
  at::Tensor lengths = given.isTensor() ? given.toTensor().to(at::kLong).flatten()
                                        : at::tensor(given.toIntVector(), at::TensorOptions(at::kLong));
  if (labels.dim() == 2) {
    if (labels.size(0) != lengths.numel() || LongestOf(lengths) > labels.size(1)) return;  // LibTorch says so
    labels = labels.masked_select(at::arange(labels.size(1)).lt(lengths.unsqueeze(1)));
  }
  const int64_t classes = scores.size(-1);
  TORCH_CHECK(All(labels.ge(0).logical_and(labels.lt(classes))), "a label that is none of ", classes, " classes");
}

// How many sequences go on at each step: never more than before.
void Steps(const Call& call) {
  if (!Known(call.At("batch_sizes"))) return;
  const at::Tensor steps = call.At("batch_sizes").toTensor();
  const at::Tensor packed = call.At("data").toTensor();
  TORCH_CHECK(steps.dim() == 1 && steps.scalar_type() == at::kLong && steps.numel() > 0, "packed steps of shape ",
              steps.sizes());
  const bool fits = AllAtLeast(steps, 1) && Descends(steps) && packed.dim() > 0 &&
                    steps.le(packed.size(0)).all().item<bool>() && steps.sum().item<int64_t>() == packed.size(0);
  TORCH_CHECK(fits, "the steps of a packed sequence do not add up to its ", packed.dim() > 0 ? packed.size(0) : 0,
              " rows, or one has more sequences than the one before");
}

void PackedSequence(const Call& call) {
  if (call.Has("batch_sizes")) Steps(call);
}

// LibTorch checks lengths unless it is told not to, and never offsets.
void Segments(const Call& call) {
  const at::Tensor data = call.At("data").toTensor();
  const int64_t axis = call.At("axis").toInt();
  for (const char* name : {"lengths", "offsets"}) {
    if (!Known(call.At(name))) continue;
    const at::Tensor parts = call.At(name).toTensor();
    const int64_t at = parts.dim() - 1;
    TORCH_CHECK(axis == at && axis < data.dim() && !c10::isFloatingType(parts.scalar_type()), "segments of shape ",
                parts.sizes(), " along dimension ", axis, " of ", data.dim());
    for (int64_t d = 0; d < axis; ++d) {
      TORCH_CHECK(parts.size(d) == data.size(d), "segments of shape ", parts.sizes(), " of data of shape ",
                  data.sizes());
    }
    if (parts.numel() == 0) continue;
    const int64_t rows = data.size(axis);
    const at::Tensor lengths = name[0] == 'l' ? parts : parts.diff(1, at);
    const bool inside = AllAtLeast(parts, 0) && All(parts.le(rows)) && AllAtLeast(lengths, 0);
    TORCH_CHECK(inside && All(lengths.sum(at).le(rows)), "segments that do not fit ", rows, " rows");
  }
}

void RowsToCounts(const Call& call) {
  if (!Known(call.Place(0))) return;
  const int64_t rows = call.At("size").toInt();
  const at::Tensor indices = call.Place(0).toTensor();
  const bool sorted = indices.dim() == 1 && All(indices.slice(0, 1).ge(indices.slice(0, 0, -1)));
  TORCH_CHECK(sorted && All(indices.ge(0).logical_and(indices.lt(rows))), "indices that are not sorted, or none of ",
              rows, " rows");
}

void CountsToRows(const Call& call) {
  if (!Known(call.Place(0)) || !Known(call.Place(1))) return;
  const at::Tensor counts = call.Place(0).toTensor(), columns = call.Place(1).toTensor();
  const bool shaped = counts.dim() >= 1 && columns.dim() == counts.dim() && counts.size(-1) > 0 &&
                      counts.sizes().slice(0, counts.dim() - 1) == columns.sizes().slice(0, counts.dim() - 1);
  TORCH_CHECK(shaped && AllAtLeast(counts.diff(), 0) && All(counts.select(-1, 0).eq(0)) &&
                  All(counts.select(-1, -1).eq(columns.size(-1))),
              "compressed indices that do not count ", columns.numel(), " values");
}

void SparseIndices(const Call& call) {
  at::_validate_sparse_coo_tensor_args(call.At("indices").toTensor(), call.At("values").toTensor(),
                                       call.At("size").toIntVector());
}

// Where the largest of each window was found.
void Maxima(const Call& call) {
  if (!Known(call.At("indices"))) return;
  const at::Tensor input = call.At("self").toTensor(), indices = call.At("indices").toTensor();
  const int64_t dims = call.Schema().name().find("3d") != std::string::npos ? 3 : 2;
  TORCH_CHECK(input.dim() > dims && indices.scalar_type() == at::kLong, call.Schema().name(), ": an input of shape ",
              input.sizes());
  int64_t places = 1;
  for (int64_t d = 1; d <= dims; ++d) places *= input.size(-d);
  TORCH_CHECK(All(indices.ge(0).logical_and(indices.lt(places))), "indices that are none of ", places, " places");
}

// Where each bag begins.
void Bags(const Call& call) {
  if (!Known(call.At("offsets"))) return;
  const at::Tensor offsets = call.At("offsets").toTensor();
  const int64_t rows = call.At("indices").toTensor().numel();
  if (offsets.numel() == 0) return;
  const bool sorted = offsets.dim() == 1 && All(offsets.slice(0, 1).ge(offsets.slice(0, 0, -1)));
  TORCH_CHECK(sorted && AllAtLeast(offsets, 0) && All(offsets.le(rows)), "bags that do not begin one after another in ",
              rows, " rows");
}

// LAPACK reads out of bounds then.
void Finite(const Call& call) {
  if (!Known(call.Place(0))) return;
  TORCH_CHECK(All(call.Place(0).toTensor().isfinite()), call.Schema().name(), " of values that are not finite");
}

// Tables of 30 bits for each dimension.
void Sobol(const Call& call) {
  constexpr int64_t kDimensions = 21201, kBits = 30;
  const int64_t dimension = call.At("dimension").toInt();
  TORCH_CHECK(dimension > 0 && dimension <= kDimensions, "a Sobol sequence of ", dimension, " dimensions");
  const auto need = [](const IValue& value, at::IntArrayRef shape) {
    const at::Tensor tensor = value.toTensor();
    TORCH_CHECK(tensor.sizes() == shape && tensor.scalar_type() == at::kLong,
                "a Sobol sequence with a tensor of shape ", tensor.sizes(), " where ", shape, " is needed");
  };
  if (call.Has("sobolstate")) {
    TORCH_CHECK(call.At("n").toInt() >= 0 && call.At("num_generated").toInt() >= 0, "a Sobol sequence at ",
                call.At("num_generated").toInt());
    need(call.Place(0), {dimension});
    need(call.At("sobolstate"), {dimension, kBits});
  } else {
    need(call.Place(0), {dimension, kBits});
  }
  if (call.Has("ltm")) need(call.At("ltm"), {dimension, kBits, kBits});
}

}  // namespace

const Checks& ChecksOfValues() {
  static const auto* checks = new Checks{
      {"aten::ctc_loss", Labels},
      {"aten::_ctc_loss", Labels},
      {"aten::_pad_packed_sequence", PackedSequence},
      {"aten::lstm", PackedSequence},
      {"aten::gru", PackedSequence},
      {"aten::rnn_tanh", PackedSequence},
      {"aten::rnn_relu", PackedSequence},
      {"aten::segment_reduce", Segments},
      {"aten::embedding_bag", Bags},
      {"aten::_embedding_bag", Bags},
      {"aten::_embedding_bag_forward_only", Bags},
      {"aten::max_pool2d_with_indices_backward", Maxima},
      {"aten::max_pool3d_with_indices_backward", Maxima},
      {"aten::adaptive_max_pool2d_backward", Maxima},
      {"aten::adaptive_max_pool3d_backward", Maxima},
      {"aten::_convert_indices_from_coo_to_csr", RowsToCounts},
      {"aten::_convert_indices_from_csr_to_coo", CountsToRows},
      {"aten::_sparse_coo_tensor_unsafe", SparseIndices},
      {"aten::_sparse_coo_tensor_with_dims_and_tensors", SparseIndices},
      {"aten::linalg_eigvals", Finite},
      {"aten::_linalg_eigvals", Finite},
      {"aten::_sobol_engine_initialize_state_", Sobol},
      {"aten::_sobol_engine_scramble_", Sobol},
      {"aten::_sobol_engine_ff_", Sobol},
      {"aten::_sobol_engine_draw", Sobol},
  };
  return *checks;
}

}  // namespace espalier::script
