// SPDX-License-Identifier: Apache-2.0
// tl-net: the network of one sandbox, from the guest's card to sockets of this process. It parses what a
// hostile guest sends, and so it has nothing but its two sockets, may do little else, and is alone in its
// memory.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "common/io.hpp"
#include "runtime/network/cable.hpp"
#include "runtime/network/confinement.hpp"
#include "runtime/network/firewall.hpp"
#include "runtime/network/process.hpp"
#include "runtime/network/stack.hpp"

namespace tl::network {
namespace {

using namespace std::chrono_literals;

// A connection takes a descriptor, and at most a quarter of a MiB.
constexpr rlim_t kMostFiles = 1024;
// Frames of the guest at a time, so that nobody else waits for a guest that floods.
constexpr int kFramesAtATime = 64;

Now now() {
  return std::chrono::steady_clock::now();
}

class Process {
 public:
  Process() : cable_(UniqueFd(kCableFd)), control_(kControlFd) {}

  Result<void> run();

 private:
  enum Place : std::size_t { kControl, kCable, kWorld };

  bool obey();
  void serve_guest(short found);
  void deliver(Frame frame);

  Cable cable_;
  UniqueFd control_;
  Firewall firewall_;
  std::unique_ptr<Stack> stack_;
  bool has_guest_ = true;
};

// False when there is nobody any more who could tell us something.
bool Process::obey() {
  std::string text(kMostControlBytes, '\0');
  const ssize_t got = ::recv(control_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  // An empty message would be no message: no rules at all are a line end.
  Result<Rules> rules = Error{ErrorCode::kOutOfRange, "the rules are too long", ""};
  if (static_cast<std::size_t>(got) <= text.size()) {
    text.resize(static_cast<std::size_t>(got) - 1);
    rules = rules_from_text(text);
  }
  const Result<void> set = rules ? firewall_.set_rules(*rules) : rules.error();
  const std::string answer = set ? kAccepted : set.error().message;
  return ::send(control_.get(), answer.data(), answer.size(), MSG_NOSIGNAL) >= 0;
}

void Process::deliver(Frame frame) {
  auto verdict = firewall_.to_guest(frame, now());
  using What = Firewall::Verdict::What;
  if (verdict.what == What::kPass) cable_.send(frame);
  if (verdict.what == What::kInstead) cable_.send(verdict.instead);
}

void Process::serve_guest(short found) {
  if ((found & POLLOUT) != 0) cable_.flush();
  if ((found & POLLIN) != 0) {
    for (int i = 0; i < kFramesAtATime; ++i) {
      const auto frame = cable_.receive();
      if (!frame) break;
      const auto verdict = firewall_.from_guest(*frame, now());
      using What = Firewall::Verdict::What;
      if (verdict.what == What::kPass) stack_->give(*frame);
      if (verdict.what == What::kInstead) cable_.send(verdict.instead);
    }
  }
  // The machine has ended, and soon the monitor will end us.
  if ((found & (POLLHUP | POLLERR)) != 0) has_guest_ = false;
}

Result<void> Process::run() {
  auto stack = Stack::create([this](Frame frame) { deliver(frame); });
  if (!stack) return stack.error();
  stack_ = *std::move(stack);
  if (auto confined = confine(); !confined) return confined;
  std::vector<pollfd> polled;
  for (;;) {
    const bool full = cable_.is_full();
    polled = {{control_.get(), POLLIN, 0},
              {has_guest_ ? cable_.fd() : -1, static_cast<short>(full ? POLLIN | POLLOUT : POLLIN), 0}};
    // While the guest does not take what is there, the world waits.
    const auto wait = full ? 100ms : stack_->prepare(polled);
    if (::poll(polled.data(), polled.size(), static_cast<int>(wait.count())) < 0 && errno != EINTR)
      return errno_error("poll");
    if (polled[kControl].revents != 0 && !obey()) return {};
    if (polled[kCable].revents != 0) serve_guest(polled[kCable].revents);
    if (!full) stack_->proceed(polled);
  }
}

Result<void> main() {
  ::prctl(PR_SET_NAME, "tl-net");
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::close(kProgramFd);
  const rlimit files{kMostFiles, kMostFiles};
  ::setrlimit(RLIMIT_NOFILE, &files);
  std::signal(SIGPIPE, SIG_IGN);
  // What libraries have to say about a guest's packets would fill the log.
  auto nowhere = open_at(AT_FDCWD, "/dev/null", O_WRONLY);
  if (!nowhere) return nowhere.error();
  const UniqueFd log(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  ::dup2(nowhere->get(), STDERR_FILENO);
  Process process;
  auto ran = process.run();
  if (!ran) static_cast<void>(write_all(log.get(), "tl-net: " + ran.error().message + "\n"));
  return ran;
}

}  // namespace
}  // namespace tl::network

int main() {
  return tl::network::main() ? 0 : 1;
}
