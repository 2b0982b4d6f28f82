#include "binding/runner.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <chrono>
#include <optional>
#include <utility>

#include "binding/addon.h"
#include "binding/errors.h"
#include "binding/flush.h"

namespace espalier {
namespace {

Failure Aborted() { return Failure("ERR_ABORTED", "the work was cancelled"); }

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

struct Runner::Job {
  Job(Napi::Env env, JobOptions options, Work work)
      : deferred(Napi::Promise::Deferred::New(env)), options(std::move(options)), work(std::move(work)) {}

  Napi::Promise::Deferred deferred;  // JS thread only
  JobOptions options;
  Work work;
  Settle settle;
  std::optional<Failure> failure;
};

struct Runner::Question {
  std::function<void(Napi::Env)> work;
  std::optional<Failure> failure;
  bool done = false;  // guarded by mutex_
};

Runner::Runner() = default;
Runner::~Runner() { Stop(); }

Napi::Promise Runner::Submit(Napi::Env env, JobOptions options, Work work) {
  auto job = std::make_unique<Job>(env, std::move(options), std::move(work));
  Napi::Promise promise = job->deferred.Promise();
  if (stopping_) {
    job->deferred.Reject(ToError(env, Aborted()).Value());
    return promise;
  }
  if (!thread_.joinable()) Start(env);
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
      (*it)->failure = Aborted();
      done_.push_back(std::move(*it));
      it = queue_.erase(it);
      dropped = true;
    }
  }
  if (dropped) Settled(env);
}

void Runner::Stop() {
  stopping_ = true;
  {
    std::lock_guard lock(mutex_);
    queue_.clear();
  }
  wake_.notify_all();
  answered_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Runner::Until(Napi::Env env, const std::function<bool()>& reached) {
  while (!reached()) {
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
  if (blocking_) {
    if (std::this_thread::get_id() == js_thread_) {
      const InCallback in(callbacks_);
      return work(env_);
    }
    // A job's callback can wait for the end of that call; one of the call itself, out of another thread, can't.
    if (std::this_thread::get_id() != thread_.get_id()) {
      throw Failure("ERR_UNSUPPORTED", "a callback can't run on this device while the JavaScript thread is blocked", "",
                    "use backward() in place of backwardSync()");
    }
  }
  auto question = std::make_shared<Question>();
  question->work = std::move(work);
  {
    std::lock_guard lock(mutex_);
    if (stopping_) throw Aborted();
    questions_.push_back(question);
  }
  napi_call_threadsafe_function(settled_, nullptr, napi_tsfn_nonblocking);
  std::unique_lock lock(mutex_);
  answered_.wait(lock, [&] { return question->done || stopping_; });
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
  thread_ = std::thread([this] { Loop(); });
}

void Runner::Loop() {
  int threads = 0;
  for (;;) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    if (threads != threads_ && threads_ > 0) {
      threads = threads_;
      at::set_num_threads(threads);
    }
    JobContext context(stopping_, job->options.cancel.get());
    try {
      context.ThrowIfCancelled();
      at::AutoGradMode grad(job->options.grad);
      FlushDenormals flush(job->options.flush_denormals);
      job->settle = job->work(context);
    } catch (...) {
      job->failure = CurrentFailure();
    }
    job->work = nullptr;  // what it captured is freed here, not on the JS thread
    Post(std::move(job));
  }
}

void Runner::Post(std::unique_ptr<Job> job) {
  {
    std::lock_guard lock(mutex_);
    done_.push_back(std::move(job));
  }
  if (!stopping_) napi_call_threadsafe_function(settled_, nullptr, napi_tsfn_nonblocking);
}

void Runner::OnSettled(napi_env env, napi_value, void* context, void*) {
  if (env == nullptr) return;  // the environment is being torn down: nobody waits for the promise
  static_cast<Runner*>(context)->Settled(env);
}

void Runner::Settled(Napi::Env env) {
  Answer(env);
  std::deque<std::unique_ptr<Job>> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (std::unique_ptr<Job>& job : done) {
    Napi::HandleScope scope(env);
    try {
      if (!job->failure) {
        try {
          job->deferred.Resolve(job->settle(env));
        } catch (const Napi::Error&) {
          throw;
        } catch (...) {
          job->failure = CurrentFailure();
        }
      }
      if (job->failure) job->deferred.Reject(ToError(env, *job->failure).Value());
    } catch (const Napi::Error& error) {
      // Making the value threw; or JavaScript can't run any more (worker.terminate()) and nobody hears of it.
      try {
        job->deferred.Reject(error.Value());
      } catch (const Napi::Error&) {
      }
    }
    if (--pending_ == 0) napi_unref_threadsafe_function(env, settled_);
  }
}

}  // namespace espalier
