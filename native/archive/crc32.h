#pragma once

#include <cstdint>
#include <string_view>

namespace espalier::archive {

// CRC-32 of zip.
uint32_t Crc32(std::string_view data);

}  // namespace espalier::archive
