// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>

#include "runtime/registry/document.hpp"
#include "runtime/registry/registry.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/registry/registry_support.hpp"

namespace tl::registry {
namespace {

namespace fs = std::filesystem;
using enum SandboxState;

std::vector<std::string> ids_of(const Listing& listing) {
  std::vector<std::string> ids;
  for (const SandboxRecord& record : listing.records) ids.push_back(record.sandbox_id);
  return ids;
}

// Documents as they would be written, without what a thousand creations cost. Their change times are years
// old for the index, as if written long ago.
std::vector<std::string> plant(const fs::path& state, std::size_t count) {
  std::vector<std::string> ids;
  SandboxRecord record = full_record();
  for (std::size_t i = 0; i < count; ++i) {
    record.sandbox_id = new_sandbox_id();
    record.name = "web-" + std::to_string(i);
    record.status = i % 10 == 0 ? kTerminated : kSuspended;
    record.created_at += std::chrono::seconds(1);
    write_text(document_path(state, record.sandbox_id), *format_document(record));
    ids.push_back(record.sandbox_id);
  }
  return ids;
}

TEST_CASE("a listing has what its filter lets through, newest first, and counts the terminated it hides") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  auto running = registry.create(draft("running"));
  REQUIRE(running);
  REQUIRE(go_to(registry, running->record.sandbox_id, kRunning));
  const auto suspended = make_dead(registry, "suspended", kSuspended);
  make_dead(registry, std::nullopt, kTerminated);
  make_dead(registry, "dead", kRunning);
  CHECK(registry.list(ListFilter::kAll)->records.size() == 4);
  CHECK(registry.list(ListFilter::kAll)->hidden_terminated == 0);
  const auto live = registry.list(ListFilter::kNotTerminated);
  CHECK(live->records.size() == 3);
  CHECK(live->hidden_terminated == 1);
  CHECK(std::is_sorted(live->records.begin(), live->records.end(),
                       [](const auto& a, const auto& b) { return a.created_at > b.created_at; }));
  CHECK(ids_of(*registry.list(ListFilter::kRunning)) == std::vector{running->record.sandbox_id});
  CHECK(registry.list(ListFilter::kRunning)->hidden_terminated == 1);
  CHECK(registry.list(ListFilter::kSuspended)->records.size() == 2);
}

TEST_CASE("a listing sweeps what interrupted changes have left") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  auto running = registry.create(draft("running"));
  REQUIRE(running);
  const auto suspended = make_dead(registry, "suspended", kSuspended);
  const auto ended = make_dead(registry, std::nullopt, kTerminated);
  fs::create_directories(registry.work_path(ended.sandbox_id) / "disk/deep");
  fs::create_directory(registry.work_path("0123456789abcdefghijk"));
  write_text(temp.state() / "sandboxes" / ("." + suspended.sandbox_id + ".json.abcdefgh.tmp"), "{");
  write_text(temp.state() / "sandboxes/..index.abcdefgh.tmp", "{");
  fs::create_symlink("0123456789abcdefghijk", temp.state() / "names/nobodys");
  fs::create_symlink(running->record.sandbox_id, temp.state() / "names/given-up");
  REQUIRE(registry.list(ListFilter::kRunning));
  CHECK_FALSE(fs::exists(registry.work_path(ended.sandbox_id)));
  CHECK_FALSE(fs::exists(registry.work_path("0123456789abcdefghijk")));
  CHECK(fs::exists(registry.work_path(running->record.sandbox_id)));
  CHECK(fs::exists(registry.work_path(suspended.sandbox_id)));
  CHECK(std::distance(fs::directory_iterator(temp.state() / "sandboxes"), fs::directory_iterator()) == 3);
  CHECK(std::distance(fs::directory_iterator(temp.state() / "names"), fs::directory_iterator()) == 2);
}

TEST_CASE("the index is never believed against the documents") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto ids = plant(temp.state(), 300);
  const fs::path index = temp.state() / "sandboxes/.index";
  std::vector<FileStamp> stamps;
  std::vector<SandboxRecord> records;
  const auto fd = registry.folder().make_folder("sandboxes");
  REQUIRE(fd);
  const auto before = registry.list(ListFilter::kAll);
  CHECK(before->records.size() == 300);

  // One with wrong contents under stamps that are not the documents'.
  SandboxRecord wrong = full_record();
  for (const std::string& id : ids) {
    wrong.sandbox_id = id;
    wrong.image = "wrong";
    struct stat status {};
    REQUIRE(::stat(document_path(temp.state(), id).c_str(), &status) == 0);
    stamps.push_back({status.st_ino, 1, static_cast<std::uint64_t>(status.st_size)});
    records.push_back(wrong);
  }
  RecordIndex::save(fd->get(), stamps, records);
  REQUIRE(fs::exists(index));
  CHECK(registry.list(ListFilter::kAll)->records == before->records);

  // Garbage of every kind.
  const std::string good = read_text(index);
  for (const std::string& garbage :
       {std::string(), std::string(100, 'x'), good.substr(0, good.size() - 1), good + "x"}) {
    write_text(index, garbage);
    CHECK(registry.list(ListFilter::kAll)->records == before->records);
  }
  fs::remove(index);
  fs::create_directory(index);
  CHECK(registry.list(ListFilter::kAll)->records == before->records);
}

TEST_CASE("a listing of 10,000 sandboxes is timed", "[.][bench]") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  plant(temp.state(), 10'000);
  const auto timed = [&](const char* what) {
    const auto start = std::chrono::steady_clock::now();
    const auto listing = registry.list(ListFilter::kAll);
    const auto took = std::chrono::steady_clock::now() - start;
    REQUIRE(listing->records.size() == 10'000);
    std::cout << what << ": " << std::chrono::duration<double, std::milli>(took).count() << " ms\n";
  };
  timed("too young for the index");
  ::sleep(2);
  timed("makes the index");
  for (int i = 0; i < 9; ++i) timed("with the index");
}

}  // namespace
}  // namespace tl::registry
