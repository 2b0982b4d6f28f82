#include "archive/zip.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_set>

#include "archive/names.h"
#include "archive/refusal.h"

namespace espalier::archive {
namespace {

struct Directory {
  uint64_t count = 0, start = 0, end = 0;
};

struct Range {
  uint64_t start, end;
};

class Reader {
 public:
  Reader(std::string_view bytes, const Limits& limits) : bytes_(bytes), limits_(limits) {}

  std::vector<Entry> Entries() {
    const std::optional<Directory> directory = FindDirectory();
    if (!directory) return {};
    if (directory->count > limits_.entries) {
      throw OverLimit("the archive has " + std::to_string(directory->count) + " entries, more than " +
                          std::to_string(limits_.entries),
                      "entries");
    }
    std::vector<Entry> entries;
    uint64_t offset = directory->start;
    for (uint64_t i = 0; i < directory->count; i++) {
      if (!Fits(offset, 46) || Number(offset, 4) != 0x02014b50) return {};
      entries.push_back(Read(offset));
      offset += 46 + Number(offset + 28, 2) + Number(offset + 30, 2) + Number(offset + 32, 2);
    }
    ranges_.push_back({directory->start, directory->end});
    RefuseShared(entries);
    RefuseBombs(entries);
    return entries;
  }

 private:
  bool Fits(uint64_t at, uint64_t size) const { return at <= bytes_.size() && size <= bytes_.size() - at; }

  uint64_t Number(uint64_t at, int width) const {
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; i--) value = value << 8 | static_cast<unsigned char>(bytes_[at + i]);
    return value;
  }

  std::optional<Directory> FindDirectory() const {
    constexpr size_t kEndSize = 22;
    if (bytes_.size() < kEndSize) return std::nullopt;
    const size_t lowest = bytes_.size() - std::min<size_t>(bytes_.size(), kEndSize + 65535);
    size_t end = bytes_.size() - kEndSize + 1;
    do {
      if (end == lowest) return std::nullopt;
      end--;
    } while (Number(end, 4) != 0x06054b50);
    Directory found{Number(end + 10, 2), Number(end + 16, 4), end};
    if (end >= 20 && Number(end - 20, 4) == 0x07064b50) {  // zip64
      const uint64_t end64 = Number(end - 12, 8);
      if (!Fits(end64, 56) || Number(end64, 4) != 0x06064b50) return std::nullopt;
      found.count = Number(end64 + 32, 8);
      found.start = Number(end64 + 48, 8);
      found.end = end64;
    }
    if (found.start > found.end) return std::nullopt;
    return found;
  }

  Entry Read(uint64_t at) {
    uint64_t packed_size = Number(at + 20, 4), size = Number(at + 24, 4), local = Number(at + 42, 4);
    const uint64_t name_size = Number(at + 28, 2), extra_size = Number(at + 30, 2);
    if (!Fits(at, 46 + name_size + extra_size)) throw Damaged("its table of contents is cut short");
    Entry entry;
    entry.name = bytes_.substr(at + 46, name_size);
    if (entry.name.find('\0') != std::string_view::npos) throw Damaged("a name in it holds a NUL");
    entry.crc = static_cast<uint32_t>(Number(at + 16, 4));
    const uint64_t method = Number(at + 10, 2);
    if (method != 0 && method != 8) throw Damaged(Quoted(entry.name) + " is packed in an unknown way");
    if ((Number(at + 8, 2) & 1) != 0) throw Damaged(Quoted(entry.name) + " is encrypted");
    entry.stored = method == 0;
    // Numbers that need 64 bits stand, in this order, in the extra field 1.
    const uint64_t extra_end = at + 46 + name_size + extra_size;
    for (uint64_t field = at + 46 + name_size; field + 4 <= extra_end; field += 4 + Number(field + 2, 2)) {
      if (Number(field, 2) != 1) continue;
      uint64_t next = field + 4;
      for (uint64_t* value : {&size, &packed_size, &local}) {
        if (*value != 0xFFFFFFFF) continue;
        if (next + 8 > extra_end) throw Damaged("a size of " + Quoted(entry.name) + " is missing");
        *value = Number(next, 8);
        next += 8;
      }
      break;
    }
    if (!Fits(local, 30) || Number(local, 4) != 0x04034b50) {
      throw Damaged(Quoted(entry.name) + " is not where its table of contents says");
    }
    entry.start = local + 30 + Number(local + 26, 2) + Number(local + 28, 2);
    if (!Fits(entry.start, packed_size) || (entry.stored && packed_size != size)) {
      throw Damaged(Quoted(entry.name) + " is not as large as its table of contents says");
    }
    // Deflate gives at most 1032 bytes for one.
    if (size / 1032 > packed_size + 1) throw Damaged(Quoted(entry.name) + " claims more than its bytes can hold");
    entry.size = size;
    entry.packed = bytes_.substr(entry.start, packed_size);
    ranges_.push_back({local, entry.start + packed_size});
    return entry;
  }

  // LibTorch looks names up whatever their case.
  void RefuseShared(const std::vector<Entry>& entries) {
    std::unordered_set<std::string> names;
    for (const Entry& entry : entries) {
      if (!names.insert(Lower(entry.name)).second) throw Damaged("it holds " + Quoted(entry.name) + " twice");
    }
    std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.start < b.start; });
    for (size_t i = 1; i < ranges_.size(); i++) {
      if (ranges_[i].start < ranges_[i - 1].end) throw Damaged("two of its entries share their bytes");
    }
  }

  void RefuseBombs(const std::vector<Entry>& entries) const {
    uint64_t inflated = 0;
    for (const Entry& entry : entries) {
      if (entry.stored) continue;
      if (entry.size > limits_.inflated || (inflated += entry.size) > limits_.inflated) {
        throw OverLimit("its compressed entries inflate to more than " + std::to_string(limits_.inflated) + " bytes",
                        "inflated");
      }
    }
  }

  std::string_view bytes_;
  const Limits& limits_;
  std::vector<Range> ranges_;
};

}  // namespace

std::vector<Entry> ReadDirectory(std::string_view bytes, const Limits& limits) {
  return Reader(bytes, limits).Entries();
}

}  // namespace espalier::archive
