#include "archive/crc32.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace espalier::archive {
namespace {

using Table = std::array<std::array<uint32_t, 256>, 8>;

constexpr Table MakeTable() {
  Table table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ ((value & 1) ? 0xEDB88320u : 0);
    table[0][i] = value;
  }
  for (size_t k = 1; k < 8; k++) {
    for (size_t i = 0; i < 256; i++) table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xFF];
  }
  return table;
}

constexpr Table kTable = MakeTable();

}  // namespace

// Eight bytes a step.
uint32_t Crc32(std::string_view data) {
  uint32_t crc = 0xFFFFFFFFu;
  const auto* p = reinterpret_cast<const unsigned char*>(data.data());
  size_t n = data.size();
  for (; n >= 8; n -= 8, p += 8) {
    uint32_t low = 0, high = 0;
    std::memcpy(&low, p, 4);
    std::memcpy(&high, p + 4, 4);
    low ^= crc;
    crc = kTable[7][low & 0xFF] ^ kTable[6][(low >> 8) & 0xFF] ^ kTable[5][(low >> 16) & 0xFF] ^ kTable[4][low >> 24] ^
          kTable[3][high & 0xFF] ^ kTable[2][(high >> 8) & 0xFF] ^ kTable[1][(high >> 16) & 0xFF] ^
          kTable[0][high >> 24];
  }
  for (; n > 0; n--, p++) crc = (crc >> 8) ^ kTable[0][(crc ^ *p) & 0xFF];
  return ~crc;
}

}  // namespace espalier::archive
