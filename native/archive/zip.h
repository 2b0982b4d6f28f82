#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "archive/limits.h"

namespace espalier::archive {

struct Entry {
  std::string_view name;  // with the archive's folder in front
  uint32_t crc = 0;
  bool stored = false;        // not compressed
  uint64_t start = 0;         // of the packed bytes
  uint64_t size = 0;          // inflated
  std::string_view packed{};  // the content itself when stored
};

// The entries of a zip archive, in their order; empty when the bytes end without a table of contents. No two share a
// byte or a name, and none leaves the file. Throws Refusal. Layout: APPNOTE.TXT 4.3, all little endian.
std::vector<Entry> ReadDirectory(std::string_view bytes, const Limits& limits);

}  // namespace espalier::archive
