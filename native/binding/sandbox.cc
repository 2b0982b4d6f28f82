#include "binding/sandbox.h"

#include <errno.h>
#include <fcntl.h>

#include "binding/errors.h"
#include "binding/values.h"

#if defined(__linux__) && defined(__x86_64__)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>
#endif

namespace espalier {
namespace {

Failure NoSandbox(const std::string& why) {
  return Failure("ERR_UNSUPPORTED", "files that are not trusted can't be opened here: " + why, "",
                 "use Linux on x64, or a container or machine of its own");
}

#if defined(__linux__) && defined(__x86_64__)

// What computing, threads and open channels need. All else fails as not permitted.
constexpr uint32_t kAllowed[] = {
    // channels that are open
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_close,
    SYS_fstat,
    SYS_lseek,
    SYS_fcntl,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_shutdown,
    SYS_poll,
    SYS_ppoll,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_wait,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_eventfd2,
    // memory
    SYS_mmap,
    SYS_mprotect,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_mincore,
    SYS_membarrier,
    SYS_pkey_alloc,
    SYS_pkey_free,
    SYS_pkey_mprotect,
    // threads, signals of its own, clocks
    SYS_futex,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_rseq,
    SYS_set_tid_address,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_getcpu,
    SYS_exit,
    SYS_exit_group,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_time,
    SYS_timer_create,
    SYS_timer_settime,
    SYS_timer_delete,
    // who and where it is
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrusage,
    SYS_getrandom,
    SYS_getcwd,
    SYS_arch_prctl,
};

constexpr uint32_t kDenied = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kMissing = SECCOMP_RET_ERRNO | ENOSYS;

constexpr uint32_t Low(int argument) { return offsetof(seccomp_data, args) + 8 * argument; }

void Add(std::vector<sock_filter>& program, sock_filter instruction) { program.push_back(instruction); }

void Return(std::vector<sock_filter>& program, uint32_t result) { Add(program, BPF_STMT(BPF_RET | BPF_K, result)); }

// When the call has this number: allowed if `test` jumps over one instruction.
void AllowIf(std::vector<sock_filter>& program, uint32_t call, int argument, sock_filter test) {
  Add(program, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4));
  Add(program, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, Low(argument)));
  Add(program, test);
  Return(program, kDenied);
  Return(program, SECCOMP_RET_ALLOW);
}

std::vector<sock_filter> Filter() {
  std::vector<sock_filter> program;
  Add(program, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  Add(program, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
  Return(program, SECCOMP_RET_KILL_PROCESS);
  Add(program, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const uint32_t call : kAllowed) {
    Add(program, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    Return(program, SECCOMP_RET_ALLOW);
  }
  // Threads, but no processes. Of clone3 the flags can't be seen; without it the C library takes clone.
  Add(program, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1));
  Return(program, kMissing);
  AllowIf(program, SYS_clone, 0, BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
  AllowIf(program, SYS_tgkill, 0, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(getpid()), 1, 0));
  AllowIf(program, SYS_fcntl, 1, BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, F_SETFL, 0, 1));  // flags, no owners of signals
  AllowIf(program, SYS_ioctl, 1, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FIONBIO, 1, 0));
  AllowIf(program, SYS_prctl, 0, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_NAME, 1, 0));
  Return(program, kDenied);
  return program;
}

// Of the private memory that can be written, which is what RLIMIT_DATA counts.
uint64_t DataBytes() {
  std::ifstream status("/proc/self/status");
  std::string key;
  while (status >> key) {
    uint64_t kilobytes = 0;
    if (key == "VmData:" && status >> kilobytes) return kilobytes * 1024;
  }
  throw NoSandbox("/proc/self/status can't be read");
}

Napi::Value EnterSandbox(const Napi::CallbackInfo& info) {
  const auto bytes = static_cast<uint64_t>(ToInteger(info[0], "bytes", 1, INT64_C(9007199254740991)));
  const rlim_t most = DataBytes() + bytes;
  const rlimit data{most, most}, none{0, 0};
  if (setrlimit(RLIMIT_DATA, &data) != 0 || setrlimit(RLIMIT_CORE, &none) != 0) {
    throw NoSandbox("the system takes no limit on memory");
  }
  std::vector<sock_filter> program = Filter();
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    throw NoSandbox("the system can't take privileges away");
  }
  // On all threads at once.
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0) {
    throw NoSandbox("the system can't filter system calls (seccomp)");
  }
  return info.Env().Undefined();
}

#else

Napi::Value EnterSandbox(const Napi::CallbackInfo&) { throw NoSandbox("this is not Linux on x64"); }

#endif

}  // namespace

void RegisterSandbox(Napi::Env, Napi::Object exports) { Export<EnterSandbox>(exports, "enterSandbox"); }

}  // namespace espalier
