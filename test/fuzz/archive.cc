// libFuzzer's entry to the archive reader: any bytes are accepted or refused.

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "archive/check.h"
#include "archive/pickle.h"
#include "archive/program.h"
#include "archive/refusal.h"
#include "archive/zip.h"

using namespace espalier::archive;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Limits limits;
  limits.memory = 1 << 26;
  try {
    if (data[0] % 3 == 0) {
      const auto entries = ReadDirectory(bytes, limits);
      HasEntry(entries, "data.pkl");
      CheckEntries(
          entries, [](const Entry&) -> std::string { throw std::runtime_error("not inflated here"); },
          [](std::string_view) { return true; }, limits);
    } else if (data[0] % 3 == 1) {
      CheckPickle(bytes, [](std::string_view key) { return std::optional<uint64_t>(key.size() * 100); }, limits);
    } else {
      CheckProgram(bytes, limits);
    }
  } catch (const Refusal&) {
  }
  return 0;
}
