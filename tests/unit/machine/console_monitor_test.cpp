// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/console_monitor.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <string>

#include "common/io.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/machine/support.hpp"

using namespace tl;
using namespace tl::machine;
using Cause = MachineExit::Cause;

namespace {

struct LogFolder : test::TempFolder {
  UniqueFd fd{::open(path.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC)};

  [[nodiscard]] std::string contents(const std::string& name) const {
    auto text = read_file(fd.get(), name, 64 << 20);
    return text ? *text : "(none)";
  }
};

}  // namespace

TEST_CASE("the lines by which a kernel ends are recognised with and without time stamp") {
  for (const std::string stamp : {"", "[    1.234567] ", "[12345.000001] ", "no line end[    1.234567] "}) {
    CHECK(interpret_console_line(stamp + "reboot: Power down")->cause == Cause::kPowerOff);
    CHECK(interpret_console_line(stamp + "reboot: System halted\r")->cause == Cause::kPowerOff);
    CHECK(interpret_console_line(stamp + "reboot: Power off not available: System halted instead")->cause ==
          Cause::kPowerOff);
    const auto panic = interpret_console_line(stamp + "Kernel panic - not syncing: No working init found.");
    REQUIRE(panic);
    CHECK(panic->cause == Cause::kPanic);
    CHECK(panic->line == "Kernel panic - not syncing: No working init found.");
  }
}

TEST_CASE("lines that only mention an end are not one") {
  for (const char* line :
       {"", "echo reboot: Power down", " reboot: Power down", "reboot: Power down now",
        "reboot: Restarting system", "[x] reboot: Power down", "the Kernel panic - not syncing: x",
        "[ 1.0]reboot: System halted", "---[ end Kernel panic - not syncing: x ]---"}) {
    INFO(line);
    CHECK_FALSE(interpret_console_line(line));
  }
}

TEST_CASE("a line is recognised wherever the stream was cut") {
  const std::string text = "noise\r\n[    0.500000] reboot: Power down\r\nmore";
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      ConsoleMonitor monitor;
      int events = 0;
      for (const auto& part :
           {text.substr(0, first), text.substr(first, second - first), text.substr(second)}) {
        if (monitor.consume(part)) ++events;
      }
      REQUIRE(events == 1);
      REQUIRE(monitor.tail() == text);
    }
  }
}

TEST_CASE("the rest of a long line is not taken for a line of its own") {
  ConsoleMonitor monitor;
  CHECK_FALSE(monitor.consume(std::string(ConsoleMonitor::kLineBytes, 'x')));
  CHECK_FALSE(monitor.consume("reboot: Power down\n"));
  CHECK(monitor.consume("reboot: Power down\n"));
}

TEST_CASE("the first of several events in one read is told") {
  ConsoleMonitor monitor;
  const auto event = monitor.consume("Kernel panic - not syncing: one\nreboot: System halted\n");
  REQUIRE(event);
  CHECK(event->cause == Cause::kPanic);
}

TEST_CASE("binary garbage is kept as it is and never quoted as it is") {
  std::mt19937 random(7);
  ConsoleMonitor monitor;
  std::string all;
  for (int i = 0; i < 200; ++i) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    all += bytes;
    monitor.consume(bytes);
  }
  CHECK(monitor.tail() == all);
  const auto panic = monitor.consume(
      "\nKernel panic - not syncing: \x1b[2J\x07\xff\xc2\x9b"
      "31m evil\n");
  REQUIRE(panic);
  CHECK(panic->line == "Kernel panic - not syncing: ?[2J????31m evil");
}

TEST_CASE("a flood keeps memory and disk bounded and the newest output") {
  const LogFolder folder;
  auto monitor = ConsoleMonitor::open(*duplicate(folder.fd), "console.log");
  REQUIRE(monitor);
  std::string line(100, 'a');
  line += '\n';
  for (int i = 0; i < 40'000; ++i) monitor->consume(line);  // 4 MB
  monitor->consume("the end\n");
  CHECK(monitor->tail().size() <= ConsoleMonitor::kTailBytes);
  CHECK(monitor->tail().size() > ConsoleMonitor::kTailBytes / 2);
  CHECK(monitor->tail().starts_with(line));
  CHECK(monitor->tail().ends_with("the end\n"));
  CHECK(folder.contents("console.log").size() <= ConsoleMonitor::kLogBytes);
  CHECK(folder.contents("console.log").ends_with("the end\n"));
  CHECK(folder.contents("console.log.1").size() == ConsoleMonitor::kLogBytes);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 2);
}

TEST_CASE("one read larger than everything that is kept is cut to its end") {
  ConsoleMonitor monitor;
  monitor.consume(std::string(3 * ConsoleMonitor::kTailBytes, 'b') + "\nlast\n");
  CHECK(monitor.tail().size() <= ConsoleMonitor::kTailBytes);
  CHECK(monitor.tail().ends_with("last\n"));
}

TEST_CASE("a log is continued and private") {
  const LogFolder folder;
  REQUIRE(ConsoleMonitor::open(*duplicate(folder.fd), "console.log")->consume("one\n") == std::nullopt);
  REQUIRE(ConsoleMonitor::open(*duplicate(folder.fd), "console.log")->consume("two\n") == std::nullopt);
  CHECK(folder.contents("console.log") == "one\ntwo\n");
  struct stat status = {};
  REQUIRE(::stat((folder.path / "console.log").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("a log that cannot be opened is an error that names it") {
  const LogFolder folder;
  REQUIRE(::mkdir((folder.path / "console.log").c_str(), 0700) == 0);
  const auto monitor = ConsoleMonitor::open(*duplicate(folder.fd), "console.log");
  REQUIRE_FALSE(monitor);
  CHECK(monitor.error().message.find("console.log") != std::string::npos);
}
