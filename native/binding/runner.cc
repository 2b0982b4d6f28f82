#include "binding/runner.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <utility>

#include "binding/addon.h"
#include "binding/errors.h"
#include "binding/flush.h"
#include "binding/wait.h"

namespace espalier {
namespace {

using std::chrono::steady_clock;

// How long a job has to end when its environment does.
constexpr auto kPatience = std::chrono::milliseconds(500);
// Between two questions whether JavaScript may still run.
constexpr auto kGlance = std::chrono::milliseconds(10);

Failure Aborted() { return Failure("ERR_ABORTED", "the work was cancelled"); }

// Threads of this process that were left behind and still run. It is the process that has to end in spite of them,
// whichever environment they were of.
std::atomic<int> left_behind{0};

// LibTorch's destructors, which exit() calls, race with a live thread and abort the process. What was registered last
// is called first: before them, and with the status that was asked for.
void CountLeft() {
  ++left_behind;
  on_exit(
      [](int status, void*) {
        if (left_behind == 0) return;
        // The thread may be in the middle of printing.
        if (ftrylockfile(stdout) == 0) fflush_unlocked(stdout);
        _exit(status);
      },
      nullptr);
}

bool JavaScriptMayRun(napi_env env) {
  const Napi::HandleScope scope(env);
  napi_value global, value;
  return napi_get_global(env, &global) == napi_ok && napi_get_named_property(env, global, "Object", &value) == napi_ok;
}

class InCallback {
 public:
  explicit InCallback(int& depth) : depth_(depth) { ++depth_; }
  ~InCallback() { --depth_; }

 private:
  int& depth_;
};

bool Flag(const Napi::Object& options, const char* key) {
  Napi::Value value = options.Get(key);
  if (value.IsUndefined()) return false;
  if (!value.IsBoolean()) throw InvalidArgument(std::string(key) + " must be a boolean");
  return value.As<Napi::Boolean>().Value();
}

}  // namespace

JobOptions JobOptions::From(Napi::Value options) {
  JobOptions result;
  if (options.IsUndefined()) return result;
  if (!options.IsObject()) throw InvalidArgument("options must be an object");
  Napi::Object object = options.As<Napi::Object>();
  result.grad = Flag(object, "grad");
  result.flush_denormals = Flag(object, "flushDenormals");
  Napi::Value cancel = object.Get("cancel");
  if (!cancel.IsUndefined()) result.cancel = FromHandle<NativeCancel>(cancel, "cancel").flag;
  return result;
}

void JobContext::ThrowIfCancelled() const {
  if (Cancelled()) throw Aborted();
}

struct Runner::Outcome {
  Settle settle;
  std::optional<Failure> failure;
};

struct Runner::Job {
  Job(Napi::Env env, JobOptions options, Work work)
      : deferred(Napi::Promise::Deferred::New(env)), options(std::move(options)), work(std::move(work)) {}

  Napi::Promise::Deferred deferred;  // JS thread only
  JobOptions options;
  Work work;        // the runner's thread only, once it runs
  Outcome outcome;  // guarded by mutex_ until the job is in done_
};

struct Runner::Question {
  std::function<void(Napi::Env)> work;
  std::optional<Failure> failure;
  bool done = false;  // guarded by mutex_
};

// A thread of the runner, and what it is at. The thread keeps it, so that it may outlive the environment.
struct Runner::Seat {
  std::shared_ptr<Job> job;                                                                    // guarded by mutex_
  bool ended = false;                                                                          // guarded by mutex_
  const std::shared_ptr<std::atomic<bool>> left = std::make_shared<std::atomic<bool>>(false);  // set under mutex_
};

thread_local const Runner::Seat* Runner::own_seat = nullptr;

Runner::Runner() = default;
Runner::~Runner() = default;

Napi::Promise Runner::Submit(Napi::Env env, JobOptions options, Work work) {
  auto job = std::make_shared<Job>(env, std::move(options), std::move(work));
  Napi::Promise promise = job->deferred.Promise();
  if (stopping_->cancelled) {
    job->deferred.Reject(ToError(env, Aborted()).Value());
    return promise;
  }
  if (!thread_.Joinable()) Start(env);
  if (pending_++ == 0) napi_ref_threadsafe_function(env, settled_);
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
  return promise;
}

void Runner::Cancel(Napi::Env env, const std::shared_ptr<CancelFlag>& flag) {
  flag->cancelled = true;
  bool dropped = false;
  {
    std::lock_guard lock(mutex_);
    for (auto it = queue_.begin(); it != queue_.end();) {
      if ((*it)->options.cancel != flag) {
        ++it;
        continue;
      }
      (*it)->outcome.failure = Aborted();
      done_.push_back(std::move(*it));
      it = queue_.erase(it);
      dropped = true;
    }
  }
  if (dropped) Settled(env);
}

void Runner::LeaveBehind(Napi::Env env, const std::shared_ptr<CancelFlag>& flag) {
  std::shared_ptr<Job> job;
  {
    std::lock_guard lock(mutex_);
    if (seat_ == nullptr || seat_->job == nullptr || seat_->job->options.cancel != flag) return;
    job = seat_->job;
    Leave();
  }
  answered_.notify_all();
  StartThread();
  job->outcome.failure = Aborted();
  Tell(env, *job);
}

std::shared_ptr<const std::atomic<bool>> Runner::IsLeft() { return own_seat == nullptr ? nullptr : own_seat->left; }

// Under mutex_.
void Runner::Leave() {
  CountLeft();
  *seat_->left = true;
  thread_.Detach();
}

void Runner::Stop() {
  stopping_->cancelled = true;
  std::deque<std::shared_ptr<Job>> queued;
  std::deque<std::shared_ptr<Question>> asked;
  {
    std::lock_guard lock(mutex_);
    queued.swap(queue_);
    asked.swap(questions_);
  }
  wake_.notify_all();
  answered_.notify_all();
  if (!thread_.Joinable()) return;
  {
    std::unique_lock lock(mutex_);
    if (!ended_.wait_for(lock, kPatience, [this] { return seat_->ended; })) return Leave();
  }
  thread_.Join();
}

void Runner::Until(Napi::Env env, const std::function<bool()>& reached) {
  const auto check = JsThreadCheck(env);
  while (!reached()) {
    check();
    if (callbacks_ > 0) {
      throw Failure("ERR_UNSUPPORTED", "a hook can't use the module that waits for it", "", "use it after the hook");
    }
    Answer(env);
    // There is no signal for what `reached` looks at.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void Runner::Between(Napi::Env env, std::function<void()> change) {
  if (blocking_) {
    changes_.push_back(std::move(change));
  } else if (pending_ == 0) {
    change();
  } else {
    Submit(env, {}, [change = std::move(change)](const JobContext&) -> Settle {
      change();
      return [](Napi::Env env) { return env.Undefined(); };
    });
  }
}

Runner::Blocking::Blocking(Runner& runner, Napi::Env env) : runner_(runner), env_(env), before_(runner.blocking_) {
  runner_.js_thread_ = std::this_thread::get_id();
  runner_.env_ = env;
  runner_.blocking_ = true;
}

Runner::Blocking::~Blocking() {
  runner_.blocking_ = before_;
  if (before_) return;
  for (auto& change : std::exchange(runner_.changes_, {})) runner_.Between(env_, std::move(change));
}

void Runner::OnJsThread(std::function<void(Napi::Env)> work) {
  const auto left = IsLeft();
  if (left != nullptr && *left) throw Aborted();
  if (blocking_) {
    if (std::this_thread::get_id() == js_thread_) {
      const InCallback in(callbacks_);
      return work(env_);
    }
    // A job's callback can wait for the end of that call; one of the call itself, out of another thread, can't.
    if (!thread_.IsThis()) {
      throw Failure("ERR_UNSUPPORTED", "a callback can't run on this device while the JavaScript thread is blocked", "",
                    "use backward() in place of backwardSync()");
    }
  }
  auto question = std::make_shared<Question>();
  question->work = std::move(work);
  {
    std::lock_guard lock(mutex_);
    if (stopping_->cancelled) throw Aborted();
    questions_.push_back(question);
    napi_call_threadsafe_function(settled_, nullptr, napi_tsfn_nonblocking);
  }
  std::unique_lock lock(mutex_);
  Wait(answered_, lock, [&] { return question->done || stopping_->cancelled || (left != nullptr && *left); });
  if (!question->done) throw Aborted();
  if (question->failure) throw *question->failure;
}

void Runner::Answer(Napi::Env env) {
  std::deque<std::shared_ptr<Question>> asked;
  {
    std::lock_guard lock(mutex_);
    asked.swap(questions_);
  }
  for (const std::shared_ptr<Question>& question : asked) {
    Napi::HandleScope scope(env);
    const InCallback in(callbacks_);
    try {
      question->work(env);
    } catch (...) {
      question->failure = CurrentFailure();
    }
    question->work = nullptr;  // what it holds of JavaScript is freed here
    {
      std::lock_guard lock(mutex_);
      question->done = true;
    }
    answered_.notify_all();
  }
}

void Runner::Start(Napi::Env env) {
  napi_value name = Napi::String::New(env, "espalier");
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, OnSettled, &settled_);
  if (status != napi_ok) throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, settled_);
  // Hooks run last in, first out: this one joins the thread before the function above is closed by its own hook.
  napi_add_env_cleanup_hook(
      env, [](void* runner) { static_cast<Runner*>(runner)->Stop(); }, this);
  StartThread();
}

void Runner::StartThread() {
  seat_ = std::make_shared<Seat>();
  thread_ = DeepThread([self = shared_from_this(), seat = seat_] { self->Loop(*seat); });
}

void Runner::Loop(Seat& seat) {
  own_seat = &seat;
  int threads = 0;
  for (;;) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      Wait(wake_, lock, [&] { return stopping_->cancelled || !queue_.empty(); });
      if (stopping_->cancelled) break;
      job = std::move(queue_.front());
      queue_.pop_front();
      seat.job = job;
    }
    if (threads != threads_ && threads_ > 0) {
      threads = threads_;
      at::set_num_threads(threads);
    }
    Outcome outcome = RunJob(*job);
    job->work = nullptr;  // what it captured is freed here, not on the JS thread
    std::lock_guard lock(mutex_);
    seat.job = nullptr;
    if (*seat.left) break;
    job->outcome = std::move(outcome);
    done_.push_back(std::move(job));
    if (!stopping_->cancelled) napi_call_threadsafe_function(settled_, nullptr, napi_tsfn_nonblocking);
  }
  std::lock_guard lock(mutex_);
  seat.ended = true;
  ended_.notify_all();
  if (*seat.left) --left_behind;
}

Runner::Outcome Runner::RunJob(const Job& job) const {
  Outcome outcome;
  const JobContext context(stopping_, job.options.cancel);
  try {
    context.ThrowIfCancelled();
    at::AutoGradMode grad(job.options.grad);
    FlushDenormals flush(job.options.flush_denormals);
    outcome.settle = job.work(context);
  } catch (...) {
    outcome.failure = CurrentFailure();
  }
  return outcome;
}

void Runner::OnSettled(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is being torn down: nobody waits for the promise
  static_cast<Runner*>(context)->Settled(env);
}

void Runner::Settled(Napi::Env env) {
  Answer(env);
  std::deque<std::shared_ptr<Job>> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (const std::shared_ptr<Job>& job : done) Tell(env, *job);
}

// Resolves or rejects the job's promise.
void Runner::Tell(Napi::Env env, Job& job) {
  Napi::HandleScope scope(env);
  auto& [settle, failure] = job.outcome;
  try {
    if (!failure) {
      try {
        job.deferred.Resolve(settle(env));
      } catch (const Napi::Error&) {
        throw;
      } catch (...) {
        failure = CurrentFailure();
      }
    }
    if (failure) job.deferred.Reject(ToError(env, *failure).Value());
  } catch (const Napi::Error& error) {
    // Making the value threw; or JavaScript can't run any more (worker.terminate()) and nobody hears of it.
    try {
      job.deferred.Reject(error.Value());
    } catch (const Napi::Error&) {
    }
  }
  if (--pending_ == 0) napi_unref_threadsafe_function(env, settled_);
}

std::function<void()> JsThreadCheck(Napi::Env env) {
  return [env = napi_env(env), thread = std::this_thread::get_id(), next = steady_clock::now() + kGlance]() mutable {
    if (std::this_thread::get_id() != thread || steady_clock::now() < next) return;
    if (!JavaScriptMayRun(env)) throw Aborted();
    next = steady_clock::now() + kGlance;
  };
}

}  // namespace espalier
