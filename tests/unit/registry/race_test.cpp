// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "runtime/registry/registry.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/registry/registry_support.hpp"

namespace tl::registry {
namespace {

using enum SandboxState;

// Holds back children until all are there: a read ends when the parent closes its end of the pipe.
struct Gate {
  std::array<int, 2> ends{-1, -1};
  Gate() { REQUIRE(::pipe(ends.data()) == 0); }
  ~Gate() { ::close(ends[0]); }
  void open() { ::close(ends[1]); }
  void wait() {
    ::close(ends[1]);
    char ignored = 0;
    [[maybe_unused]] const ssize_t n = ::read(ends[0], &ignored, 1);
  }
};

enum Outcome : char { kWon = 'w', kConflicted = 'c', kFailed = 'f' };

// `count` processes do `act` at the same time and stay alive until all are done.
template <typename Act>
std::vector<char> at_once(int count, Act act) {
  Gate start;
  Gate finish;
  std::array<int, 2> report{};
  REQUIRE(::pipe(report.data()) == 0);
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      start.wait();
      const auto result = act(i);
      const char outcome = result                                        ? kWon
                           : result.error().code == ErrorCode::kConflict ? kConflicted
                                                                         : kFailed;
      [[maybe_unused]] const ssize_t n = ::write(report[1], &outcome, 1);
      finish.wait();
      ::_exit(0);
    }
    children.push_back(pid);
  }
  start.open();
  std::vector<char> outcomes(static_cast<std::size_t>(count));
  for (char& outcome : outcomes) REQUIRE(::read(report[0], &outcome, 1) == 1);
  finish.open();
  for (const pid_t pid : children) ::waitpid(pid, nullptr, 0);
  ::close(report[0]);
  ::close(report[1]);
  return outcomes;
}

void check_one_winner(const std::vector<char>& outcomes) {
  CHECK(std::count(outcomes.begin(), outcomes.end(), kWon) == 1);
  CHECK(std::count(outcomes.begin(), outcomes.end(), kConflicted) ==
        static_cast<std::ptrdiff_t>(outcomes.size()) - 1);
}

TEST_CASE("of processes that create the same name at the same instant exactly one wins") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  for (int round = 0; round < 100; ++round) {
    // From the second round on the name is a dead holder's.
    check_one_winner(at_once(3, [&](int) { return registry.create(draft("web")); }));
    const auto listing = registry.list(ListFilter::kAll);
    CHECK(listing->problems.empty());
    CHECK(listing->records.size() == static_cast<std::size_t>(round) + 1);
  }
  CHECK(std::filesystem::is_empty(temp.state() / "work"));
}

TEST_CASE("of a create and two renames to the same name exactly one wins") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto a = make_dead(registry, "a", kSuspended);
  const auto b = make_dead(registry, "b", kSuspended);
  for (int round = 0; round < 50; ++round) {
    check_one_winner(at_once(3, [&](int i) -> Result<SandboxRecord> {
      if (i < 2) return registry.rename(i == 0 ? a.sandbox_id : b.sandbox_id, "web");
      auto created = registry.create(draft("web"));
      if (!created) return created.error();
      auto life = std::move(created->life).release();
      [[maybe_unused]] const int held_until_exit = life.release();
      return created->record;
    }));
    REQUIRE(registry.rename(a.sandbox_id, "a"));
    REQUIRE(registry.rename(b.sandbox_id, "b"));
    CHECK(registry.list(ListFilter::kNotTerminated)->records.size() == 2);
  }
}

TEST_CASE("a name never belongs to two at once while many take and free it") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto marker = temp.path() / "owned";
  constexpr int kProcesses = 4;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      int won = 0;
      while (won < 10) {
        const auto created = registry.create(draft("web"));
        if (!created && created.error().code == ErrorCode::kConflict) continue;
        if (!created || ::mkdir(marker.c_str(), 0700) != 0) ::_exit(2);
        const auto found = registry.find("web");
        if (!found || found->sandbox_id != created->record.sandbox_id) ::_exit(3);
        if (::rmdir(marker.c_str()) != 0) ::_exit(4);
        if (!registry.terminate(created->record.sandbox_id, "enough")) ::_exit(5);
        ++won;
      }
      ::_exit(0);
    }
    children.push_back(pid);
  }
  for (const pid_t pid : children) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(status == 0);
  }
  const auto listing = registry.list(ListFilter::kAll);
  CHECK(listing->records.size() == 10 * kProcesses);
  CHECK(std::filesystem::is_empty(temp.state() / "names"));
}

TEST_CASE("a sandbox in the making is not swept by a listing") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const pid_t lister = ::fork();
  if (lister == 0) {
    for (;;) [[maybe_unused]] const auto listing = registry.list(ListFilter::kAll);
  }
  for (int i = 0; i < 100; ++i) {
    const auto created = registry.create(draft());
    REQUIRE(created);
    CHECK(std::filesystem::exists(registry.work_path(created->record.sandbox_id) / "alive"));
    CHECK(registry.read(created->record.sandbox_id)->status == kPending);
    REQUIRE(registry.terminate(created->record.sandbox_id, "enough"));
  }
  ::kill(lister, SIGKILL);
  ::waitpid(lister, nullptr, 0);
}

}  // namespace
}  // namespace tl::registry
