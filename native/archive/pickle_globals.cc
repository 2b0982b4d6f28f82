#include "archive/pickle_globals.h"

namespace espalier::archive {
namespace {

struct Known {
  std::string_view module, name;
  Global global;
};

constexpr Known kKnown[] = {
    {"torch._utils", "_rebuild_tensor_v2", {Call::kTensor}},
    {"torch._utils", "_rebuild_qtensor", {Call::kQuantizedTensor}},
    {"torch._utils", "_rebuild_sparse_tensor", {Call::kSparseTensor}},
    {"torch.jit._pickle", "build_intlist", {Call::kTyped}},
    {"torch.jit._pickle", "build_tensorlist", {Call::kTyped}},
    {"torch.jit._pickle", "build_doublelist", {Call::kTyped}},
    {"torch.jit._pickle", "build_boollist", {Call::kTyped}},
    {"torch.jit._pickle", "restore_type_tag", {Call::kTyped}},
    {"builtins", "complex", {Call::kScalar}},
    {"collections", "OrderedDict", {Call::kNone}},
    {"torch", "device", {Call::kScalar}},
    {"torch", "ByteStorage", {Call::kNothing, 1}},
    {"torch", "CharStorage", {Call::kNothing, 1}},
    {"torch", "BoolStorage", {Call::kNothing, 1}},
    {"torch", "ShortStorage", {Call::kNothing, 2}},
    {"torch", "IntStorage", {Call::kNothing, 4}},
    {"torch", "LongStorage", {Call::kNothing, 8}},
    {"torch", "HalfStorage", {Call::kNothing, 2}},
    {"torch", "BFloat16Storage", {Call::kNothing, 2}},
    {"torch", "FloatStorage", {Call::kNothing, 4}},
    {"torch", "DoubleStorage", {Call::kNothing, 8}},
    {"torch", "ComplexHalfStorage", {Call::kNothing, 4}},
    {"torch", "ComplexFloatStorage", {Call::kNothing, 8}},
    {"torch", "ComplexDoubleStorage", {Call::kNothing, 16}},
    {"torch", "QInt8Storage", {Call::kNothing, 1}},
    {"torch", "QUInt8Storage", {Call::kNothing, 1}},
    {"torch", "QInt32Storage", {Call::kNothing, 4}},
    {"torch", "UInt16Storage", {Call::kNothing, 2}},
    {"torch", "UInt32Storage", {Call::kNothing, 4}},
    {"torch", "UInt64Storage", {Call::kNothing, 8}},
    {"torch", "Float8_e5m2Storage", {Call::kNothing, 1}},
    {"torch", "Float8_e4m3fnStorage", {Call::kNothing, 1}},
    {"torch", "Float8_e5m2fnuzStorage", {Call::kNothing, 1}},
    {"torch", "Float8_e4m3fnuzStorage", {Call::kNothing, 1}},
    {"torch", "per_tensor_affine", {}},
    {"torch", "per_channel_affine", {}},
    {"torch", "per_tensor_symmetric", {}},
    {"torch", "per_channel_symmetric", {}},
    {"torch", "per_channel_affine_float_qparams", {}},
};

}  // namespace

std::optional<Global> FindGlobal(std::string_view module, std::string_view name) {
  for (const Known& known : kKnown) {
    if (known.module == module && known.name == name) return known.global;
  }
  // The classes of the program, which LibTorch looks up in its code.
  if (module == "__torch__" || module.substr(0, 10) == "__torch__.") return Global{Call::kObject};
  return std::nullopt;
}

}  // namespace espalier::archive
