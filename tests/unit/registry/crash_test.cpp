// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <set>

#include "runtime/registry/registry.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/registry/registry_support.hpp"

// Ends a process, as kill -9 would, before each single system call with which a change alters the disk or
// takes a lock. The functions below stand in the place of the C library's.
namespace {

constexpr int kUnarmed = -1;
int calls_left = kUnarmed;

void step() {
  if (calls_left == kUnarmed) return;
  if (calls_left-- == 0) ::_exit(9);
}

}  // namespace

extern "C" {
int openat(int dir, const char* path, int flags, ...) {
  step();
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return static_cast<int>(::syscall(SYS_openat, dir, path, flags, mode));
}
int mkdirat(int dir, const char* path, mode_t mode) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_mkdirat, dir, path, mode));
}
int symlinkat(const char* target, int dir, const char* path) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_symlinkat, target, dir, path));
}
int renameat(int old_dir, const char* old_path, int new_dir, const char* new_path) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_renameat, old_dir, old_path, new_dir, new_path));
}
int unlinkat(int dir, const char* path, int flags) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_unlinkat, dir, path, flags));
}
int flock(int fd, int operation) noexcept {
  step();
  return static_cast<int>(::syscall(SYS_flock, fd, operation));
}
int fsync(int fd) {
  step();
  return static_cast<int>(::syscall(SYS_fsync, fd));
}
}

namespace tl::registry {
namespace {

namespace fs = std::filesystem;
using enum SandboxState;

// Everything that must hold after any crash, once somebody has looked.
void check_sound(Registry& registry, const fs::path& state) {
  const auto listing = registry.list(ListFilter::kAll);
  REQUIRE(listing);
  CHECK(listing->problems.empty());
  std::set<std::string> living;
  std::set<std::string> live_names;
  for (const SandboxRecord& record : listing->records) {
    CHECK((record.status == kSuspended || record.status == kTerminated ||
           registry.is_alive(record.sandbox_id)));
    if (record.status == kTerminated) continue;
    living.insert(record.sandbox_id);
    if (!record.name) continue;
    CHECK(live_names.insert(*record.name).second);
    CHECK(registry.find(*record.name)->sandbox_id == record.sandbox_id);
  }
  for (const auto& folder : fs::directory_iterator(state / "work")) {
    CHECK(living.count(folder.path().filename().string()) == 1);
  }
  for (const std::string& id : living) CHECK(fs::exists(registry.work_path(id)));
  for (const auto& file : fs::directory_iterator(state / "sandboxes")) {
    CHECK(file.path().extension() == ".json");
  }
  for (const std::string name : {"old", "new"}) {
    const auto created = registry.create(draft(name));
    INFO(name << ": " << (created ? "free" : created.error().message));
    CHECK(created.has_value() == (live_names.count(name) == 0));
  }
}

struct Scenario {
  const char* name;
  std::function<std::string(Registry&)> prepare;  // gives the ID
  std::function<Result<void>(Registry&, const std::string&)> change;
};

template <typename T>
Result<void> outcome(const Result<T>& result) {
  if (!result) return result.error();
  return {};
}

const Scenario kScenarios[] = {
    {"create an ephemeral one", [](Registry&) { return ""; },
     [](Registry& r, const std::string&) { return outcome(r.create(draft())); }},
    {"create a named one", [](Registry&) { return ""; },
     [](Registry& r, const std::string&) { return outcome(r.create(draft("new"))); }},
    {"create with a name whose holder is dead",
     [](Registry& r) { return make_dead(r, "new", kPending).sandbox_id; },
     [](Registry& r, const std::string&) { return outcome(r.create(draft("new"))); }},
    {"give a first name", [](Registry& r) { return r.create(draft())->record.sandbox_id; },
     [](Registry& r, const std::string& id) {
       const auto life = r.take_life(id);
       return outcome(r.rename(id, "new"));
     }},
    {"rename", [](Registry& r) { return make_dead(r, "old", kSuspended).sandbox_id; },
     [](Registry& r, const std::string& id) { return outcome(r.rename(id, "new")); }},
    {"rename to a stale name",
     [](Registry& r) {
       make_dead(r, "new", kPending);
       return make_dead(r, "old", kSuspended).sandbox_id;
     },
     [](Registry& r, const std::string& id) { return outcome(r.rename(id, "new")); }},
    {"terminate", [](Registry& r) { return make_dead(r, "old", kSuspended).sandbox_id; },
     [](Registry& r, const std::string& id) { return outcome(r.terminate(id, "x")); }},
    {"start", [](Registry& r) { return make_dead(r, "old", kPending).sandbox_id; },
     [](Registry& r, const std::string& id) {
       const auto life = r.take_life(id);
       return go_to(r, id, kRunning);
     }},
    {"abandon", [](Registry& r) { return make_dead(r, "old", kPending).sandbox_id; },
     [](Registry& r, const std::string& id) {
       const auto life = r.take_life(id);
       return r.abandon(id);
     }},
    {"notice a dead ephemeral one",
     [](Registry& r) { return make_dead(r, std::nullopt, kRunning).sandbox_id; },
     [](Registry& r, const std::string& id) { return outcome(r.read(id)); }},
    {"notice a dead named one", [](Registry& r) { return make_dead(r, "old", kRunning).sandbox_id; },
     [](Registry& r, const std::string& id) { return outcome(r.read(id)); }},
    {"set a damaged one aside",
     [](Registry& r) { return make_dead(r, std::nullopt, kTerminated).sandbox_id; },
     [](Registry& r, const std::string& id) {
       write_text(document_path(r.folder().path(), id), "{");
       return Result<void>(r.read(id) ? Error{} : Error{ErrorCode::kFailure, "", ""});
     }},
    {"forget", [](Registry& r) { return make_dead(r, "old", kTerminated).sandbox_id; },
     [](Registry& r, const std::string& id) { return r.remove(id); }},
};

TEST_CASE("a change killed at any step leaves what the next reader puts right") {
  for (const Scenario& scenario : kScenarios) {
    const bool damages = std::string(scenario.name) == "set a damaged one aside";
    int status = 9;
    int steps = 0;
    for (; status == 9; ++steps) {
      REQUIRE(steps < 200);
      INFO(scenario.name << ", killed before step " << steps);
      TempFolder temp;
      Registry registry = open_registry(temp.state());
      const std::string id = scenario.prepare(registry);
      status = in_child([&] {
        calls_left = steps;
        const auto done = scenario.change(registry, id);
        calls_left = kUnarmed;
        return done || damages ? 0 : 1;
      });
      if (damages) [[maybe_unused]]
        const auto reported = registry.list(ListFilter::kAll);
      check_sound(registry, temp.state());
    }
    INFO(scenario.name);
    CHECK(status == 0);
    CHECK(steps > 3);
  }
}

}  // namespace
}  // namespace tl::registry
