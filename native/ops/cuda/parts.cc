#include "ops/cuda/parts.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <tuple>

#include "ops/arguments.h"

namespace espalier::cuda {
namespace {

// AdamW has the most pointers for each tensor.
constexpr size_t kTensorsInPart = kMaxPointers / 4;

int64_t VersionOf(const at::Tensor& tensor) { return tensor.is_inference() ? 0 : tensor._version(); }

// Values made from a tensor's contents. A tensor's address is its own for as long as anybody holds a weak reference.
template <class Detail, class Value>
class Remembered {
 public:
  template <class Make>
  std::shared_ptr<const Value> Of(const at::Tensor& tensor, const Detail& detail, Make make) {
    const std::lock_guard lock(mutex_);
    const std::pair key(tensor.unsafeGetTensorImpl(), detail);
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second.version == VersionOf(tensor)) return found->second.value;
    std::erase_if(entries_, [](const auto& entry) { return entry.second.owner.expired(); });
    auto value = std::make_shared<const Value>(make());
    entries_.insert_or_assign(key, Entry{c10::weak_intrusive_ptr(tensor.getIntrusivePtr()), VersionOf(tensor), value});
    return value;
  }

 private:
  struct Entry {
    c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl> owner;
    int64_t version;
    std::shared_ptr<const Value> value;
  };
  std::mutex mutex_;
  std::map<std::pair<c10::TensorImpl*, Detail>, Entry> entries_;
};

// Never freed: LibTorch may be gone before this library's destructors run.
template <class Detail, class Value>
Remembered<Detail, Value>& Memory() {
  static auto* memory = new Remembered<Detail, Value>;
  return *memory;
}

// Arrays one after the other, each at a multiple of 16 bytes.
class Packed {
 public:
  template <class T>
  size_t Add(const std::vector<T>& values) {
    const size_t start = (bytes_.size() + 15) / 16 * 16;
    bytes_.resize(start + values.size() * sizeof(T));
    if (!values.empty()) std::memcpy(bytes_.data() + start, values.data(), values.size() * sizeof(T));
    return start;
  }
  at::Tensor To(at::Device device) const {
    const at::Tensor host = at::empty({static_cast<int64_t>(bytes_.size())}, at::kByte);
    std::copy(bytes_.begin(), bytes_.end(), host.data_ptr<uint8_t>());
    return host.to(device);
  }

 private:
  std::vector<uint8_t> bytes_;
};

Part MakePart(size_t first, const std::vector<ops::Layout>& layouts, at::Device device) {
  for (const ops::Layout& layout : layouts) {
    TORCH_CHECK_VALUE(layout.rows * layout.columns < INT64_C(1) << 31, "a weight of ", layout.rows, " x ",
                      layout.columns, " elements is too large: the limit is 2^31");
  }
  const Tables tables = MakeTables(layouts);
  Packed packed;
  const size_t tensors = packed.Add(tables.tensors), chunks = packed.Add(tables.chunks);
  const size_t tiles = packed.Add(tables.tiles), slot_blocks = packed.Add(tables.slot_blocks);
  const at::Tensor memory = packed.To(device);
  const uint8_t* base = memory.const_data_ptr<uint8_t>();
  const auto size = [](const auto& values) { return static_cast<uint32_t>(values.size()); };
  const DeviceTables there{reinterpret_cast<const TensorDesc*>(base + tensors),
                           reinterpret_cast<const uint32_t*>(base + chunks),
                           reinterpret_cast<const uint32_t*>(base + tiles),
                           reinterpret_cast<const SlotBlock*>(base + slot_blocks),
                           size(tables.tensors),
                           size(tables.chunks),
                           size(tables.tiles),
                           size(tables.slot_blocks)};
  return {first, layouts.size(), there, tables.partials, memory};
}

enum class Check { kRowStarts, kColumns, kGroups };

template <class Body>
void Once(Check check, const at::Tensor& tensor, int64_t first, int64_t second, Body body) {
  Memory<std::tuple<Check, int64_t, int64_t>, bool>().Of(tensor, {check, first, second}, [&] {
    body();
    return true;
  });
}

}  // namespace

std::shared_ptr<const Parts> PartsOf(const at::Tensor& layout, const std::vector<ops::Layout>& layouts,
                                     at::Device device) {
  return Memory<c10::DeviceIndex, Parts>().Of(layout, device.index(), [&] {
    Parts parts;
    for (size_t first = 0; first < layouts.size(); first += kTensorsInPart) {
      const size_t last = std::min(first + kTensorsInPart, layouts.size());
      parts.push_back(MakePart(first, {layouts.begin() + first, layouts.begin() + last}, device));
    }
    return parts;
  });
}

void CheckSparseOnce(const at::Tensor& begins, const at::Tensor& columns, int64_t rows, int64_t limit) {
  Once(Check::kRowStarts, begins, rows, columns.numel(),
       [&] { ops::CheckRowStarts(begins.cpu(), rows, columns.numel()); });
  Once(Check::kColumns, columns, limit, 0, [&] { ops::CheckColumns(columns.cpu(), limit); });
}

void CheckGroupsOnce(const at::Tensor& groups, int64_t units) {
  Once(Check::kGroups, groups, units, 0, [&] { ops::CheckGroups(groups.cpu(), units); });
}

}  // namespace espalier::cuda
