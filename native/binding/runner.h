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
#include <vector>

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

// What a running job can ask.
class JobContext {
 public:
  JobContext(const std::atomic<bool>& stopping, const CancelFlag* cancel) : stopping_(stopping), cancel_(cancel) {}
  bool Cancelled() const { return stopping_ || (cancel_ != nullptr && cancel_->cancelled); }
  // Throws ERR_ABORTED. Long jobs call it between their steps.
  void ThrowIfCancelled() const;

 private:
  const std::atomic<bool>& stopping_;
  const CancelFlag* cancel_;
};

// One thread per environment (main thread or worker) that does everything that can take over 5 ms, in the order in
// which it was submitted.
class Runner {
 public:
  // Makes the JavaScript value of a job's result; called on the JS thread.
  using Settle = std::function<Napi::Value(Napi::Env)>;
  // The job itself; called on the runner's thread. It captures what it needs (tensors by value, so that they stay alive
  // whatever JavaScript disposes of), never a Napi value. Whatever it throws rejects the promise (CurrentFailure).
  using Work = std::function<Settle(const JobContext&)>;

  Runner();
  ~Runner();

  // Queues a job. The promise is rejected with ERR_ABORTED when it is cancelled before or while it runs. The event loop
  // stays alive until the job is settled. JS thread only.
  Napi::Promise Submit(Napi::Env env, JobOptions options, Work work);

  // Sets the flag and rejects the jobs with this flag that still wait in the queue. JS thread only.
  void Cancel(Napi::Env env, const std::shared_ptr<CancelFlag>& flag);

  // Runs `work` on the JS thread and waits until it is done: for callbacks out of a job, on any thread of it. What it
  // throws is thrown here. `work` may outlive the wait: when the environment ends meanwhile, ERR_ABORTED is thrown.
  void OnJsThread(std::function<void(Napi::Env)> work);
  // While one lives, the JS thread waits for work that runs in its own call: nothing else can be done on it.
  class Blocking;

  // Waits until `reached` gives true, and answers the callbacks of the job that runs meanwhile: it may need the JS
  // thread before it gets there. Throws ERR_UNSUPPORTED in such a callback: it would wait for itself. JS thread only.
  void Until(Napi::Env env, const std::function<bool()>& reached);

  // Makes a change that no job, nor call that blocks, may see happen: at once when there is none, else when those that
  // were asked for before are done. JS thread only.
  void Between(Napi::Env env, std::function<void()> change);

  // Drops the queue, asks the running job to stop, and joins the thread. Idempotent; later submissions are rejected.
  // Called when the environment ends: LibTorch's static destructors race with a live thread and abort the process.
  void Stop();

  // Threads for the operators of later jobs.
  void SetThreads(int threads) { threads_ = threads; }

 private:
  struct Job;
  struct Question;
  void Answer(Napi::Env env);
  void Start(Napi::Env env);
  void Loop();
  void Post(std::unique_ptr<Job> job);
  void Settled(Napi::Env env);
  static void OnSettled(napi_env env, napi_value function, void* context, void* data);

  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> queue_;           // guarded by mutex_
  std::deque<std::unique_ptr<Job>> done_;            // guarded by mutex_
  std::deque<std::shared_ptr<Question>> questions_;  // guarded by mutex_
  std::condition_variable answered_;
  std::thread::id js_thread_;  // guarded by being set before any job
  napi_env env_ = nullptr;
  std::atomic<bool> blocking_{false};
  int callbacks_ = 0;  // JS thread only: how many are being answered
  std::atomic<bool> stopping_{false};
  std::atomic<int> threads_{0};  // 0: LibTorch's default
  napi_threadsafe_function settled_ = nullptr;
  int64_t pending_ = 0;                         // JS thread only
  std::vector<std::function<void()>> changes_;  // JS thread only: to be made when the call that blocks is over
};

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
