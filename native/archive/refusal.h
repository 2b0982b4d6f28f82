#pragma once

#include <exception>
#include <string>
#include <utility>

// What stands in an archive, read without LibTorch: its own readers trust what they read, and recurse.
namespace espalier::archive {

// The archive is damaged or hostile; or whole, but more than a limit allows.
struct Refusal : std::exception {
  Refusal(std::string message, std::string hint) : message(std::move(message)), hint(std::move(hint)) {}
  const char* what() const noexcept override { return message.c_str(); }

  std::string message;
  std::string hint;
  bool limit = false;
};

inline Refusal Damaged(const std::string& what) { return Refusal("the archive is damaged: " + what, "copy it again"); }

inline Refusal OverLimit(const std::string& what, const char* option) {
  Refusal refusal(what, std::string("if you trust the file, load it with a larger limits.") + option);
  refusal.limit = true;
  return refusal;
}

}  // namespace espalier::archive
