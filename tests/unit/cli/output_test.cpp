// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "cli/age.hpp"
#include "cli/did_you_mean.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "common/unique_fd.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using tl::UniqueFd;
using tl::cli::age;
using tl::cli::nearest;
using tl::cli::Output;
using tl::cli::Terminal;

TEST_CASE("ages are told in the largest whole unit") {
  const std::chrono::system_clock::time_point now(1'000'000'000s);
  REQUIRE(age(now, now) == "0 sec ago");
  REQUIRE(age(now - 59s, now) == "59 sec ago");
  REQUIRE(age(now - 60s, now) == "1 min ago");
  REQUIRE(age(now - 5min - 59s, now) == "5 min ago");
  REQUIRE(age(now - 1h, now) == "1 hr ago");
  REQUIRE(age(now - 23h, now) == "23 hr ago");
  REQUIRE(age(now - 24h, now) == "1 day ago");
  REQUIRE(age(now - 5 * 24h, now) == "5 days ago");
}

TEST_CASE("what is older than five days or not yet is told as a date") {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  const std::chrono::system_clock::time_point now(1'000'000'000s);  // 2001-09-09 01:46:40 UTC
  REQUIRE(age(now - 5 * 24h - 1s, now) == "2001-09-04 01:46");
  REQUIRE(age(now + 1s, now) == "2001-09-09 01:46");
}

TEST_CASE("durations and sizes are told for people") {
  REQUIRE(tl::cli::duration(59s) == "59 s");
  REQUIRE(tl::cli::duration(310s) == "5 min 10 s");
  REQUIRE(tl::cli::duration(2h + 5min + 9s) == "2 h 5 min");
  REQUIRE(tl::cli::size(0) == "0 B");
  REQUIRE(tl::cli::size(1023) == "1023 B");
  REQUIRE(tl::cli::size(1536) == "1.5 KiB");
  REQUIRE(tl::cli::size((1ull << 30) - 1) == "1.0 GiB");
  REQUIRE(tl::cli::size(10ull << 30) == "10.0 GiB");
}

TEST_CASE("the nearest word is one slip away for short words and more for long ones") {
  REQUIRE(nearest("sl", {"ls", "exec"}) == "ls");
  REQUIRE(nearest("termnate", {"terminate", "create"}) == "terminate");
  REQUIRE(nearest("desribe", {"describe"}) == "describe");
  REQUIRE(nearest("x", {"run", "exec"}).empty());
  REQUIRE(nearest(std::string(1000, 'a'), {"run"}).empty());
}

TEST_CASE("a reader that goes away is no error") {
  std::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const UniqueFd writing(ends[1]);
  ::close(ends[0]);
  Output output(writing.get());
  output.line("nobody reads this");
  REQUIRE(output.flush());
  output.line(std::string(1 << 20, 'x'));
  REQUIRE(output.flush());
}

TEST_CASE("a full disk is an error") {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  REQUIRE(full);
  Output output(full.get());
  output.line("does not fit");
  const auto flushed = output.flush();
  REQUIRE_FALSE(flushed);
  REQUIRE(flushed.error().message == "write output: No space left on device");
}

TEST_CASE("a pipe that is full and not blocking is waited for") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  REQUIRE(::fcntl(writing.get(), F_SETFL, O_NONBLOCK) == 0);
  constexpr std::size_t kMuch = 300'000;  // several times what a pipe holds
  const pid_t child = ::fork();
  if (child == 0) {
    Output output(writing.get());
    output.write(std::string(kMuch, 'x'));
    ::_exit(output.flush() ? 0 : 1);
  }
  writing.reset();
  std::size_t total = 0;
  std::array<char, 4096> buffer{};
  ssize_t count = 0;
  while ((count = ::read(reading.get(), buffer.data(), buffer.size())) > 0) {
    total += static_cast<std::size_t>(count);
  }
  REQUIRE(total == kMuch);
}

TEST_CASE("NO_COLOR and a dumb terminal mean no colour") {
  const UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal) return;  // no pseudo terminals here
  REQUIRE(::grantpt(terminal.get()) == 0);
  REQUIRE(::unlockpt(terminal.get()) == 0);
  ::setenv("TERM", "xterm", 1);
  ::unsetenv("NO_COLOR");
  REQUIRE(Terminal::of(terminal.get()).kind == Terminal::Kind::kColour);
  ::setenv("NO_COLOR", "", 1);
  REQUIRE(Terminal::of(terminal.get()).kind == Terminal::Kind::kColour);
  ::setenv("NO_COLOR", "1", 1);
  REQUIRE(Terminal::of(terminal.get()).kind == Terminal::Kind::kPlain);
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "dumb", 1);
  REQUIRE(Terminal::of(terminal.get()).kind == Terminal::Kind::kPlain);
  REQUIRE(Terminal{Terminal::Kind::kPlain}.red("x") == "x");
  REQUIRE(Terminal{Terminal::Kind::kColour}.red("x") == "\033[1;31mx\033[0m");
}

TEST_CASE("columns of a table count characters, not bytes") {
  tl::cli::Table table({"A", "B"});
  table.add({"\xC3\xA9", "x"});
  table.add({"ab", "y"});
  REQUIRE(table.text({Terminal::Kind::kPlain}) == "A   B\n\xC3\xA9   x\nab  y\n");
}
