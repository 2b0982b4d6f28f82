#pragma once

// Launches of the kernels on the emulator, in memory that is known, so that they can be recorded.

#include "kernels/emulator.h"
// The macros of the emulator come first.
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ops/cuda/kernels.cuh"

inline emulator::Order order = emulator::Order::kForward;

// All arrays there are, by their address.
inline std::map<const void*, size_t> memory;
inline std::FILE* recording = nullptr;

inline std::string Hex(const void* data, size_t size) {
  static const char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; i++) {
    const unsigned char byte = static_cast<const unsigned char*>(data)[i];
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

template <class T>
std::string Bytes(const T& value) {
  return Hex(&value, sizeof(T));
}

inline std::vector<std::string> Contents() {
  std::vector<std::string> contents;
  for (const auto& [address, size] : memory) contents.push_back(Hex(address, size));
  return contents;
}

// Launches a kernel on the emulator. `name` is what its name has in PTX and no other's has.
template <class... Parameters, class... Arguments>
void Run(const std::string& name, void (*kernel)(Parameters...), size_t blocks, const Arguments&... arguments) {
  const auto launch = [&] {
    emulator::Launch(static_cast<unsigned>(blocks), espalier::cuda::kThreads, order, [&] { kernel(arguments...); });
  };
  if (recording == nullptr) return launch();
  const std::vector<std::string> before = Contents();
  launch();
  const std::vector<std::string> after = Contents();
  std::fprintf(recording, "{\"kernel\":\"%s\",\"blocks\":%zu,\"arguments\":[", name.c_str(), blocks);
  std::string all;
  // Each as the parameter that it becomes.
  ((all += "\"" + Bytes<Parameters>(arguments) + "\","), ...);
  all.pop_back();
  std::fprintf(recording, "%s],\"arrays\":[", all.c_str());
  size_t k = 0;
  for (const auto& [address, size] : memory) {
    std::fprintf(recording, "%s{\"address\":\"%zu\",\"before\":\"%s\",\"after\":\"%s\"}", k == 0 ? "" : ",",
                 reinterpret_cast<size_t>(address), before[k].c_str(), after[k].c_str());
    k++;
  }
  std::fprintf(recording, "]}\n");
}

// Memory of exactly that many elements, `shift` elements past an aligned address.
template <class T>
class Array {
 public:
  explicit Array(size_t size, size_t shift = 0) : size_(size), memory_(Allocate(size + shift)), data_(memory_ + shift) {
    if (size > 0) memory[data_] = size * sizeof(T);
  }
  Array(Array&& other) : size_(other.size_), memory_(std::exchange(other.memory_, nullptr)), data_(other.data_) {}
  ~Array() {
    if (memory_ != nullptr) memory.erase(data_);
    std::free(memory_);
  }
  T* data() { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  size_t size() const { return size_; }

 private:
  static T* Allocate(size_t size) { return static_cast<T*>(std::malloc(size == 0 ? 1 : size * sizeof(T))); }
  size_t size_;
  T* memory_;
  T* data_;
};

template <class T>
Array<T> Exact(const std::vector<T>& values) {
  Array<T> array(values.size());
  std::copy(values.begin(), values.end(), array.data());
  return array;
}
