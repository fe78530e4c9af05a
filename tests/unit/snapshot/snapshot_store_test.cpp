// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/snapshot_store.hpp"

#include <nlohmann/json.hpp>

#include "common/random.hpp"
#include "common/time.hpp"
#include "tests/unit/snapshot/snapshot_support.hpp"

namespace tl::snapshot::test {
namespace {

namespace fs = std::filesystem;

SnapshotManifest sample(const std::optional<std::string>& name = std::nullopt, int second = 0) {
  SnapshotManifest manifest;
  manifest.name = name;
  manifest.type = SnapshotManifest::Type::kMemory;
  manifest.sandbox_id = std::string(21, 's');
  manifest.sandbox_name = "web";
  manifest.image = "default";
  manifest.image_digest = "sha256:12";
  manifest.cpus = 1.5;
  manifest.memory_mb = 1024;
  manifest.disk_mb = 10240;
  manifest.accelerator = "kvm";
  manifest.created_at = must(parse_utc("2026-11-23T17:20:32.123Z")) + std::chrono::seconds(second);
  manifest.entrypoint = R"(["sh","-c","x"])";
  manifest.network = R"({"no_internet":false,"allow":["10.0.0.0/8"]})";
  return manifest;
}

struct Store {
  TempFolder temp;
  SnapshotStore snapshots = must(SnapshotStore::open(temp.path(), [] { return random_base36(21); }));

  SnapshotManifest make(const SnapshotManifest& manifest) {
    auto draft = must(snapshots.begin());
    write_text(draft.path() / "file", "contents");
    return must(snapshots.commit(std::move(draft), manifest));
  }
  [[nodiscard]] fs::path folder(const std::string& id) const { return temp.path() / "snapshots" / id; }
};

TEST_CASE("a snapshot is found by its ID and by its name, as it was committed", "[snapshot]") {
  Store store;
  const auto made = store.make(sample("nightly"));
  CHECK(made.size_bytes > 0);
  CHECK(must(store.snapshots.find(made.snapshot_id)) == made);
  CHECK(must(store.snapshots.find("nightly")) == made);
  CHECK(must(store.snapshots.pin(made.snapshot_id)).path() == store.folder(made.snapshot_id));
  CHECK(store.snapshots.find("other").error().code == ErrorCode::kNotFound);
  CHECK(store.snapshots.find(std::string(21, 'x')).error().code == ErrorCode::kNotFound);
  must(store.snapshots.remove("nightly"));
  CHECK(store.snapshots.find(made.snapshot_id).error().code == ErrorCode::kNotFound);
}

TEST_CASE("a manifest has the documented fields", "[snapshot]") {
  Store store;
  const auto made = store.make(sample("nightly"));
  const auto document = nlohmann::json::parse(read_text(store.folder(made.snapshot_id) / "manifest.json"));
  CHECK(document["schema_version"] == 1);
  CHECK(document["snapshot_id"] == made.snapshot_id);
  CHECK(document["type"] == "memory");
  CHECK(document["resources"]["cpus"] == 1.5);
  CHECK(document["resources"]["memory_mb"] == 1024);
  CHECK(document["created_at"] == "2026-11-23T17:20:32.123Z");
  CHECK(document["entrypoint"][1] == "-c");
  CHECK(document["network"]["allow"][0] == "10.0.0.0/8");
}

TEST_CASE("snapshots are listed newest first", "[snapshot]") {
  Store store;
  store.make(sample("second", 2));
  store.make(sample("third", 3));
  store.make(sample("first", 1));
  const auto listing = must(store.snapshots.list());
  REQUIRE(listing.snapshots.size() == 3);
  CHECK(listing.snapshots[0].name == "third");
  CHECK(listing.snapshots[1].name == "second");
  CHECK(listing.snapshots[2].name == "first");
}

TEST_CASE("a name is given once, until its snapshot goes", "[snapshot]") {
  Store store;
  const auto first = store.make(sample("nightly"));
  CHECK(store.snapshots.check_name("nightly").error().code == ErrorCode::kConflict);
  auto draft = must(store.snapshots.begin());
  const fs::path path = draft.path();
  const auto refused = store.snapshots.commit(std::move(draft), sample("nightly"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kConflict);
  CHECK_FALSE(fs::exists(path));
  must(store.snapshots.remove(first.snapshot_id));
  store.make(sample("nightly"));
}

TEST_CASE("malformed names and manifests are not committed", "[snapshot]") {
  Store store;
  const auto refused = [&](const SnapshotManifest& manifest) {
    const auto result = store.snapshots.commit(must(store.snapshots.begin()), manifest);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::kOutOfRange);
  };
  for (const std::string name : {"", "A", "1a", "a-", "a/b", "../x"}) refused(sample(name));
  refused(sample(std::string(21, 'a')));  // an ID's shape
  auto manifest = sample();
  manifest.entrypoint = "no JSON";
  refused(manifest);
  manifest = sample();
  manifest.image = "\xff";
  refused(manifest);
  CHECK(must(store.snapshots.list()).snapshots.empty());
}

TEST_CASE("damaged manifests are reported, never fatal, and can be removed", "[snapshot]") {
  Store store;
  const auto sound = store.make(sample("sound"));
  const auto victim = store.make(sample("victim"));
  const fs::path file = store.folder(victim.snapshot_id) / "manifest.json";
  const std::string text = read_text(file);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return changed;
  };
  std::vector<std::string> cases = {
      "",
      "\xff\xfe",
      "[]",
      "{}",
      std::string(100'000, '['),
      std::string(2'000'000, ' '),
      with(victim.snapshot_id, std::string(21, 'z')),
      with("\"memory\"", "\"other\""),
      with("1024", "-1"),
      with("1024", "1e99"),
      with("1.5", "0"),
      with("victim", "Victim"),
      with("2026-11", "2026-13"),
      with("\"schema_version\": 1", "\"schema_version\": 2"),
      with("\"no_internet\": false", "\"x\": " + std::string(500, '[') + std::string(500, ']'))};
  for (std::size_t length = 1; length < text.size() - 2; length += 7) cases.push_back(text.substr(0, length));
  for (const std::string& damage : cases) {
    INFO(damage.substr(0, 600));
    write_text(file, damage);
    const auto listing = must(store.snapshots.list());
    REQUIRE(listing.snapshots == std::vector{sound});
    REQUIRE(listing.problems.size() == 1);
    REQUIRE(listing.problems[0].find(victim.snapshot_id) != std::string::npos);
    REQUIRE(store.snapshots.find(victim.snapshot_id).error().code == ErrorCode::kFailure);
    REQUIRE(must(store.snapshots.find("sound")) == sound);
  }
  CHECK(must(store.snapshots.sweep()) == 0);
  must(store.snapshots.remove(victim.snapshot_id));
  CHECK(must(store.snapshots.list()).problems.empty());
}

TEST_CASE("what is half-made is no snapshot and no problem", "[snapshot]") {
  Store store;
  fs::create_directory(store.folder(std::string(21, 'h')));
  write_text(store.folder(std::string(21, 'h')) / "memory", "half");
  CHECK(must(store.snapshots.list()).snapshots.empty());
  CHECK(must(store.snapshots.list()).problems.empty());
  CHECK(must(store.snapshots.sweep()) == 1);
}

}  // namespace
}  // namespace tl::snapshot::test
