// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/spawn.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "common/check.hpp"

namespace tl::guest {
namespace {

constexpr std::size_t kStackBytes = 64 * 1024;
constexpr rlimit kOpenFiles{1024, 1024 * 1024};  // what Debian gives a login
constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

enum class Step { kSession, kFiles, kUser, kDirectory, kExec };

// What the child needs, laid out before it exists: it must not allocate, because it runs in our memory.
struct Plan {
  const SpawnSpec* spec;
  std::vector<char*> argv, environment;
  std::vector<std::string> candidates;  // paths to try, in order
  bool change_user = true;
  // The child's answer.
  Step step = Step::kSession;
  int error = 0;
};

// Raw system calls only: the C library's wrappers for set*id() look for our threads, and sanitizers look for
// our stack.
template <typename... Args>
__attribute__((no_sanitize("address", "undefined", "thread"))) long call(long number, Args... args) {
  return ::syscall(number, args...);
}

__attribute__((no_sanitize("address", "undefined", "thread"))) bool take_on(Plan& plan) {
  const SpawnSpec& spec = *plan.spec;
  plan.step = Step::kSession;
  if (call(SYS_setsid) < 0) return false;
  plan.step = Step::kFiles;
  const int fds[] = {spec.stdin_fd, spec.stdout_fd, spec.stderr_fd};
  for (int i = 0; i < 3; ++i) {
    if (call(SYS_dup3, fds[i], i, 0) < 0) return false;
  }
  if (spec.terminal == ControllingTerminal::kStdin && call(SYS_ioctl, 0, TIOCSCTTY, 0) < 0) return false;
  if (call(SYS_prlimit64, 0, RLIMIT_NOFILE, &kOpenFiles, nullptr) < 0 && errno != EPERM) return false;
  plan.step = Step::kUser;
  const User& user = spec.user;
  if (plan.change_user) {
    if (call(SYS_setgroups, user.groups.size(), user.groups.data()) < 0 ||
        call(SYS_setresgid, user.gid, user.gid, user.gid) < 0 ||
        call(SYS_setresuid, user.uid, user.uid, user.uid) < 0) {
      return false;
    }
  }
  plan.step = Step::kDirectory;
  if (call(SYS_chdir, spec.working_directory.c_str()) < 0) {
    if (!spec.directory_may_lack || call(SYS_chdir, "/") < 0) return false;
  }
  return true;
}

__attribute__((no_sanitize("address", "undefined", "thread"))) int child(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  if (!take_on(plan)) {
    plan.error = errno;
    call(SYS_exit_group, 127);
  }
  plan.step = Step::kExec;
  const std::uint64_t none_blocked = 0;
  call(SYS_rt_sigprocmask, SIG_SETMASK, &none_blocked, nullptr, sizeof none_blocked);
  int error = ENOENT;
  if (plan.spec->program_fd >= 0) {
    call(SYS_execveat, plan.spec->program_fd, "", plan.argv.data(), plan.environment.data(), AT_EMPTY_PATH);
    error = errno;
  }
  for (const std::string& path : plan.candidates) {
    call(SYS_execve, path.c_str(), plan.argv.data(), plan.environment.data());
    // As execvp(3): what is not there is passed over, what may not be run is remembered, the rest ends the
    // search.
    if (errno == EACCES) {
      error = EACCES;
    } else if (errno != ENOENT && errno != ENOTDIR) {
      error = errno;
      break;
    }
  }
  plan.error = error;
  call(SYS_exit_group, 127);
  return 0;
}

// clone(2) cannot do it, and the C library has no function for clone3(2). A process that is born into its
// group costs nothing; one that moves there waits for a grace period of the kernel's (RCU). -1 when that
// group takes nobody: somebody has removed it, or has handed its controllers out.
pid_t clone_into_group(Plan& plan, void* stack, int group_fd) {
  clone_args args{};
  args.flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP;
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<std::uint64_t>(stack);
  args.stack_size = kStackBytes;
  args.cgroup = static_cast<std::uint64_t>(group_fd);
  long result = SYS_clone3;
  // The child has our registers and its own stack, from which it must not return.
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %[plan], %%rdi\n\t"
      "call *%[child]\n\t"
      "ud2\n"
      "1:"
      : "+a"(result)
      : "D"(&args), "S"(sizeof args), [plan] "r"(&plan), [child] "r"(&child)
      : "rcx", "r11", "memory", "cc");
  return result < 0 ? -1 : static_cast<pid_t>(result);
}

std::string_view path_of(const std::vector<std::string>& environment) {
  for (const std::string& entry : environment) {
    if (entry.starts_with("PATH=")) return std::string_view(entry).substr(5);
  }
  return kDefaultPath;
}

std::vector<std::string> candidates_of(const std::string& program, std::string_view path) {
  if (program.empty() || program.find('/') != std::string::npos) return {program};
  std::vector<std::string> candidates;
  for (;;) {
    const std::size_t colon = path.find(':');
    const std::string_view folder = path.substr(0, colon);
    candidates.push_back((folder.empty() ? "." : std::string(folder)) + "/" + program);
    if (colon == std::string_view::npos) return candidates;
    path.remove_prefix(colon + 1);
  }
}

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// We are root ourselves, in no supplementary group.
bool is_what_we_are(const User& user) {
  const bool no_more_groups = user.groups.empty() || (user.groups.size() == 1 && user.groups[0] == user.gid);
  return user.uid == ::geteuid() && user.gid == ::getegid() && no_more_groups;
}

ExecFailure failure_of(const Plan& plan) {
  using Kind = ExecFailure::Kind;
  const SpawnSpec& spec = *plan.spec;
  const std::string why = ": " + std::generic_category().message(plan.error);
  switch (plan.step) {
    case Step::kExec: {
      Kind kind = Kind::kOther;
      if (plan.error == ENOENT || plan.error == ENOTDIR) kind = Kind::kNotFound;
      if (plan.error == EACCES || plan.error == ENOEXEC || plan.error == EPERM || plan.error == EISDIR ||
          plan.error == ELIBBAD) {
        kind = Kind::kNotExecutable;
      }
      return {kind, "exec " + spec.argv[0] + why};
    }
    case Step::kDirectory:
      return {Kind::kNoSuchDirectory, "change to " + spec.working_directory + why};
    case Step::kUser:
      return {Kind::kOther, "become user " + std::to_string(spec.user.uid) + why};
    case Step::kSession:
    case Step::kFiles:
      break;
  }
  return {Kind::kOther, "prepare the process" + why};
}

}  // namespace

Spawner::Spawner()
    : stack_(::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1,
                    0)) {
  TL_CHECK(stack_ != MAP_FAILED);
}

Spawner::~Spawner() {
  ::munmap(stack_, kStackBytes);
}

Spawned Spawner::spawn(const SpawnSpec& spec) {
  TL_CHECK(spec.stdin_fd > 2 && spec.stdout_fd > 2 && spec.stderr_fd > 2);
  Plan plan;
  plan.spec = &spec;
  plan.argv = pointers_to(spec.argv);
  plan.environment = pointers_to(spec.environment);
  if (spec.program_fd < 0) plan.candidates = candidates_of(spec.argv[0], path_of(spec.environment));
  plan.change_user = !is_what_we_are(spec.user);
  pid_t pid = -1;
  if (spec.group_fd >= 0) pid = clone_into_group(plan, stack_, spec.group_fd);
  const bool in_group = pid >= 0 || spec.group_fd < 0;
  if (pid < 0) {
    pid = ::clone(child, static_cast<char*>(stack_) + kStackBytes, CLONE_VM | CLONE_VFORK | SIGCHLD, &plan);
  }
  if (pid < 0) {
    return {-1, {ExecFailure::Kind::kOther, "start a process: " + std::generic_category().message(errno)}};
  }
  if (plan.error == 0) return {pid, {}, in_group};
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {-1, failure_of(plan)};
}

std::vector<std::string> environment_of(const ExecRequest& request, const User& user) {
  std::vector<std::pair<std::string, std::string>> all = {
      {"HOME", user.home}, {"SHELL", user.shell}, {"PATH", kDefaultPath}};
  if (!user.name.empty()) {
    all.emplace_back("USER", user.name);
    all.emplace_back("LOGNAME", user.name);
  }
  all.insert(all.end(), request.environment.begin(), request.environment.end());
  std::vector<std::string> result;
  std::unordered_map<std::string_view, std::size_t> position;
  for (const auto& [name, value] : all) {
    const auto [found, fresh] = position.emplace(name, result.size());
    if (fresh) result.emplace_back();
    result[found->second].assign(name).append("=").append(value);
  }
  return result;
}

}  // namespace tl::guest
