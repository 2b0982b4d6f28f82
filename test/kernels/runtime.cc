// A CUDA runtime that counts. The launchers are linked against it: what they would ask of a device is what is counted,
// and a function that is not here would not link.
//
// Prints one JSON object: by operation, the calls of 1,000 steps, divided by 1,000.

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "ops/cuda/launch.h"

namespace {

std::map<std::string, int> calls;

}  // namespace

#define COUNT() calls[__func__]++

extern "C" {
void** __cudaRegisterFatBinary(void*) {
  static void* handle;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void**, const char*, char*, const char*, int, void*, void*, void*, void*, int*) {}
char __cudaInitModule(void**) { return 0; }
unsigned __cudaPushCallConfiguration(dim3, dim3, size_t, void*) {
  COUNT();
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  COUNT();
  *grid = *block = dim3(1);
  *shared = 0;
  *static_cast<void**>(stream) = nullptr;
  return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void*) {
  COUNT();
  *kernel = nullptr;
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, size_t, cudaStream_t) {
  COUNT();
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  COUNT();
  return cudaSuccess;
}
}

using namespace espalier::cuda;

int main() {
  constexpr int kSteps = 1000;
  const DeviceTables tables{nullptr, nullptr, nullptr, nullptr, 2, 3, 4, 5}, none{};
  std::vector<void*> pointers(8);
  bool first = true;
  const auto print = [&](const char* name, const auto& step) {
    step();  // the first launch of a kernel asks for its handle
    calls.clear();
    for (int k = 0; k < kSteps; k++) {
      if (step() != cudaSuccess) std::printf("failed ");
    }
    std::printf("%s\"%s\":{", first ? "{" : ",", name);
    first = false;
    const char* comma = "";
    for (const auto& [function, count] : calls) {
      std::printf("%s\"%s\":%g", comma, function.c_str(), count / double{kSteps});
      comma = ",";
    }
    std::printf("}");
  };
  const auto kFloat = Precision::kFloat;
  print("apply", [&] { return LaunchApply(kFloat, tables, nullptr, pointers.data(), 1, nullptr); });
  print("sgd", [&] {
    return LaunchSgd(kFloat, tables, nullptr, pointers.data(), {0.1f, 0.9f, 0, false, false}, nullptr);
  });
  print("adamw", [&] { return LaunchAdamw(Precision::kHalf, tables, nullptr, pointers.data(), {}, nullptr); });
  // Norms, their sums by slot and by unit, growth, and the way back into the arena.
  print("update", [&] {
    for (const cudaError_t status :
         {LaunchNorms(kFloat, tables, pointers.data(), Norm::kSquare, nullptr, nullptr),
          LaunchSlots(tables, nullptr, nullptr, nullptr), LaunchGather(nullptr, nullptr, nullptr, nullptr, 9, nullptr),
          LaunchGrow(nullptr, 3, nullptr, nullptr, nullptr, nullptr, 0, 1, nullptr),
          LaunchGather(nullptr, nullptr, nullptr, nullptr, 9, nullptr)}) {
      if (status != cudaSuccess) return status;
    }
    return cudaSuccess;
  });
  print("nothing", [&] { return LaunchApply(kFloat, none, nullptr, pointers.data(), 1, nullptr); });
  std::printf("}\n");
}
