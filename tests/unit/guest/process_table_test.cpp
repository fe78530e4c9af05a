// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/process_table.hpp"

#include <unistd.h>

#include <string>

#include "runtime/guest/agent/oom_watch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/pipe.hpp"

using namespace tl;
using namespace tl::guest;

namespace {

ProcessInfo process(std::int64_t pid, std::string name = "") {
  ProcessInfo info;
  info.pid = info.first_pid = pid;
  info.name = std::move(name);
  return info;
}

void end(ProcessTable& table, ProcessTable::Id id, int when = 0) {
  table.at(id).status = ProcessInfo::Status::kExited;
  table.at(id).finished = std::chrono::nanoseconds(when);
}

}  // namespace

TEST_CASE("a process is found by its numbers and its name") {
  ProcessTable table;
  const auto web = table.add(process(12, "web"));
  const auto other = table.add(process(13));
  table.at(web).pid = 20;
  CHECK(table.find("web") == web);
  CHECK(table.find("12") == web);
  CHECK(table.find("20") == web);
  CHECK(table.find("13") == other);
  for (const auto* word : {"", "1", "012", "we", "Web", "-13", "13 "}) CHECK_FALSE(table.find(word));
}

TEST_CASE("a name is the youngest's, and that of one that runs before one that has ended") {
  ProcessTable table;
  const auto first = table.add(process(1, "web"));
  CHECK(table.name_taken("web"));
  CHECK_FALSE(table.name_taken("we"));
  end(table, first);
  CHECK_FALSE(table.name_taken("web"));
  CHECK(table.find("web") == first);
  const auto second = table.add(process(2, "web"));
  CHECK(table.find("web") == second);
  end(table, second);
  CHECK(table.find("web") == second);
  table.at(first).status = ProcessInfo::Status::kRestarting;
  CHECK(table.name_taken("web"));
  CHECK(table.find("web") == first);
}

TEST_CASE("of those that have ended the last are remembered, and all that run") {
  ProcessTable table;
  const auto service = table.add(process(1));
  for (int i = 0; i < 500; ++i) table.add(process(100 + i));
  for (int i = 0; i < 500; ++i) {
    end(table, static_cast<ProcessTable::Id>(2 + i), i);
    const auto forgotten = table.trim();
    CHECK(forgotten.size() == (i < static_cast<int>(kEndedProcesses) ? 0 : 1));
  }
  CHECK(table.ended().size() == kEndedProcesses);
  CHECK(table.has(service));
  CHECK_FALSE(table.find("100"));
  CHECK(table.find("599"));
  // One that began long ago has ended now.
  end(table, service, 1000);
  CHECK(table.trim().size() == 1);
  CHECK(table.has(service));
  CHECK(table.list().processes.front().pid == 1);
}

TEST_CASE("a list is bounded, and rather without what has ended") {
  ProcessTable table;
  for (int i = 0; i < 10; ++i) end(table, table.add(process(1 + i)));
  for (std::size_t i = 0; i < kMaxListedProcesses - 5; ++i) table.add(process(1000 + static_cast<int>(i)));
  auto list = table.list();
  REQUIRE(list.processes.size() == kMaxListedProcesses);
  CHECK(list.processes.front().pid == 6);
  for (int i = 0; i < 20; ++i) table.add(process(9000 + i));
  list = table.list();
  REQUIRE(list.processes.size() == kMaxListedProcesses);
  CHECK_FALSE(list.processes.front().ended());
  CHECK(list.processes.back().pid == 9019);
  CHECK(decode<ProcessList>(encode(list)));
  CHECK(encode(list).size() < 256 * 1024);
}

TEST_CASE("a long command is shown by its beginning") {
  CHECK(shown_command({"sh", "-c", "exit 3"}) == "sh -c exit 3");
  CHECK(shown_command({std::string(5000, 'x'), "y"}).size() == kMaxShownCommand);
}

TEST_CASE("the kernel's log tells who was killed for want of memory, and nobody else can") {
  const auto killed = [](std::string record, pid_t pid) {
    tl::test::Pipe pipe;
    REQUIRE(::write(pipe.writing.get(), record.data(), record.size()) > 0);
    pipe.writing.reset();
    return OomWatch(std::move(pipe.reading)).killed(pid);
  };
  const std::string kernels =
      "3,812,5029384,-;Out of memory: Killed process 412 (python3) total-vm:1kB\n SUB=x\n";
  CHECK(killed(kernels, 412));
  CHECK_FALSE(killed(kernels, 41));
  CHECK(killed("3,1,2,-;Memory cgroup out of memory: Killed process 7 (a) ", 7));
  CHECK_FALSE(killed("12,1,2,-;Out of memory: Killed process 7 (a)", 7));
  CHECK_FALSE(killed("3,1,2,-;x Out of memory: Killed process 7 (a)", 7));
  CHECK_FALSE(killed("3,1,2,-;Out of memory: Killed process ", 7));
  CHECK_FALSE(killed("nonsense", 7));
  CHECK_FALSE(killed(";", 7));
  CHECK_FALSE(OomWatch(UniqueFd()).killed(7));
}
