// SPDX-License-Identifier: Apache-2.0
#include "common/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <set>
#include <thread>

#include "common/io.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/pipe.hpp"

using namespace tl;
using tl::test::Pipe;

namespace {

// What the program says on its standard output.
std::string output_of(std::vector<std::string> argv, std::vector<ChildSpec::Fd> fds = {},
                      ChildSpec::Signals signals = ChildSpec::Signals::kDefault) {
  Pipe out;
  ChildSpec spec;
  spec.signals = signals;
  spec.argv = std::move(argv);
  spec.fds = std::move(fds);
  spec.fds.push_back({STDOUT_FILENO, out.writing.get()});
  auto child = ChildProcess::spawn(spec);
  REQUIRE(child);
  out.writing.reset();
  const auto text = read_to_end(out.reading.get(), 1 << 20);
  REQUIRE(text);
  CHECK(child->wait()->success());
  return *text;
}

// A line of /proc/self/status that is a set of signals.
std::uint64_t signals(const std::string& status, const std::string& name) {
  const std::size_t at = status.find(name + ":");
  REQUIRE(at != std::string::npos);
  return std::stoull(status.substr(at + name.size() + 1), nullptr, 16);
}

// Puts it back.
struct Disposition {
  Disposition(int signal, void (*handler)(int)) : number(signal) {
    struct sigaction action = {};
    action.sa_handler = handler;
    REQUIRE(::sigaction(signal, &action, &before) == 0);
  }
  ~Disposition() { ::sigaction(number, &before, nullptr); }
  Disposition(const Disposition&) = delete;
  Disposition& operator=(const Disposition&) = delete;
  int number;
  struct sigaction before = {};
};

}  // namespace

TEST_CASE("a child begins with no signal blocked, none caught, and those at their default that we ignore") {
  const Disposition caught(SIGUSR1, [](int) {});
  const Disposition pipe(SIGPIPE, SIG_IGN);
  const Disposition hangup(SIGHUP, SIG_IGN);
  sigset_t some;
  sigset_t before;
  ::sigemptyset(&some);
  ::sigaddset(&some, SIGTERM);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &some, &before) == 0);
  const std::string status = output_of({"cat", "/proc/self/status"});
  sigset_t after;
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, &after) == 0);
  CHECK(signals(status, "SigBlk") == 0);
  CHECK(signals(status, "SigCgt") == 0);
  CHECK((signals(status, "SigIgn") & (1U << (SIGPIPE - 1) | 1U << (SIGHUP - 1))) == 0);
  // Ours are as they were.
  CHECK(::sigismember(&after, SIGTERM) == 1);
  CHECK(::sigismember(&after, SIGUSR2) == 0);
  struct sigaction ours = {};
  REQUIRE(::sigaction(SIGUSR1, nullptr, &ours) == 0);
  CHECK(ours.sa_handler != SIG_DFL);
}

TEST_CASE("a child that sets its own signals ignores what we ignore, and has none caught") {
  const Disposition caught(SIGUSR1, [](int) {});
  const Disposition hangup(SIGHUP, SIG_IGN);
  const std::string status = output_of({"cat", "/proc/self/status"}, {}, ChildSpec::Signals::kAsOurs);
  CHECK(signals(status, "SigBlk") == 0);
  CHECK(signals(status, "SigCgt") == 0);
  CHECK((signals(status, "SigIgn") & 1U << (SIGHUP - 1)) != 0);
}

TEST_CASE("a child has the descriptors that it was given, at their numbers, and no others") {
  Pipe low;
  Pipe other;
  // One above every target already, one that is not close-on-exec, and one under two numbers.
  const UniqueFd high(::fcntl(low.writing.get(), F_DUPFD_CLOEXEC, 200));
  const UniqueFd stray(::dup(low.writing.get()));
  REQUIRE(high.get() >= 200);
  // The last word keeps the shell from becoming the one before.
  const std::string script = "echo one >&3; echo two >&8; echo three >&9; ls /proc/$$/fd; true";
  const std::string listing =
      output_of({"sh", "-c", script}, {{3, high.get()}, {8, other.writing.get()}, {9, other.writing.get()}});
  low.writing.reset();
  other.writing.reset();
  std::string text(4, '\0');
  REQUIRE(read_exact(low.reading.get(), std::as_writable_bytes(std::span(text))));
  CHECK(text == "one\n");
  CHECK(*read_to_end(other.reading.get(), 100) == "two\nthree\n");
  std::set<int> open;
  for (std::size_t at = 0; at < listing.size();) {
    std::size_t length = 0;
    open.insert(std::stoi(listing.substr(at), &length));
    at = listing.find('\n', at) + 1;
  }
  CHECK(open == std::set<int>{0, 1, 2, 3, 8, 9});
}

TEST_CASE("descriptors change places") {
  Pipe a;
  Pipe b;
  const int first = a.writing.get();
  const int second = b.writing.get();
  const std::string script =
      "echo to-b >&" + std::to_string(first) + "; echo to-a >&" + std::to_string(second);
  output_of({"bash", "-c", script}, {{first, second}, {second, first}});
  a.writing.reset();
  b.writing.reset();
  CHECK(*read_to_end(a.reading.get(), 100) == "to-a\n");
  CHECK(*read_to_end(b.reading.get(), 100) == "to-b\n");
}

TEST_CASE("what keeps a child from starting is an error that says what, and leaves no process") {
  ChildSpec spec;
  spec.argv = {"/none/such"};
  CHECK(ChildProcess::spawn(spec).error().message.find("run /none/such") != std::string::npos);
  spec.argv = {"no-such-program-anywhere"};
  CHECK(ChildProcess::spawn(spec).error().code == ErrorCode::kHostLacks);
  spec.argv = {"true"};
  spec.working_dir = "/none/such";
  CHECK(ChildProcess::spawn(spec).error().message.find("change to /none/such") != std::string::npos);
  spec.working_dir.clear();
  spec.fds = {{3, 9999}};
  CHECK(ChildProcess::spawn(spec).error().message.find("pass file descriptors to true") != std::string::npos);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("a child that is dropped is killed with its whole group") {
  Pipe out;
  {
    ChildSpec spec;
    spec.argv = {"sh", "-c", "sleep 1000 & echo; wait"};
    spec.fds = {{STDOUT_FILENO, out.writing.get()}};
    spec.group = ChildSpec::Group::kOwnGroup;
    const auto child = ChildProcess::spawn(spec);
    REQUIRE(child);
    out.writing.reset();
    std::byte said{};
    REQUIRE(read_exact(out.reading.get(), std::span(&said, 1)));
  }
  // The sleep has the pipe as well: its end says that nobody is left.
  CHECK(read_to_end(out.reading.get(), 100)->empty());
}

TEST_CASE("a child's end is told with its status, as often as it is asked for") {
  ChildSpec spec;
  spec.argv = {"sh", "-c", "exit 3"};
  auto child = ChildProcess::spawn(spec);
  REQUIRE(child);
  CHECK(child->wait()->describe() == "exited with status 3");
  CHECK(child->wait()->code == 3);
  spec.argv = {"sleep", "1000"};
  auto sleeper = ChildProcess::spawn(spec);
  REQUIRE(sleeper);
  CHECK_FALSE(sleeper->wait_for(std::chrono::milliseconds(0))->has_value());
  sleeper->kill(SIGTERM);
  const auto ended = sleeper->wait_for(std::chrono::minutes(2));
  REQUIRE(ended);
  REQUIRE(*ended);
  CHECK((*ended)->signal == SIGTERM);
}

TEST_CASE("children start while other threads allocate and start children") {
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        ChildSpec spec;
        spec.argv = {"true"};
        auto child = ChildProcess::spawn(spec);
        if (!child || !child->wait()->success()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
}
