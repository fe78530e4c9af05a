// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/registry.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/unit/registry/registry_support.hpp"

namespace tl::registry {
namespace {

namespace fs = std::filesystem;
using enum SandboxState;

TEST_CASE("a created sandbox is Pending, alive, and found by ID and by name") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto created = registry.create(draft("web"));
  REQUIRE(created);
  const std::string id = created->record.sandbox_id;
  CHECK(is_sandbox_id(id));
  CHECK(created->record.status == kPending);
  CHECK(now() - created->record.created_at < std::chrono::minutes(1));
  CHECK(registry.is_alive(id));
  CHECK(*registry.find(id) == created->record);
  CHECK(*registry.find("web") == created->record);
  CHECK(*registry.resolve("web") == id);
  CHECK(fs::is_directory(registry.work_path(id)));
  CHECK(registry.open_work(id));
  // Another process sees the same.
  CHECK(*open_registry(temp.state()).read(id) == created->record);
}

TEST_CASE("what is no sandbox is not found, whatever it looks like") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto created = registry.create(draft("web"));
  REQUIRE(created);
  for (const char* strange : {"", ".", "..", "/", "../sandboxes", "web/", "WEB", "wEb\n", "we", "webb",
                              "0123456789abcdefghijk", "s7jus08qec4axzgbpq76h.json", "\xff"}) {
    INFO(strange);
    const auto found = registry.find(strange);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == ErrorCode::kNotFound);
    CHECK(found.error().hint.find("tl sbx ls") != std::string::npos);
    CHECK(registry.read(strange).error().code == ErrorCode::kNotFound);
    CHECK(registry.terminate(strange, "x").error().code == ErrorCode::kNotFound);
    CHECK(registry.remove(strange).error().code == ErrorCode::kNotFound);
    CHECK(registry.rename(strange, "new").error().code == ErrorCode::kNotFound);
    CHECK_FALSE(registry.is_alive(strange));
    CHECK_FALSE(registry.open_work(strange));
  }
}

TEST_CASE("a taken name is a conflict that names the sandbox which has it") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto first = registry.create(draft("web"));
  REQUIRE(first);
  const auto second = registry.create(draft("web"));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kConflict);
  CHECK(second.error().message == "the name web is taken by sandbox " + first->record.sandbox_id);
  CHECK(second.error().hint.find("choose another name") != std::string::npos);
  CHECK(registry.list(ListFilter::kAll)->records.size() == 1);
  CHECK(registry.create(draft("Web")).error().code == ErrorCode::kOutOfRange);
}

TEST_CASE("an ID that is in use is drawn again") {
  TempFolder temp;
  std::vector<std::string> ids{"aaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbb"};
  std::size_t drawn = 0;
  auto folder = StateFolder::open(temp.state().string());
  REQUIRE(folder);
  auto registry = Registry::open(*std::move(folder), [&] { return ids.at(drawn++); });
  REQUIRE(registry);
  const auto first = registry->create(draft());
  const auto second = registry->create(draft("web"));
  REQUIRE(first);
  REQUIRE(second);
  CHECK(second->record.sandbox_id == ids[2]);
  CHECK(registry->read(ids[0])->name == std::nullopt);
  CHECK(*registry->resolve("web") == ids[2]);
}

TEST_CASE("states move as documented and their times are kept") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto created = registry.create(draft("web"));
  REQUIRE(created);
  const std::string id = created->record.sandbox_id;
  CHECK_FALSE(registry.read(id)->running_since);
  const auto illegal = go_to(registry, id, kSuspended);  // by way of Running
  REQUIRE(illegal);
  CHECK(registry.read(id)->running_since);
  const auto refused = registry.update(id, [](SandboxRecord& record) -> Result<void> {
    record.status = kSnapshotting;
    return {};
  });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK(refused.error().message ==
        "the sandbox is Suspended and can only become Running or Terminated, not Snapshotting");
  CHECK(registry.read(id)->status == kSuspended);
  const auto ended = registry.terminate(id, "asked to");
  REQUIRE(ended);
  CHECK(ended->ended_at);
  CHECK(ended->reason == "asked to");
  CHECK(ended->name == "web");
  CHECK_FALSE(fs::exists(registry.work_path(id)));
  CHECK(registry.find("web").error().code == ErrorCode::kNotFound);
  CHECK(registry.find(id)->status == kTerminated);
  // Final, but saying so twice is no mistake.
  CHECK(registry.terminate(id, "again")->reason == "asked to");
  CHECK(registry.rename(id, "new").error().code == ErrorCode::kConflict);
  const auto another = registry.create(draft("web"));
  REQUIRE(another);
  CHECK(*registry.resolve("web") == another->record.sandbox_id);
}

TEST_CASE("an error of the mutator changes nothing") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto created = registry.create(draft());
  REQUIRE(created);
  const auto failed = registry.update(created->record.sandbox_id, [](SandboxRecord& record) -> Result<void> {
    record.image = "other";
    return Error{ErrorCode::kHostLacks, "no", ""};
  });
  CHECK(failed.error().code == ErrorCode::kHostLacks);
  CHECK(registry.read(created->record.sandbox_id)->image == "default");
}

TEST_CASE("fields that a newer tl has written survive our changes") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto created = registry.create(draft());
  REQUIRE(created);
  const auto file = document_path(temp.state(), created->record.sandbox_id);
  auto document = nlohmann::json::parse(read_text(file));
  document["schema"] = "1.4";
  document["colour"] = "green";
  write_text(file, document.dump());
  REQUIRE(go_to(registry, created->record.sandbox_id, kRunning));
  REQUIRE(registry.rename(created->record.sandbox_id, "web"));
  document = nlohmann::json::parse(read_text(file));
  CHECK(document["schema"] == "1.4");
  CHECK(document["colour"] == "green");
  CHECK(document["status"] == "running");
  CHECK(document["name"] == "web");
}

TEST_CASE("a rename frees the old name and names an ephemeral sandbox") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto a = registry.create(draft());
  const auto b = registry.create(draft("b"));
  REQUIRE(a);
  REQUIRE(b);
  const std::string id = a->record.sandbox_id;
  CHECK(registry.rename(id, "b").error().message == "the name b is taken by sandbox " + b->record.sandbox_id);
  CHECK(registry.rename(id, "A").error().code == ErrorCode::kOutOfRange);
  REQUIRE(registry.rename(id, "a1"));
  CHECK(*registry.resolve("a1") == id);
  REQUIRE(registry.rename(id, "a2"));
  REQUIRE(registry.rename(id, "a2"));
  CHECK(*registry.resolve("a2") == id);
  CHECK_FALSE(registry.resolve("a1"));
  CHECK_FALSE(fs::is_symlink(temp.state() / "names/a1"));
  CHECK(registry.create(draft("a1")));
}

TEST_CASE("an abandoned start leaves nothing behind") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  std::string id;
  {
    const auto created = registry.create(draft("web"));
    REQUIRE(created);
    id = created->record.sandbox_id;
    REQUIRE(registry.abandon(id));
  }
  CHECK(registry.list(ListFilter::kAll)->records.empty());
  CHECK(fs::is_empty(temp.state() / "work"));
  CHECK(fs::is_empty(temp.state() / "names"));
  CHECK_FALSE(fs::exists(temp.state() / "damaged"));
  CHECK(registry.abandon(id).error().code == ErrorCode::kNotFound);

  // Given up in the moment it became Running, or after somebody saw its monitor dead.
  for (const SandboxState state : {kRunning, kTerminated}) {
    auto created = registry.create(draft("web"));
    REQUIRE(created);
    REQUIRE(go_to(registry, created->record.sandbox_id, state));
    REQUIRE(registry.abandon(created->record.sandbox_id));
  }
  const auto dead = make_dead(registry, "web", kRunning);
  REQUIRE(registry.abandon(dead.sandbox_id));
  CHECK(registry.list(ListFilter::kAll)->records.empty());
  CHECK(fs::is_empty(temp.state() / "work"));
  CHECK(fs::is_empty(temp.state() / "names"));
}

TEST_CASE("only terminated sandboxes can be forgotten") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto created = registry.create(draft("web"));
  REQUIRE(created);
  const std::string id = created->record.sandbox_id;
  const auto refused = registry.remove(id);
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK(refused.error().hint.find("tl sbx terminate") != std::string::npos);
  REQUIRE(registry.terminate(id, "x"));
  REQUIRE(registry.remove(id));
  CHECK(registry.read(id).error().code == ErrorCode::kNotFound);
}

TEST_CASE("a monitor whose machine has ended by itself leaves what readers would") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto named = make_dead(registry, "web", kRunning);
  const auto ephemeral = make_dead(registry, std::nullopt, kRunning);
  std::vector<LifeLock> lives;
  for (const auto& record : {named, ephemeral}) {
    write_text(registry.work_path(record.sandbox_id) / "disk", "precious");
    lives.push_back(registry.take_life(record.sandbox_id).value());
  }
  const auto kept = registry.lose_machine(named.sandbox_id, "the guest powered off");
  REQUIRE(kept);
  CHECK(kept->status == kSuspended);
  CHECK(kept->reason == "memory lost: the guest powered off");
  CHECK(kept->monitor_pid == 0);
  CHECK(read_text(registry.work_path(named.sandbox_id) / "disk") == "precious");
  // Again, or for one that is suspended, changes nothing.
  CHECK(registry.lose_machine(named.sandbox_id, "twice")->reason == kept->reason);

  const auto ended = registry.lose_machine(ephemeral.sandbox_id, "the guest powered off");
  REQUIRE(ended);
  CHECK(ended->status == kTerminated);
  CHECK(ended->reason == "the guest powered off");
  CHECK(ended->ended_at);
  CHECK_FALSE(std::filesystem::exists(registry.work_path(ephemeral.sandbox_id)));
}

TEST_CASE("a dead monitor is noticed by whoever reads") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto named = make_dead(registry, "web", kRunning);
  write_text(registry.work_path(named.sandbox_id) / "disk", "precious");
  const auto found = registry.find("web");
  REQUIRE(found);
  CHECK(found->status == kSuspended);
  CHECK(found->reason == "memory lost");
  CHECK(read_text(registry.work_path(named.sandbox_id) / "disk") == "precious");
  CHECK(nlohmann::json::parse(read_text(document_path(temp.state(), named.sandbox_id)))["status"] ==
        "suspended");

  const auto ephemeral = make_dead(registry, std::nullopt, kRunning);
  const auto ended = registry.read(ephemeral.sandbox_id);
  REQUIRE(ended);
  CHECK(ended->status == kTerminated);
  CHECK(ended->ended_at);
  CHECK(ended->reason == "its monitor died (killed, or the host restarted)");
  CHECK_FALSE(fs::exists(registry.work_path(ephemeral.sandbox_id)));

  const auto pending = make_dead(registry, "new", kPending);
  CHECK(registry.read(pending.sandbox_id)->status == kTerminated);
  CHECK(registry.create(draft("new")));
}

TEST_CASE("what is done to a sandbox is done to what it truly is") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto ephemeral = make_dead(registry, std::nullopt, kRunning);
  CHECK(registry.rename(ephemeral.sandbox_id, "web").error().code == ErrorCode::kConflict);
  const auto named = make_dead(registry, "web", kRunning);
  CHECK(registry.rename(named.sandbox_id, "other")->status == kSuspended);
  CHECK(registry.terminate(named.sandbox_id, "asked to")->reason == "asked to");
}

TEST_CASE("a suspended sandbox can be taken to life by one only") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto record = make_dead(registry, "web", kSuspended);
  auto life = registry.take_life(record.sandbox_id);
  REQUIRE(life);
  CHECK(registry.take_life(record.sandbox_id).error().code == ErrorCode::kConflict);
  CHECK(registry.read(record.sandbox_id)->status == kSuspended);
  auto adopted = registry.adopt_life(record.sandbox_id, std::move(*life).release());
  REQUIRE(adopted);
  REQUIRE(go_to(registry, record.sandbox_id, kRunning));
  CHECK(registry.read(record.sandbox_id)->status == kRunning);
  CHECK(registry.take_life("0123456789abcdefghijk").error().code != ErrorCode::kConflict);
}

TEST_CASE("stale reservations are found out and replaced") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto other = registry.create(draft("other"));
  REQUIRE(other);
  const fs::path names = temp.state() / "names";
  fs::create_symlink("0123456789abcdefghijk", names / "nobody");    // no such sandbox
  fs::create_symlink(other->record.sandbox_id, names / "renamed");  // it has another name
  fs::create_symlink("../../etc", names / "strange");               // not ours
  write_text(names / "file", "not a link");
  for (const char* name : {"nobody", "renamed", "strange", "file"}) {
    INFO(name);
    CHECK(registry.find(name).error().code == ErrorCode::kNotFound);
    CHECK(registry.create(draft(name)));
    CHECK(registry.find(name).has_value() == false);  // its creator is gone already
  }
  CHECK(*registry.resolve("other") == other->record.sandbox_id);
  fs::create_symlink("0123456789abcdefghijk", names / "again");
  CHECK(registry.rename(other->record.sandbox_id, "again"));
  CHECK(*registry.resolve("again") == other->record.sandbox_id);
}

TEST_CASE("documents are for nobody else to read") {
  TempFolder temp;
  const mode_t old_umask = ::umask(0);
  Registry registry = open_registry(temp.state());
  const auto created = registry.create(draft("web"));
  ::umask(old_umask);
  REQUIRE(created);
  for (const auto& entry : fs::recursive_directory_iterator(temp.state())) {
    if (entry.is_symlink()) continue;
    INFO(entry.path());
    CHECK((entry.status().permissions() & (fs::perms::group_all | fs::perms::others_all)) == fs::perms::none);
  }
}

}  // namespace
}  // namespace tl::registry
