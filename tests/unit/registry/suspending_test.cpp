// SPDX-License-Identifier: Apache-2.0
// What suspending and resuming need of the registry.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/support/catch.hpp"
#include "tests/unit/registry/registry_support.hpp"

namespace tl::registry {
namespace {

using enum SandboxState;

// A process that has a sandbox's life lock, as its monitor does, and lives until it is killed.
class Holder {
 public:
  Holder(Registry& registry, const std::string& id, LifeLock life) {
    int ready[2];
    REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
    const UniqueFd reading(ready[0]);
    UniqueFd writing(ready[1]);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      const auto adopted = registry.adopt_life(id, std::move(life).release());
      const char outcome = adopted ? '+' : '-';
      [[maybe_unused]] const ssize_t n = ::write(writing.get(), &outcome, 1);
      for (;;) ::pause();
    }
    char outcome = 0;
    REQUIRE(::read(reading.get(), &outcome, 1) == 1);
    REQUIRE(outcome == '+');
  }
  ~Holder() { end(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

TEST_CASE("of many who want what a monitor still holds one at a time gets the sandbox, and each in the end") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  auto created = registry.create(draft("web"));
  REQUIRE(created);
  const std::string id = created->record.sandbox_id;
  for (const auto state : {kRunning, kSuspending, kSuspended}) REQUIRE(go_to(registry, id, state));
  Holder monitor(registry, id, std::move(created->life));
  std::atomic<int> holding = 0;
  std::atomic<int> together = 0;
  std::atomic<int> failures = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 8; ++i) {
    waiters.emplace_back([&] {
      Registry other = open_registry(temp.state());
      for (;;) {
        const auto life = other.take_life(id);
        if (!life && life.error().code == ErrorCode::kConflict) {
          ::usleep(200);
          continue;
        }
        if (!life) ++failures;
        if (++holding > 1) ++together;
        ::usleep(1000);
        --holding;
        return;
      }
    });
  }
  monitor.end();
  for (std::thread& waiter : waiters) waiter.join();
  CHECK(together == 0);
  CHECK(failures == 0);
  CHECK_FALSE(registry.is_alive(id));
}

TEST_CASE("a sandbox that could not be suspended is Running again") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto created = registry.create(draft("web"));
  REQUIRE(created);
  const std::string id = created->record.sandbox_id;
  REQUIRE(go_to(registry, id, kRunning));
  const auto since = registry.read(id)->running_since;
  REQUIRE(go_to(registry, id, kSuspending));
  REQUIRE(go_to(registry, id, kRunning));
  const auto record = registry.read(id);
  REQUIRE(record);
  CHECK(record->status == kRunning);
  CHECK(record->running_since.has_value());
  CHECK(*record->running_since >= *since);
  CHECK_FALSE(record->ended_at);
  // And the next time it can.
  REQUIRE(go_to(registry, id, kSuspending));
  REQUIRE(go_to(registry, id, kSuspended));
  CHECK(registry.read(id)->status == kSuspended);
}

}  // namespace
}  // namespace tl::registry
