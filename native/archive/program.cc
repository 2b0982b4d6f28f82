#include "archive/program.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "archive/names.h"
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

// Gathers the definitions out of a program's words. `class` and `def` are no names anywhere.
class Outline {
 public:
  explicit Outline(std::string_view module) : module_(module) {}

  std::vector<Definition> Take() {
    Leave();
    return std::move(definitions_);
  }

  // `column` is that of the line.
  void Word(std::string_view word, size_t column) {
    if (word == "class" || word == "def") {
      Leave();
      expected_ = word == "class" ? Expected::kClass : Expected::kFunction;
      column_ = column;
    } else if (expected_ != Expected::kNothing) {
      Begin(Lower(word));
      expected_ = Expected::kNothing;
    } else if (dot_ && !path_.empty()) {
      path_ += "." + Lower(word);
      if (InFunction()) definitions_.back().functions.back().calls.insert(Lower(word));
    } else {
      Leave();
      path_ = Lower(word);
      if (dot_ && InFunction()) definitions_.back().functions.back().calls.insert(path_);
    }
    dot_ = false;
  }
  void Mark(char mark) {
    if (mark != '.') Leave();
    dot_ = mark == '.';
  }
  void Deep(uint64_t depth) {
    if (definitions_.empty()) return;
    uint64_t& nesting = InFunction() ? definitions_.back().functions.back().nesting : definitions_.back().nesting;
    nesting = std::max(nesting, depth);
  }

 private:
  enum class Expected { kNothing, kClass, kFunction };

  bool InFunction() const { return !definitions_.empty() && !definitions_.back().functions.empty(); }

  void Begin(const std::string& name) {
    const bool method = expected_ == Expected::kFunction && class_column_ && column_ > *class_column_;
    if (!method) definitions_.emplace_back().name = module_ + "." + name;
    if (expected_ == Expected::kFunction) {
      definitions_.back().functions.emplace_back().name = name;
      if (!method) class_column_.reset();
    } else {
      class_column_ = column_;
    }
  }

  // The name that ends here.
  void Leave() {
    if (path_.empty()) return;
    if (path_ == "namedtuple" && !definitions_.empty()) definitions_.back().tuple = true;
    if (!definitions_.empty() && path_.find('.') != std::string::npos) definitions_.back().uses[path_]++;
    path_.clear();
  }

  const std::string module_;
  std::vector<Definition> definitions_;
  Expected expected_ = Expected::kNothing;
  size_t column_ = 0;
  std::optional<size_t> class_column_;
  std::string path_;  // a qualified name so far
  bool dot_ = false;  // the last mark was one
};

// A bound on the depth of the syntax tree at each place: how many brackets are open, plus the operators so far in each
// of them since the last comma, plus the blocks around.
class Depth {
 public:
  Depth(std::string_view source, uint64_t limit, Outline& outline)
      : source_(source), limit_(limit), outline_(outline) {}

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
    outline_.Deep(++depth_);
    if (depth_ <= limit_) return;
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
    if (c != ' ' && c != '\t' && c != '\r' && c != '\f') outline_.Mark(c);
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
    outline_.Word(word, blocks_.back().column);
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
  Outline& outline_;
  size_t at_ = 0;
  uint64_t depth_ = 0;
  std::vector<uint64_t> operators_ = {0};  // by open bracket
  std::vector<Block> blocks_ = {{0, 0}};
};

}  // namespace

std::vector<Definition> ReadDefinitions(std::string_view source, std::string_view module, const Limits& limits) {
  Outline outline(Lower(module));
  Depth(source, limits.depth, outline).Check();
  return outline.Take();
}

void CheckProgram(std::string_view source, const Limits& limits) { ReadDefinitions(source, "", limits); }

}  // namespace espalier::archive
