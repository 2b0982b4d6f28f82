#include "archive/check.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "archive/crc32.h"
#include "archive/definitions.h"
#include "archive/names.h"
#include "archive/pickle.h"
#include "archive/program.h"
#include "archive/refusal.h"

namespace espalier::archive {
namespace {

bool EndsWith(std::string_view name, std::string_view end) {
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

constexpr std::string_view kCode = "code/";

bool IsCode(std::string_view name, std::string_view end) {
  return name.substr(0, kCode.size()) == kCode && EndsWith(name, end);
}

// The pickle's tensor data stand in a folder of its name.
std::optional<std::string> FolderOfData(std::string_view name) {
  if (name == "data.pkl" || name == "constants.pkl") return std::string(name.substr(0, name.size() - 4)) + "/";
  return std::nullopt;
}

// code/__torch__/torch/nn.py holds __torch__.torch.nn.
std::string ModuleOf(std::string_view name) {
  std::string module(name.substr(kCode.size(), name.size() - kCode.size() - 3));
  std::replace(module.begin(), module.end(), '/', '.');
  return module;
}

class Checker {
 public:
  Checker(const std::vector<Entry>& entries, const Inflate& inflate, const IsDebug& is_debug, const Limits& limits)
      : inflate_(inflate), is_debug_(is_debug), limits_(limits), root_(Root(entries)) {
    for (const Entry& entry : entries) sizes_.emplace(Lower(entry.name), entry.size);
  }

  void Check(const Entry& entry) {
    // What is beside the archive's folder is never read.
    if (entry.name.substr(0, root_.size()) != root_) return;
    // LibTorch looks names up whatever their case.
    const std::string name = Lower(entry.name.substr(root_.size()));
    // Sources have pickles of their own, for messages.
    if (IsCode(name, ".debug_pkl")) {
      if (!IsSoundDebug(entry)) damaged_.push_back(entry);
      return;
    }
    std::string inflated;
    const std::string_view content = Content(entry, inflated);
    if (const auto folder = FolderOfData(name)) {
      const StorageSize size = [&](std::string_view key) { return SizeOf(*folder, key); };
      memory_ += CheckPickle(content, size, limits_);
      if (memory_ > limits_.memory) {
        throw OverLimit("its values need more than " + std::to_string(limits_.memory) + " bytes of memory", "memory");
      }
    } else if (IsCode(name, ".py")) {
      auto found = ReadDefinitions(content, ModuleOf(name), limits_);
      std::move(found.begin(), found.end(), std::back_inserter(definitions_));
    } else if (name == "model.json") {
      throw Refusal("the archive is of a format that was given up before PyTorch 1.0", "save it again in Python");
    }
  }

  void CheckWhole() const { CheckDefinitions(definitions_, limits_); }
  std::vector<Entry> TakeDamaged() { return std::move(damaged_); }

 private:
  // `inflated` holds it where the archive itself does not.
  std::string_view Content(const Entry& entry, std::string& inflated) const {
    if (!entry.stored) {
      try {
        inflated = inflate_(entry);
      } catch (const std::bad_alloc&) {
        throw;
      } catch (const std::exception&) {
        throw Damaged(Quoted(entry.name) + " does not inflate");
      }
    }
    const std::string_view content = entry.stored ? entry.packed : inflated;
    if (Crc32(content) != entry.crc) throw Damaged("the checksum of its record " + Quoted(entry.name) + " is wrong");
    return content;
  }

  bool IsSoundDebug(const Entry& entry) const {
    try {
      std::string inflated;
      const std::string_view content = Content(entry, inflated);
      CheckPickle(
          content, [](std::string_view) { return std::optional<uint64_t>(); }, limits_);
      return is_debug_(content);
    } catch (const Refusal&) {
      return false;
    }
  }

  std::optional<uint64_t> SizeOf(const std::string& folder, std::string_view key) const {
    if (key.find('\0') != std::string_view::npos) return std::nullopt;
    const auto found = sizes_.find(Lower(std::string(root_) + folder + std::string(key)));
    if (found == sizes_.end()) return std::nullopt;
    return found->second;
  }

  const Inflate& inflate_;
  const IsDebug& is_debug_;
  const Limits& limits_;
  const std::string_view root_;
  std::unordered_map<std::string, uint64_t> sizes_;
  uint64_t memory_ = 0;
  std::vector<Definition> definitions_;
  std::vector<Entry> damaged_;
};

}  // namespace

std::string_view Root(const std::vector<Entry>& entries) {
  if (entries.empty()) return {};
  const std::string_view first = entries.front().name;
  const size_t slash = first.find('/');
  return slash == std::string_view::npos ? std::string_view() : first.substr(0, slash + 1);
}

bool HasEntry(const std::vector<Entry>& entries, std::string_view part) {
  const std::string_view root = Root(entries);
  return std::any_of(entries.begin(), entries.end(), [&](const Entry& entry) {
    return entry.name.substr(0, root.size()) == root && entry.name.substr(root.size(), part.size()) == part;
  });
}

std::vector<Entry> CheckEntries(const std::vector<Entry>& entries, const Inflate& inflate, const IsDebug& is_debug,
                                const Limits& limits) {
  Checker checker(entries, inflate, is_debug, limits);
  for (const Entry& entry : entries) checker.Check(entry);
  checker.CheckWhole();
  return checker.TakeDamaged();
}

}  // namespace espalier::archive
