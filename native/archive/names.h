#pragma once

#include <string>
#include <string_view>

namespace espalier::archive {

// For messages: short, and nothing that a terminal would obey.
inline std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text.substr(0, 80)) quoted += c < ' ' || c > '~' ? '?' : c;
  return quoted + (text.size() > 80 ? "…'" : "'");
}

// ASCII only, as LibTorch's comparison of names.
inline std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

}  // namespace espalier::archive
