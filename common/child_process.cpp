// SPDX-License-Identifier: Apache-2.0
#include "common/child_process.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

// Between fork and exec only async-signal-safe calls are allowed, because another thread may have held any
// lock at the fork: everything that allocates is prepared before (Launch), and run_child() makes bare system
// calls, starting with the clone itself. The calling thread sleeps until the child has executed its program
// or ended (CLONE_VFORK, in a copy of our memory all the same); what kept it from that is then on a page that
// both share.
namespace tl {
namespace {

enum class Step : int { kSetup, kDescriptors, kWorkingDir, kExec };

struct Failure {
  int number = 0;  // errno; 0: none
  Step step = Step::kSetup;
};

// A failure that the child writes down and the parent reads.
class Report {
 public:
  static Result<Report> create() {
    void* const page =
        ::mmap(nullptr, sizeof(Failure), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return errno_error("mmap");
    return Report(new (page) Failure);
  }
  Report(Report&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  Report& operator=(Report&&) = delete;
  ~Report() {
    if (shared_ != nullptr) ::munmap(shared_, sizeof(Failure));
  }
  [[nodiscard]] Failure& failure() const { return *shared_; }

 private:
  explicit Report(Failure* shared) : shared_(shared) {}
  Failure* shared_;
};

struct Launch {
  const char* path;
  char* const* argv;
  char* const* environment;
  const char* working_dir;  // nullptr: ours
  const std::vector<ChildSpec::Fd>* fds;
  int* parked;  // as many as fds: where the sources wait while targets are overwritten
  int above;    // greater than every target
  ChildSpec::Group group;
  ChildSpec::Signals signals;
  int death_signal;  // 0: none
  pid_t parent;      // whose end the signal tells of
  Failure* failure;
};

[[noreturn]] void give_up(const Launch& launch, Step step) {
  *launch.failure = {errno, step};
  ::_exit(127);
}

bool map_descriptors(const Launch& launch) {
  // What somebody else left open without close-on-exec. Kernels before 5.11 refuse, and then it stays as it
  // is.
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  for (std::size_t i = 0; i < launch.fds->size(); ++i) {
    const int ours = (*launch.fds)[i].ours;
    launch.parked[i] = ours >= launch.above ? ours : ::fcntl(ours, F_DUPFD_CLOEXEC, launch.above);
    if (launch.parked[i] < 0) return false;
  }
  bool has_stdin = false;
  for (std::size_t i = 0; i < launch.fds->size(); ++i) {
    const int target = (*launch.fds)[i].theirs;
    has_stdin = has_stdin || target == STDIN_FILENO;
    if (::dup2(launch.parked[i], target) < 0) return false;
  }
  if (has_stdin) return true;
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0) return false;
  return null == STDIN_FILENO ? ::fcntl(null, F_SETFD, 0) == 0 : ::dup2(null, STDIN_FILENO) >= 0;
}

// What somebody ignores stays ignored after exec: these are what shells, nohup and we ourselves ignore.
void heed_signals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU})
    ::sigaction(signal, &action, nullptr);
}

[[noreturn]] void run_child(const Launch& launch) {
  if (launch.group == ChildSpec::Group::kOwnGroup) ::setpgid(0, 0);
  if (launch.group == ChildSpec::Group::kOwnSession) ::setsid();
  if (launch.death_signal != 0) {
    if (::prctl(PR_SET_PDEATHSIG, launch.death_signal) != 0) give_up(launch, Step::kSetup);
    if (::getppid() != launch.parent) ::_exit(127);  // the parent went before the prctl
  }
  if (!map_descriptors(launch)) give_up(launch, Step::kDescriptors);
  if (launch.working_dir != nullptr && ::chdir(launch.working_dir) != 0) give_up(launch, Step::kWorkingDir);

  if (launch.signals == ChildSpec::Signals::kDefault) heed_signals();
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(launch.path, launch.argv, launch.environment);
  give_up(launch, Step::kExec);
}

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const auto& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

Error describe(const Failure& failure, const ChildSpec& spec) {
  switch (failure.step) {
    case Step::kSetup:
      return errno_error(failure.number, "prepare " + spec.argv[0]);
    case Step::kDescriptors:
      return errno_error(failure.number, "pass file descriptors to " + spec.argv[0]);
    case Step::kWorkingDir:
      return errno_error(failure.number, "change to " + spec.working_dir);
    case Step::kExec:
      break;
  }
  return errno_error(failure.number, "run " + spec.argv[0]);
}

struct Clone {
  pid_t pid = -1;  // or errno says why
  UniqueFd pidfd;
};

Clone clone_child(const Launch& launch) {
  int pidfd = -1;
  clone_args wanted = {};
  // Handlers of ours must not run in the child: the kernel takes them away (Linux 5.5).
  wanted.flags = CLONE_CLEAR_SIGHAND | CLONE_PIDFD | CLONE_VFORK;
  wanted.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  wanted.exit_signal = SIGCHLD;
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &wanted, sizeof wanted));
  if (pid == 0) run_child(launch);
  return {pid, UniqueFd(pidfd)};
}

ExitStatus decode(int status) {
  if (WIFSIGNALED(status)) return ExitStatus{0, WTERMSIG(status)};
  return ExitStatus{WEXITSTATUS(status), 0};
}

}  // namespace

Result<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::string folders = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  folders += ":/usr/local/sbin:/usr/sbin:/sbin";
  for (std::size_t begin = 0; begin <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', begin), folders.size());
    // An empty or relative folder means the current one: not where programs of ours come from.
    if (folders[begin] == '/') {
      const std::string candidate = folders.substr(begin, end - begin) + "/" + name;
      if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    begin = end + 1;
  }
  return Error{ErrorCode::kHostLacks, name + ": no such program on this host", ""};
}

std::string ExitStatus::describe() const {
  if (signal == 0) return "exited with status " + std::to_string(code);
  const char* name = ::sigdescr_np(signal);
  return "was killed by signal " + std::to_string(signal) +
         (name == nullptr ? "" : " (" + std::string(name) + ")");
}

Result<ChildProcess> ChildProcess::spawn(const ChildSpec& spec) {
  TL_CHECK(!spec.argv.empty());
  const auto path = find_program(spec.argv[0]);
  if (!path) return path.error();
  const auto report = Report::create();
  if (!report) return report.error();

  const auto argv = pointers_to(spec.argv);
  const auto environment = spec.environment ? pointers_to(*spec.environment) : std::vector<char*>();
  std::vector<int> parked(spec.fds.size());
  int above = 3;
  for (const auto& fd : spec.fds) above = std::max(above, fd.theirs + 1);
  const Launch launch{.path = path->c_str(),
                      .argv = argv.data(),
                      .environment = spec.environment ? environment.data() : environ,
                      .working_dir = spec.working_dir.empty() ? nullptr : spec.working_dir.c_str(),
                      .fds = &spec.fds,
                      .parked = parked.data(),
                      .above = above,
                      .group = spec.group,
                      .signals = spec.signals,
                      .death_signal = spec.death_signal.value_or(0),
                      .parent = spec.death_signal ? ::getpid() : 0,
                      .failure = &report->failure()};
  Clone made = clone_child(launch);
  if (made.pid < 0) return errno_error("make a process for " + spec.argv[0]);
  const bool own_group = spec.group != ChildSpec::Group::kInherit;
  ChildProcess child(made.pid, std::move(made.pidfd), own_group);
  if (report->failure().number != 0) return describe(report->failure(), spec);
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      own_group_(other.own_group_),
      status_(std::exchange(other.status_, std::nullopt)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = std::exchange(other.pid_, -1);
  pidfd_ = std::move(other.pidfd_);
  own_group_ = other.own_group_;
  status_ = std::exchange(other.status_, std::nullopt);
  return *this;
}

ChildProcess::~ChildProcess() {
  end();
}

void ChildProcess::end() {
  if (pid_ < 0 || status_) return;
  kill(SIGKILL);
  [[maybe_unused]] const auto reaped = wait();
}

void ChildProcess::kill(int signal) const {
  if (pid_ < 0 || status_) return;
  // Before the child has made its group there is none to reach.
  if (own_group_ && ::kill(-pid_, signal) == 0) return;
  ::kill(pid_, signal);
}

Result<ExitStatus> ChildProcess::wait() {
  if (status_) return *status_;
  TL_CHECK(pid_ > 0);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) return errno_error("waitpid");
  }
  status_ = decode(status);
  return *status_;
}

Result<std::optional<ExitStatus>> ChildProcess::wait_for(std::chrono::milliseconds timeout) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + timeout;
  while (!status_) {
    TL_CHECK(pid_ > 0);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd entry{pidfd_.get(), POLLIN, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30)));
    if (ready < 0 && errno != EINTR) return errno_error("poll");
    if (ready > 0) {
      if (const auto reaped = wait(); !reaped) return reaped.error();
    } else if (ready == 0 && Clock::now() >= deadline) {
      return std::optional<ExitStatus>();
    }
  }
  return status_;
}

pid_t ChildProcess::detach() {
  status_.reset();
  pidfd_.reset();
  return std::exchange(pid_, -1);
}

}  // namespace tl
