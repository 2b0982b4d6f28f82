#include "script/error.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace espalier::script {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view Trim(std::string_view line) {
  const size_t begin = line.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kBlank) - begin + 1);
}

// "RuntimeError: what is wrong" gives what is wrong, or the name where nothing is said.
std::optional<std::string_view> AfterErrorName(std::string_view line) {
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  const bool is_name =
      name.find(' ') == std::string_view::npos && (name.ends_with("Error") || name.ends_with("Exception"));
  if (colon == std::string_view::npos || !is_name) return std::nullopt;
  const std::string_view rest = Trim(line.substr(colon + 1));
  return rest.empty() ? name : rest;
}

// LibTorch's own frames: "Exception raised from check at ../file.cpp:1 (most recent call first):", "frame #0: …".
bool IsOfStack(std::string_view line) {
  return line.starts_with("Exception raised from ") || line.starts_with("frame #");
}

// 'isTensor() INTERNAL ASSERT FAILED at "/file.h":113, please report a bug to PyTorch. Expected Tensor but got Int':
// what was expected, not where.
std::string_view WithoutPlace(std::string_view line) {
  constexpr std::string_view kPlace = " INTERNAL ASSERT FAILED at ", kReport = "please report a bug to PyTorch.";
  if (line.find(kPlace) == std::string_view::npos) return line;
  const size_t report = line.find(kReport);
  const std::string_view said = report == std::string_view::npos ? "" : Trim(line.substr(report + kReport.size()));
  return said.empty() ? line.substr(0, line.find(kPlace) + kPlace.find(" at ")) : said;
}

// "<Object at 0x55d0c0ffee00>" differs from run to run, and tells nobody anything.
std::string WithoutAddresses(std::string_view line) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr size_t kAddress = 6;  // hexadecimal digits: shorter ones are numbers
  std::string text;
  for (size_t at = 0; at < line.size();) {
    const size_t start = std::min(line.find("0x", at), line.size());
    text += line.substr(at, start - at);
    if (start == line.size()) break;
    const size_t end = std::min(line.find_first_not_of(kDigits, start + 2), line.size());
    text += end - start - 2 < kAddress ? line.substr(start, end - start) : "0x...";
    at = end;
  }
  return text;
}

}  // namespace

std::string FirstLine(const std::string& text) {
  std::string_view first, last_error;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = Trim(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    if (line.empty() || IsOfStack(line)) continue;
    if (first.empty()) first = line;
    if (const auto said = AfterErrorName(line)) last_error = *said;
  }
  if (first.empty()) return "LibTorch failed without a message";
  // The interpreter puts its traceback before what is wrong.
  const bool traced = first.find("TorchScript interpreter") != std::string_view::npos && !last_error.empty();
  return WithoutAddresses(WithoutPlace(traced ? last_error : first));
}

}  // namespace espalier::script
