// Runs the kernels on the emulator and compares them with references in double that go by indices and know nothing of
// layouts. Arrays are allocated to their exact size, so that AddressSanitizer sees any step beyond.
//
//   main [forward|reverse|shuffled] [--record FILE]     status 0: all agree; 1: some differ, with a line for each
//
// --record writes every launch, with all memory before and after it, a line of JSON each: for the test that runs the
// same launches on what nvcc makes of the kernels.
//
// -DQUICK: fewer tensors, float only, as types of two bytes differ only in what is read and written; -DALL_TYPES: those
// too.

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/launches.h"

using namespace espalier::cuda;
using espalier::ops::Layout;

namespace {

int failures = 0;

// A tensor as rows and columns, and which of the two are penalised.
struct Shape {
  int64_t rows, columns;
  bool by_row, by_column;
  size_t shift;
};

#ifdef QUICK
const std::vector<Shape> kShapes = {
    {16, 216, true, true, 0}, {7, 5, true, true, 0},    {1, 33, false, true, 0},
    {9, 257, true, true, 1},  {130, 70, true, true, 0},
};
const std::vector<Norm> kNorms = {Norm::kTimesGradient};
#else
const std::vector<Shape> kShapes = {
    {64, 147, true, false, 0},                                                       // rows of a convolution
    {16, 216, true, true, 0},                                                        // rows and columns
    {7, 5, true, true, 0},                                                           // shorter than a vector
    {1, 1, false, true, 0},                                                          // biases
    {1, 33, false, true, 0},    {10, 129, false, true, 0}, {9, 257, true, true, 1},  // memory that starts anywhere
    {3, 1, true, true, 0},      {40, 9, true, false, 0},                             // a depthwise convolution
    {130, 70, true, true, 0},                                                        // two chunks, three tiles down
    {1, 8195, false, false, 0},                                                      // no penalty
    {70, 300, true, true, 0},                                                        // three tiles across
    {0, 4, false, true, 0},                                                          // no elements
};
const std::vector<Norm> kNorms = {Norm::kAbs, Norm::kSquare, Norm::kTimesGradient};
#endif

// All tensors of a call, with their tables.
template <class T>
struct Given {
  std::vector<Layout> layouts;
  Tables tables;
  std::vector<float> arena;
  std::mt19937 random{7};
  std::normal_distribution<float> normal;

  explicit Given(const std::vector<Shape>& shapes) {
    for (const Shape& shape : shapes) {
      Layout layout{shape.rows, shape.columns, -1, -1};
      if (shape.by_row) layout.row_offset = Reserve(shape.rows);
      if (shape.by_column) layout.column_offset = Reserve(shape.columns);
      layouts.push_back(layout);
    }
    tables = MakeTables(layouts);
  }
  int64_t Reserve(int64_t size) {
    const auto start = static_cast<int64_t>(arena.size());
    for (int64_t i = 0; i < size; i++) arena.push_back(std::abs(normal(random)));
    return start;
  }
  std::vector<Array<T>> Tensors(const std::vector<Shape>& shapes, bool zero = false, bool positive = false) {
    std::vector<Array<T>> tensors;
    for (const Shape& shape : shapes) {
      Array<T>& tensor = tensors.emplace_back(shape.rows * shape.columns, shape.shift);
      for (size_t i = 0; i < tensor.size(); i++) {
        const float value = zero ? 0 : normal(random);
        tensor[i] = static_cast<T>(positive ? std::abs(value) : value);
      }
    }
    return tensors;
  }
  double Coefficient(size_t t, size_t i) const {
    const Layout& own = layouts[t];
    const size_t row = i / own.columns, column = i % own.columns;
    return (own.row_offset < 0 ? 0. : arena[own.row_offset + row]) +
           (own.column_offset < 0 ? 0. : arena[own.column_offset + column]);
  }
};

template <class T>
Pointers PointersTo(const std::vector<std::vector<Array<T>>*>& lists) {
  Pointers pointers{};
  for (size_t t = 0; t < lists[0]->size(); t++) {
    for (size_t a = 0; a < lists.size(); a++) pointers.of[t * lists.size() + a] = (*lists[a])[t].data();
  }
  return pointers;
}

template <class T>
std::vector<std::vector<double>> Values(std::vector<Array<T>>& tensors) {
  std::vector<std::vector<double>> values;
  for (Array<T>& tensor : tensors) {
    std::vector<double>& own = values.emplace_back();
    for (size_t i = 0; i < tensor.size(); i++) own.push_back(static_cast<float>(tensor[i]));
  }
  return values;
}

void Expect(const std::string& what, double got, double wanted, double tolerance) {
  if (std::abs(got - wanted) <= tolerance * (1 + std::abs(wanted))) return;
  if (failures++ < 20) std::printf("%s: %.9g, not %.9g\n", what.c_str(), got, wanted);
}

template <class T>
void ExpectAll(const std::string& what, std::vector<Array<T>>& got, const std::vector<std::vector<double>>& wanted,
               double tolerance) {
  for (size_t t = 0; t < wanted.size(); t++) {
    for (size_t i = 0; i < wanted[t].size(); i++) {
      Expect(what + " of tensor " + std::to_string(t) + "[" + std::to_string(i) + "]", static_cast<float>(got[t][i]),
             wanted[t][i], tolerance);
    }
  }
}

// Calls change(tensor, element) for every element.
template <class Change>
void ForAll(const std::vector<std::vector<double>>& like, Change change) {
  for (size_t t = 0; t < like.size(); t++) {
    for (size_t i = 0; i < like[t].size(); i++) change(t, i);
  }
}

// The type as C++ names it in symbols.
template <class T>
std::string Mangled() {
  if (std::is_same_v<T, float>) return "f";
  return std::is_same_v<T, c10::Half> ? "N3c104HalfE" : "N3c108BFloat16E";
}

template <class T>
void TestElements(const std::string& dtype, double tolerance) {
  Given<T> given(kShapes);
  Array<TensorDesc> tensors = Exact(given.tables.tensors);
  Array<uint32_t> chunks = Exact(given.tables.chunks);
  Array<float> arena = Exact(given.arena);
  const auto launch = [&](const std::string& name, auto kernel, const Pointers& pointers, const auto& setting) {
    Run(name, kernel, chunks.size(), tensors.data(), chunks.data(), arena.data(), pointers, setting);
  };

  {
    auto weights = given.Tensors(kShapes), gradients = given.Tensors(kShapes);
    const auto w = Values(weights);
    auto g = Values(gradients);
    ForAll(g, [&](size_t t, size_t i) { g[t][i] += 0.5 * given.Coefficient(t, i) * w[t][i]; });
    const Pointers pointers = PointersTo<T>({&weights, &gradients});
    launch("ApplyKernelI" + Mangled<T>(), ApplyKernel<T>, pointers, 0.5f);
    ExpectAll(dtype + " apply: gradient", gradients, g, tolerance);
    ExpectAll(dtype + " apply: weight", weights, w, 0);
  }
  for (const bool decoupled : {false, true}) {
    const bool nesterov = !decoupled;
    auto weights = given.Tensors(kShapes), gradients = given.Tensors(kShapes), velocities = given.Tensors(kShapes);
    auto w = Values(weights), v = Values(velocities);
    const auto g = Values(gradients);
    const SgdRule rule{0.1f, 0.9f, 0.01f, nesterov, decoupled};
    ForAll(w, [&](size_t t, size_t i) {
      const double c = given.Coefficient(t, i), full = g[t][i] + (0.01 + (decoupled ? 0 : c)) * w[t][i];
      v[t][i] = 0.9 * v[t][i] + full;
      w[t][i] -= (decoupled ? 0.1 * c * w[t][i] : 0) + 0.1 * (nesterov ? full + 0.9 * v[t][i] : v[t][i]);
    });
    const Pointers pointers = PointersTo<T>({&weights, &gradients, &velocities});
    launch("SgdKernelI" + Mangled<T>() + "Lb1", SgdKernel<T, true>, pointers, rule);
    ExpectAll(dtype + " sgd: weight", weights, w, tolerance);
    ExpectAll(dtype + " sgd: velocity", velocities, v, tolerance);
    ExpectAll(dtype + " sgd: gradient", gradients, g, 0);
  }
  {
    auto weights = given.Tensors(kShapes), gradients = given.Tensors(kShapes);
    auto w = Values(weights);
    const auto g = Values(gradients);
    const SgdRule rule{0.1f, 0, 0.01f, false, false};
    ForAll(w, [&](size_t t, size_t i) { w[t][i] -= 0.1 * (g[t][i] + (0.01 + given.Coefficient(t, i)) * w[t][i]); });
    const Pointers pointers = PointersTo<T>({&weights, &gradients});
    launch("SgdKernelI" + Mangled<T>() + "Lb0", SgdKernel<T, false>, pointers, rule);
    ExpectAll(dtype + " sgd without momentum: weight", weights, w, tolerance);
    ExpectAll(dtype + " sgd without momentum: gradient", gradients, g, 0);
  }
  for (const bool decoupled : {false, true}) {
    auto weights = given.Tensors(kShapes), gradients = given.Tensors(kShapes), means = given.Tensors(kShapes);
    auto squares = given.Tensors(kShapes, false, true);
    auto w = Values(weights), m = Values(means), v = Values(squares);
    const auto g = Values(gradients);
    const double lr = 0.01, correction1 = 1 - std::pow(0.9, 3), correction2 = 1 - std::pow(0.99, 3);
    const AdamwRule rule{0.9f,
                         0.1f,
                         0.99f,
                         0.01f,
                         static_cast<float>(lr / correction1),
                         static_cast<float>(std::sqrt(correction2)),
                         1e-8f,
                         static_cast<float>(lr * 0.1),
                         static_cast<float>(lr),
                         decoupled};
    ForAll(w, [&](size_t t, size_t i) {
      const double c = given.Coefficient(t, i), full = g[t][i] + (decoupled ? 0 : c) * w[t][i];
      m[t][i] = 0.9 * m[t][i] + 0.1 * full;
      v[t][i] = 0.99 * v[t][i] + 0.01 * full * full;
      w[t][i] *= 1 - lr * (0.1 + (decoupled ? c : 0));
      w[t][i] -= lr * m[t][i] / correction1 / (std::sqrt(v[t][i] / correction2) + 1e-8);
    });
    const Pointers pointers = PointersTo<T>({&weights, &gradients, &means, &squares});
    launch("AdamwKernelI" + Mangled<T>(), AdamwKernel<T>, pointers, rule);
    ExpectAll(dtype + " adamw: weight", weights, w, tolerance);
    ExpectAll(dtype + " adamw: mean", means, m, tolerance);
    ExpectAll(dtype + " adamw: square", squares, v, tolerance);
  }
}

template <class T>
void TestNorms(const std::string& dtype) {
  Given<T> given(kShapes);
  Array<TensorDesc> tensors = Exact(given.tables.tensors);
  Array<uint32_t> tiles = Exact(given.tables.tiles);
  Array<SlotBlock> blocks = Exact(given.tables.slot_blocks);
  auto weights = given.Tensors(kShapes), gradients = given.Tensors(kShapes);
  const auto w = Values(weights), g = Values(gradients);
  const Pointers pointers = PointersTo<T>({&weights, &gradients});
  for (const Norm norm : kNorms) {
    // Rounding is relative to the sum of what is added, not to what is left of it.
    std::vector<double> sums(given.arena.size()), sizes(given.arena.size());
    ForAll(w, [&](size_t t, size_t i) {
      const double value = norm == Norm::kAbs ? std::abs(w[t][i]) : w[t][i] * (norm == Norm::kSquare ? w : g)[t][i];
      const Layout& own = given.layouts[t];
      const int64_t row = i / own.columns, column = i % own.columns;
      for (const int64_t slot :
           {own.row_offset < 0 ? -1 : own.row_offset + row, own.column_offset < 0 ? -1 : own.column_offset + column}) {
        if (slot < 0) continue;
        sums[slot] += value;
        sizes[slot] += std::abs(value);
      }
    });
    Array<float> partials(given.tables.partials), slots(given.arena.size());
    for (size_t i = 0; i < partials.size(); i++) partials[i] = NAN;  // each is written before it is read
    for (size_t i = 0; i < slots.size(); i++) slots[i] = 0;          // a tensor without rows has columns
    Run("NormsKernelI" + Mangled<T>(), NormsKernel<T>, tiles.size(), tensors.data(), tiles.data(), partials.data(),
        pointers, norm);
    Run("SlotsKernel", SlotsKernel, blocks.size(), tensors.data(), blocks.data(), partials.data(), slots.data());
    for (size_t slot = 0; slot < sums.size(); slot++) {
      Expect(dtype + " norm " + std::to_string(static_cast<int>(norm)) + ": slot " + std::to_string(slot),
             slots[slot] / (1e-30 + sizes[slot]), sums[slot] / (1e-30 + sizes[slot]), 1e-6);
    }
  }
}

void TestGrow() {
  const std::vector<int> sizes = {1, 31, 64, 257, 2048, 5};
  std::vector<Group> list;
  int units = 0;
  for (const int size : sizes) {
    list.push_back({units, size});
    units += size;
  }
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(0.1f, 5);
  Array<Group> groups = Exact(list);
  Array<float> sums(units), importance(units), reg(units);
  Array<int32_t> skipped(sizes.size());
  for (int unit = 0; unit < units; unit++) {
    sums[unit] = uniform(random);
    importance[unit] = NAN;
    reg[unit] = 0.01f;
  }
  for (size_t g = 0; g < sizes.size(); g++) skipped[g] = 0;
  sums[list[2].first + 40] = NAN;        // group 2 sits the step out
  sums[list[3].first + 200] = INFINITY;  // and so does group 3
  for (int unit = 0; unit < 5; unit++) sums[list[5].first + unit] = 0;
  Run("GrowKernel", GrowKernel, groups.size(), groups.data(), sums.data(), importance.data(), reg.data(),
      skipped.data(), 0.02f, 0.025f);
  for (size_t g = 0; g < list.size(); g++) {
    const bool skip = g == 2 || g == 3;
    Expect("grow: skipped " + std::to_string(g), skipped[g], skip, 0);
    double total = 0, least = INFINITY, most = -INFINITY;
    for (int unit = 0; unit < list[g].size; unit++) total += sums[list[g].first + unit];
    const double mean = total == 0 ? 1 : total / list[g].size;
    for (int unit = 0; unit < list[g].size; unit++) {
      least = std::min(least, sums[list[g].first + unit] / mean);
      most = std::max(most, sums[list[g].first + unit] / mean);
    }
    for (int unit = 0; unit < list[g].size; unit++) {
      const int at = list[g].first + unit;
      const double own = sums[at] / mean;
      if (!skip) Expect("grow: importance " + std::to_string(at), importance[at], own, 2e-6);
      const double grown = std::min(0.01 + 0.02 * (most - own) / (most - least + 1e-8), 0.025);
      Expect("grow: reg " + std::to_string(at), reg[at], skip ? 0.01 : grown, 2e-6);
    }
  }
}

void TestGather() {
  // Row r names r % 4 values.
  const int rows = 600, count = 50;
  std::vector<int32_t> begins{0}, names;
  std::mt19937 random(5);
  for (int row = 0; row < rows; row++) {
    for (int k = 0; k < row % 4; k++) names.push_back(static_cast<int32_t>(random() % count));
    begins.push_back(static_cast<int32_t>(names.size()));
  }
  std::vector<float> numbers(count);
  for (float& number : numbers) number = static_cast<float>(random() % 1000);
  Array<int32_t> begin = Exact(begins), columns = Exact(names);
  Array<float> values = Exact(numbers), sums(rows);
  Run("GatherKernel", GatherKernel, (rows + kThreads - 1) / kThreads, begin.data(), columns.data(), values.data(),
      sums.data(), static_cast<uint32_t>(rows));
  for (int row = 0; row < rows; row++) {
    double sum = 0;
    for (int32_t k = begins[row]; k < begins[row + 1]; k++) sum += numbers[names[k]];
    Expect("gather: row " + std::to_string(row), sums[row], sum, 1e-7);
  }
}

void TestDivisors() {
  std::mt19937 random(11);
  for (int k = 0; k < 20000; k++) {
    const uint32_t by = k < 5000 ? k + 1 : random() % 0x7fffffff + 1;
    const Divisor divisor = DivideBy(by);
    for (const uint32_t n : {0u, 1u, by - 1, by, by + 1, static_cast<uint32_t>(random() % 0x7fffffff), 0x7fffffffu}) {
      if (n < 0x80000000u && Divide(n, divisor) != n / by) {
        Expect(std::to_string(n) + " / " + std::to_string(by), Divide(n, divisor), n / by, 0);
      }
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  for (int i = 1; i < count; i++) {
    const std::string argument = arguments[i];
    if (argument == "reverse") order = emulator::Order::kReverse;
    if (argument == "shuffled") order = emulator::Order::kShuffled;
    if (argument == "--record") recording = std::fopen(arguments[++i], "w");
  }
  TestDivisors();
  TestGather();
  TestGrow();
  TestElements<float>("float32", 1e-6);
  TestNorms<float>("float32");
#if !defined(QUICK) || defined(ALL_TYPES)
  TestElements<c10::Half>("float16", 1.5e-3);
  TestElements<c10::BFloat16>("bfloat16", 1.2e-2);
  TestNorms<c10::Half>("float16");
  TestNorms<c10::BFloat16>("bfloat16");
#endif
  if (recording != nullptr) std::fclose(recording);
  std::printf(failures == 0 ? "all agree\n" : "%d differ\n", failures);
  return failures == 0 ? 0 : 1;
}
