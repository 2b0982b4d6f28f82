#include "archive/program.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "archive/refusal.h"

namespace espalier::archive {
namespace {

constexpr std::string_view kOperators = "+-*/%@<>=!&|^~.?:";

bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool IsOperatorWord(std::string_view word) {
  return word == "if" || word == "else" || word == "not" || word == "and" || word == "or" || word == "in" ||
         word == "is" || word == "for" || word == "lambda";
}

// A bound on the depth of the syntax tree at each place: how many brackets are open, plus the operators so far in each
// of them since the last comma, plus the blocks around.
class Depth {
 public:
  Depth(std::string_view source, uint64_t limit) : source_(source), limit_(limit) {}

  void Check() {
    bool fresh = true;  // at the start of a line
    while (at_ < source_.size()) {
      if (fresh && operators_.size() == 1) Indent();
      fresh = false;
      if (at_ == source_.size()) return;
      const char c = source_[at_];
      if (c == '#') {
        at_ = std::min(source_.find('\n', at_), source_.size());
      } else if (c == '"' || c == '\'') {
        String();
      } else if (c == '\\' && source_.substr(at_ + 1, 1) == "\n") {
        at_ += 2;
      } else if (c == '\n') {
        if (operators_.size() == 1) Reset();
        fresh = true;
        at_++;
      } else if (IsWord(c)) {
        Word();
      } else {
        Mark(c);
        at_++;
      }
    }
  }

 private:
  void Deeper() {
    if (++depth_ <= limit_) return;
    throw OverLimit("its program is nested more than " + std::to_string(limit_) + " deep", "depth");
  }
  void Reset() {
    depth_ -= operators_.back();
    operators_.back() = 0;
  }
  void Operator() {
    operators_.back()++;
    Deeper();
  }

  void Mark(char c) {
    if (c == '(' || c == '[' || c == '{') {
      Operator();
      operators_.push_back(0);
    } else if (c == ')' || c == ']' || c == '}') {
      if (operators_.size() == 1) return;  // the parser refuses it
      Reset();
      operators_.pop_back();
    } else if (c == ',' || c == ';') {
      Reset();
    } else if (kOperators.find(c) != std::string_view::npos) {
      Operator();
    }
  }

  void Word() {
    const size_t start = at_;
    while (at_ < source_.size() && IsWord(source_[at_])) at_++;
    const std::string_view word = source_.substr(start, at_ - start);
    // An elif is a branch within the branch before it.
    if (word == "elif") {
      blocks_.back().chained++;
      Deeper();
    } else if (IsOperatorWord(word)) {
      Operator();
    }
  }

  // Past the string that starts here, or to the end of its line.
  void String() {
    const char quote = source_[at_];
    const std::string triple(3, quote);
    if (source_.substr(at_, 3) == triple) {
      const size_t end = source_.find(triple, at_ + 3);
      at_ = end == std::string_view::npos ? source_.size() : end + 3;
      return;
    }
    for (at_++; at_ < source_.size() && source_[at_] != '\n'; at_++) {
      if (source_[at_] == '\\') {
        at_++;
      } else if (source_[at_] == quote) {
        at_++;
        return;
      }
    }
    at_ = std::min(at_, source_.size());
  }

  void Indent() {
    size_t column = 0;
    for (; at_ < source_.size(); at_++) {
      const char c = source_[at_];
      if (c != ' ' && c != '\t' && c != '\r' && c != '\f') break;
      column += c == '\t' ? 8 : 1;
    }
    if (at_ >= source_.size() || source_[at_] == '\n' || source_[at_] == '#') return;
    while (blocks_.size() > 1 && blocks_.back().column > column) Leave();
    if (blocks_.back().column < column) {
      blocks_.push_back({column, 0});
      Deeper();
    }
    const bool goes_on = source_.substr(at_, 4) == "elif" || source_.substr(at_, 4) == "else";
    if (!goes_on) Unchain();
  }
  void Leave() {
    Unchain();
    blocks_.pop_back();
    depth_--;
  }
  void Unchain() {
    depth_ -= blocks_.back().chained;
    blocks_.back().chained = 0;
  }

  struct Block {
    size_t column;
    uint64_t chained;
  };

  std::string_view source_;
  const uint64_t limit_;
  size_t at_ = 0;
  uint64_t depth_ = 0;
  std::vector<uint64_t> operators_ = {0};  // by open bracket
  std::vector<Block> blocks_ = {{0, 0}};
};

}  // namespace

void CheckProgram(std::string_view source, const Limits& limits) { Depth(source, limits.depth).Check(); }

}  // namespace espalier::archive
