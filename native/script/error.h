#pragma once

#include <exception>
#include <string>
#include <utility>

namespace espalier::script {

// What went wrong while a module was read, recorded or cut. The codes are those of lib/errors.ts; this folder knows
// nothing of Node, so the binding turns it into an error of JavaScript.
struct Error : std::exception {
  Error(std::string code, std::string message, std::string detail = "")
      : code(std::move(code)), message(std::move(message)), detail(std::move(detail)) {}
  const char* what() const noexcept override { return message.c_str(); }

  std::string code;
  std::string message;
  std::string detail;  // the full text behind the message; empty for none
};

// The first line of a LibTorch error that says something; the rest is stack traces.
std::string FirstLine(const std::string& text);

}  // namespace espalier::script
