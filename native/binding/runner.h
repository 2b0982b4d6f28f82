#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "binding/deep_thread.h"

namespace espalier {

// Set by an AbortSignal; shared by the job and by the handle that JavaScript holds.
struct CancelFlag {
  std::atomic<bool> cancelled{false};
};

// The handle of a CancelFlag (see handle.h).
struct NativeCancel {
  static constexpr napi_type_tag kTag = {0x6f0b2d3c9a514e77, 0xa1c49be2576f4d10};
  static constexpr const char* kNoun = "cancel handle";
  std::shared_ptr<CancelFlag> flag = std::make_shared<CancelFlag>();
};

struct JobOptions {
  bool grad = false;             // autograd records what the job does
  bool flush_denormals = false;  // denormal numbers are taken as zero while the job runs
  std::shared_ptr<CancelFlag> cancel;

  // From `{grad?, flushDenormals?, cancel?}` or undefined; other keys are left to the caller.
  static JobOptions From(Napi::Value options);
};

// What a running job can ask. A copy may outlive the job and its environment.
class JobContext {
 public:
  JobContext(std::shared_ptr<const CancelFlag> stopping, std::shared_ptr<const CancelFlag> cancel)
      : stopping_(std::move(stopping)), cancel_(std::move(cancel)) {}
  bool Cancelled() const { return stopping_->cancelled || (cancel_ != nullptr && cancel_->cancelled); }
  // Throws ERR_ABORTED. Long jobs call it between their steps.
  void ThrowIfCancelled() const;
  // The same as a function, for code that knows nothing of jobs.
  std::function<void()> Check() const {
    return [context = *this] { context.ThrowIfCancelled(); };
  }

 private:
  std::shared_ptr<const CancelFlag> stopping_;
  std::shared_ptr<const CancelFlag> cancel_;
};

// One thread per environment (main thread or worker) that does everything that can take over 5 ms, in the order in
// which it was submitted.
//
// A model is a program, and a program need not end. Where it runs as a graph of ours it asks at each round of a loop
// (script/guard.h), so that Cancel and Stop end it. What can't be asked (one operator that takes minutes; __setstate__,
// which runs while LibTorch reads a file) is left behind: its thread goes on, and what it gives is thrown away. It uses
// the processor until it ends, or the process does, but nothing of JavaScript, and nobody waits for it.
class Runner : public std::enable_shared_from_this<Runner> {
 public:
  // Makes the JavaScript value of a job's result; called on the JS thread.
  using Settle = std::function<Napi::Value(Napi::Env)>;
  // The job itself; called on the runner's thread. It captures what it needs (tensors by value, so that they stay alive
  // whatever JavaScript disposes of), never a Napi value. Whatever it throws rejects the promise (CurrentFailure).
  using Work = std::function<Settle(const JobContext&)>;

  Runner();
  ~Runner();  // after Stop

  // Queues a job. The promise is rejected with ERR_ABORTED when it is cancelled before or while it runs. The event loop
  // stays alive until the job is settled. JS thread only.
  Napi::Promise Submit(Napi::Env env, JobOptions options, Work work);

  // Sets the flag and rejects the jobs with this flag that still wait in the queue. JS thread only.
  void Cancel(Napi::Env env, const std::shared_ptr<CancelFlag>& flag);

  // The job that runs with this flag did not end in good time: leaves its thread behind, rejects its promise, and goes
  // on with the next job on a new thread. Does nothing when there is no such job. JS thread only.
  void LeaveBehind(Napi::Env env, const std::shared_ptr<CancelFlag>& flag);
  // Of the runner's thread that asks: becomes true when it is left behind. Null on any other thread.
  static std::shared_ptr<const std::atomic<bool>> IsLeft();

  // Runs `work` on the JS thread and waits until it is done: for callbacks out of a job, on any thread of it. What it
  // throws is thrown here. `work` may outlive the wait: when the environment ends meanwhile, ERR_ABORTED is thrown.
  void OnJsThread(std::function<void(Napi::Env)> work);
  // While one lives, the JS thread waits for work that runs in its own call: nothing else can be done on it.
  class Blocking;

  // Waits until `reached` gives true, and answers the callbacks of the job that runs meanwhile: it may need the JS
  // thread before it gets there. Throws ERR_UNSUPPORTED in such a callback: it would wait for itself. Throws
  // ERR_ABORTED when the environment is to end. JS thread only.
  void Until(Napi::Env env, const std::function<bool()>& reached);

  // Makes a change that no job, nor call that blocks, may see happen: at once when there is none, else when those that
  // were asked for before are done. JS thread only.
  void Between(Napi::Env env, std::function<void()> change);

  // Drops the queue, asks the running job to stop, and joins the thread, or leaves it behind. Idempotent; later
  // submissions are rejected. Called when the environment ends. JS thread only.
  void Stop();

  // Threads for the operators of later jobs.
  void SetThreads(int threads) { threads_ = threads; }

 private:
  struct Outcome;
  struct Job;
  struct Question;
  struct Seat;
  void Answer(Napi::Env env);
  void Start(Napi::Env env);
  void StartThread();
  void Loop(Seat& seat);
  Outcome RunJob(const Job& job) const;
  void Leave();
  void Tell(Napi::Env env, Job& job);
  void Settled(Napi::Env env);
  static void OnSettled(napi_env env, napi_value function, void* context, void* data);

  static thread_local const Seat* own_seat;  // of a runner's thread

  DeepThread thread_;
  std::shared_ptr<Seat> seat_;  // of thread_; set on the JS thread
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable ended_;
  std::deque<std::shared_ptr<Job>> queue_;           // guarded by mutex_
  std::deque<std::shared_ptr<Job>> done_;            // guarded by mutex_
  std::deque<std::shared_ptr<Question>> questions_;  // guarded by mutex_
  std::condition_variable answered_;
  std::thread::id js_thread_;  // guarded by being set before any job
  napi_env env_ = nullptr;
  std::atomic<bool> blocking_{false};
  int callbacks_ = 0;  // JS thread only: how many are being answered
  const std::shared_ptr<CancelFlag> stopping_ = std::make_shared<CancelFlag>();
  std::atomic<int> threads_{0};  // 0: LibTorch's default
  napi_threadsafe_function settled_ = nullptr;
  int64_t pending_ = 0;                         // JS thread only
  std::vector<std::function<void()>> changes_;  // JS thread only: to be made when the call that blocks is over
};

// Throws ERR_ABORTED once JavaScript may not run any more in the environment (worker.terminate()), for work that blocks
// the JS thread; asks every few milliseconds, however often it is called. Does nothing on other threads.
std::function<void()> JsThreadCheck(Napi::Env env);

class Runner::Blocking {
 public:
  explicit Blocking(Runner& runner, Napi::Env env);
  ~Blocking();

 private:
  Runner& runner_;
  Napi::Env env_;
  const bool before_;  // a call that blocks can be in a callback of another one
};

}  // namespace espalier
