// Runs the part of CUDA that the kernels use on the CPU, to test them without a GPU: every block is a thread of the
// system, every CUDA thread a fiber of it. Fibers switch only where CUDA orders threads (barriers, shuffles) and are
// otherwise run in an order that can be chosen, so that what is not ordered shows.
//
// Under ThreadSanitizer each fiber is a thread of its own, and only barriers order them: a missing one is a race. Under
// AddressSanitizer every access is checked against the arrays as they were allocated. A barrier that not all threads
// reach ends the process with status 66 and the place.
#pragma once

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#if defined(__SANITIZE_THREAD__)
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

// Asked for by every fiber and written between their turns: nothing that ThreadSanitizer should look at.
#define EMULATOR_UNWATCHED __attribute__((no_sanitize("thread"), noinline))

namespace emulator {

constexpr unsigned kNoSync = 1;  // a switch of fibers orders nothing
constexpr size_t kStack = 256 << 10;
constexpr unsigned kLanes = 32;

struct Dim {
  unsigned x = 1, y = 1, z = 1;
};

// The emulator's own bookkeeping is no business of ThreadSanitizer's.
struct Unwatched {
#if defined(__SANITIZE_THREAD__)
  Unwatched() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unwatched() {
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  }
#else
  Unwatched() {}
  ~Unwatched() {}
#endif
};

inline void Acquire([[maybe_unused]] void* address) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(address);
#endif
}
inline void Release([[maybe_unused]] void* address) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(address);
#endif
}

enum class State { kReady, kAtBlockBarrier, kAtWarpBarrier, kDone };

struct Fiber {
  ucontext_t context;
  void* stack = nullptr;
  void* tsan = nullptr;
  State state = State::kReady;
  unsigned mask = 0;  // lanes of the warp barrier that it waits at
  int line = 0;       // of the barrier
  bool vote = false;
  uint32_t slot = 0;  // what the other lanes of a shuffle read
};

// The order in which the fibers of a block run between two barriers.
enum class Order { kForward, kReverse, kShuffled };

class Block {
 public:
  Block(unsigned index, unsigned grid, unsigned threads, Order order)
      : index_{index}, grid_{grid}, threads_{threads}, fibers_(threads), warps_(threads / kLanes), order_(order) {}

  void Run(const std::function<void()>& body);
  bool Barrier(int line, bool vote);
  void WarpBarrier(int line, unsigned mask);
  template <class T>
  T Shuffle(int line, unsigned mask, T value, unsigned lane);

  EMULATOR_UNWATCHED Dim Index() const { return {index_, 0, 0}; }
  EMULATOR_UNWATCHED Dim Grid() const { return {grid_, 1, 1}; }
  EMULATOR_UNWATCHED Dim Threads() const { return {threads_, 1, 1}; }
  EMULATOR_UNWATCHED Dim Thread() const { return {current_, 0, 0}; }
  EMULATOR_UNWATCHED unsigned Lane() const { return current_ % kLanes; }

 private:
  static void Entry();
  void Resume(unsigned fiber);
  void Leave(bool for_ever = false);
  bool OpenWarpBarriers();
  bool OpenBlockBarrier();
  [[noreturn]] void Stop(const char* why, unsigned fiber, int line) const;

  unsigned index_, grid_, threads_;
  std::vector<Fiber> fibers_;
  std::vector<char> warps_;  // an address for each warp's barrier
  char barrier_ = 0;         // and one for the block's
  Order order_;
  unsigned current_ = 0;
  bool any_ = false;
  const std::function<void()>* body_ = nullptr;
  ucontext_t main_;
  void* main_tsan_ = nullptr;
  [[maybe_unused]] void* main_fake_ = nullptr;
  [[maybe_unused]] const void* main_stack_ = nullptr;
  [[maybe_unused]] size_t main_size_ = 0;
};

inline thread_local Block* block = nullptr;

inline void Block::Stop(const char* why, unsigned fiber, int line) const {
  std::fprintf(stderr, "emulator: %s (line %d, block %u, thread %u)\n", why, line, index_, fiber);
  _exit(66);
}

inline void Block::Leave([[maybe_unused]] bool for_ever) {
  Fiber& own = fibers_[current_];
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(main_tsan_, kNoSync);
#endif
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(for_ever ? nullptr : &fake, main_stack_, main_size_);
#endif
  swapcontext(&own.context, &main_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

inline void Block::Entry() {
  Block* own = block;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &own->main_stack_, &own->main_size_);
#endif
  (*own->body_)();
  {
    Unwatched unwatched;
    own->fibers_[own->current_].state = State::kDone;
  }
  Release(&own->main_);
  own->Leave(true);
}

inline void Block::Resume(unsigned fiber) {
  current_ = fiber;
  Fiber& next = fibers_[fiber];
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(next.tsan, kNoSync);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&main_fake_, next.stack, kStack);
#endif
  swapcontext(&main_, &next.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(main_fake_, nullptr, nullptr);
#endif
}

inline bool Block::Barrier(int line, bool vote) {
  Unwatched unwatched;
  Fiber& own = fibers_[current_];
  own.state = State::kAtBlockBarrier;
  own.line = line;
  own.vote = vote;
  Release(&barrier_);
  Leave();
  Acquire(&barrier_);
  return any_;
}

inline void Block::WarpBarrier(int line, unsigned mask) {
  Unwatched unwatched;
  Fiber& own = fibers_[current_];
  char* const warp = &warps_[current_ / kLanes];
  if ((mask >> Lane() & 1) == 0) Stop("a lane calls a warp operation that its mask leaves out", current_, line);
  own.state = State::kAtWarpBarrier;
  own.line = line;
  own.mask = mask;
  Release(warp);
  Leave();
  Acquire(warp);
}

template <class T>
T Block::Shuffle(int line, unsigned mask, T value, unsigned lane) {
  static_assert(sizeof(T) == 4);
  Unwatched unwatched;
  const unsigned first = current_ / kLanes * kLanes;
  std::memcpy(&fibers_[current_].slot, &value, 4);
  WarpBarrier(line, mask);
  if ((mask >> lane & 1) == 0) Stop("a shuffle reads a lane that its mask leaves out", current_, line);
  T result;
  std::memcpy(&result, &fibers_[first + lane].slot, 4);
  WarpBarrier(-line, mask);  // nobody writes the next value before all have read this one
  return result;
}

inline bool Block::OpenWarpBarriers() {
  bool opened = false;
  for (unsigned first = 0; first < threads_; first += kLanes) {
    for (unsigned fiber = first; fiber < first + kLanes; fiber++) {
      const Fiber& own = fibers_[fiber];
      if (own.state != State::kAtWarpBarrier) continue;
      const unsigned mask = own.mask;
      const int line = own.line;
      bool complete = true;
      for (unsigned lane = 0; lane < kLanes; lane++) {
        if ((mask >> lane & 1) == 0) continue;
        const Fiber& other = fibers_[first + lane];
        if (other.state == State::kDone) Stop("a warp operation waits for a lane that has ended", fiber, line);
        complete = complete && other.state == State::kAtWarpBarrier && other.mask == mask && other.line == line;
      }
      if (!complete) continue;
      for (unsigned lane = 0; lane < kLanes; lane++) {
        if (mask >> lane & 1) fibers_[first + lane].state = State::kReady;
      }
      opened = true;
    }
  }
  return opened;
}

inline bool Block::OpenBlockBarrier() {
  unsigned waiting = 0, done = 0;
  for (const Fiber& fiber : fibers_) {
    waiting += fiber.state == State::kAtBlockBarrier;
    done += fiber.state == State::kDone;
  }
  if (waiting == 0 || waiting + done < threads_) return false;
  any_ = false;
  int line = 0;
  for (unsigned i = 0; i < threads_; i++) {
    Fiber& fiber = fibers_[i];
    if (fiber.state == State::kDone) Stop("a barrier is left out by a thread that has ended", i, fiber.line);
    if (line != 0 && fiber.line != line) Stop("threads wait at different barriers", i, fiber.line);
    line = fiber.line;
    any_ = any_ || fiber.vote;
  }
  for (Fiber& fiber : fibers_) fiber.state = State::kReady;
  return true;
}

inline void Block::Run(const std::function<void()>& body) {
  Unwatched unwatched;
  block = this;
  body_ = &body;
  const size_t size = kStack * threads_;
  auto* stacks = static_cast<char*>(
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (stacks == MAP_FAILED) Stop("no memory for stacks", 0, __LINE__);
#if defined(__SANITIZE_THREAD__)
  main_tsan_ = __tsan_get_current_fiber();
#endif
  for (unsigned i = 0; i < threads_; i++) {
    Fiber& fiber = fibers_[i];
    fiber.stack = stacks + i * kStack;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, Entry, 0);
#if defined(__SANITIZE_THREAD__)
    fiber.tsan = __tsan_create_fiber(0);
#endif
  }
  std::vector<unsigned> order(threads_);
  std::iota(order.begin(), order.end(), 0);
  if (order_ == Order::kReverse) std::reverse(order.begin(), order.end());
  std::mt19937 random(index_ + 1);
  const auto done = [&] {
    return std::all_of(fibers_.begin(), fibers_.end(), [](const Fiber& f) { return f.state == State::kDone; });
  };
  while (true) {
    if (order_ == Order::kShuffled) std::shuffle(order.begin(), order.end(), random);
    for (unsigned fiber : order) {
      if (fibers_[fiber].state == State::kReady) Resume(fiber);
    }
    if (done()) break;
    const bool warps = OpenWarpBarriers();
    if (!OpenBlockBarrier() && !warps) Stop("threads wait for each other for ever", current_, fibers_[current_].line);
  }
  Acquire(&main_);
#if defined(__SANITIZE_THREAD__)
  for (Fiber& fiber : fibers_) __tsan_destroy_fiber(fiber.tsan);
#endif
  munmap(stacks, size);
  block = nullptr;
}

// Blocks run side by side, two at a time, and are not ordered.
inline void Launch(unsigned grid, unsigned threads, Order order, const std::function<void()>& body) {
  constexpr unsigned kAtOnce = 2;
  for (unsigned first = 0; first < grid; first += kAtOnce) {
    std::vector<std::thread> running;
    for (unsigned index = first; index < std::min(grid, first + kAtOnce); index++) {
      running.emplace_back([=, &body] { Block(index, grid, threads, order).Run(body); });
    }
    for (std::thread& thread : running) thread.join();
  }
}

}  // namespace emulator

#define __global__ inline
#define __device__
#define __host__
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static thread_local
#define threadIdx (emulator::block->Thread())
#define blockIdx (emulator::block->Index())
#define blockDim (emulator::block->Threads())
#define gridDim (emulator::block->Grid())
#define __syncthreads() ((void)emulator::block->Barrier(__LINE__, false))
#define __syncthreads_or(vote) emulator::block->Barrier(__LINE__, vote)
#define __shfl_xor_sync(mask, value, other) \
  emulator::block->Shuffle(__LINE__, mask, value, emulator::block->Lane() ^ (other))
