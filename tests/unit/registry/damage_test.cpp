// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "runtime/registry/document.hpp"
#include "runtime/registry/registry.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/registry/registry_support.hpp"

// Documents that are not what we wrote: the others must not suffer, and nothing may be lost.
namespace tl::registry {
namespace {

namespace fs = std::filesystem;
using enum SandboxState;

TEST_CASE("a damaged document is set aside with its reason, reported, and the others are listed") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto healthy = make_dead(registry, "healthy", kSuspended);
  const std::string good = [&] {
    const auto victim = make_dead(registry, "victim", kSuspended);
    return read_text(document_path(temp.state(), victim.sandbox_id));
  }();
  const auto victim = *registry.find("victim");
  const auto file = document_path(temp.state(), victim.sandbox_id);
  write_text(registry.work_path(victim.sandbox_id) / "disk", "precious");

  const std::string damages[] = {"",
                                 good.substr(0, 1),
                                 good.substr(0, good.size() / 2),
                                 std::string(500, '\0'),
                                 "[]",
                                 std::string(kMaxDocumentBytes + 1, ' ')};
  for (const std::string& damage : damages) {
    write_text(file, damage);
    const auto listing = registry.list(ListFilter::kAll);
    REQUIRE(listing);
    REQUIRE(listing->records.size() == 1);
    CHECK(listing->records[0].sandbox_id == healthy.sandbox_id);
    REQUIRE(listing->problems.size() == 1);
    const ProblemDocument& problem = listing->problems[0];
    CHECK(problem.sandbox_id == victim.sandbox_id);
    CHECK(problem.path.parent_path() == temp.state() / "damaged");
    CHECK(read_text(problem.path) == damage);
    CHECK(read_text(problem.path.string() + ".reason") == problem.reason + "\n");
    CHECK_FALSE(fs::exists(file));
    // What belongs to it stays, this time and every time.
    CHECK(registry.list(ListFilter::kAll)->problems.empty());
    CHECK(read_text(registry.work_path(victim.sandbox_id) / "disk") == "precious");
    CHECK(registry.read(victim.sandbox_id).error().code == ErrorCode::kNotFound);
  }
  // Put back by hand, it is as before.
  write_text(file, good);
  CHECK(registry.find("victim")->status == kSuspended);
}

TEST_CASE("reading a damaged document says where it went") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto victim = make_dead(registry, "victim", kSuspended);
  write_text(document_path(temp.state(), victim.sandbox_id), "{\"schema\":");
  const auto read = registry.find("victim");
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::kFailure);
  CHECK(read.error().message ==
        "sandbox " + victim.sandbox_id + ": its document is damaged: it is not a JSON object");
  CHECK(read.error().hint.find((temp.state() / "damaged").string()) != std::string::npos);
  CHECK(read.error().hint.find(registry.work_path(victim.sandbox_id).string()) != std::string::npos);
  CHECK(registry.create(draft("victim")));
}

TEST_CASE("a document that is no file is set aside without being waited for") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto healthy = make_dead(registry, "healthy", kSuspended);
  const auto make = [&](char digit) { return document_path(temp.state(), std::string(kIdLength, digit)); };
  fs::create_directory(make('a'));
  REQUIRE(::mkfifo(make('b').c_str(), 0600) == 0);
  fs::create_symlink("/dev/zero", make('c'));
  fs::create_symlink("nowhere", make('d'));
  const auto listing = registry.list(ListFilter::kAll);
  REQUIRE(listing);
  CHECK(listing->records.size() == 1);
  REQUIRE(listing->problems.size() == 4);
  for (const ProblemDocument& problem : listing->problems) {
    CHECK(problem.reason == "it is not a regular file");
    CHECK(fs::exists(fs::symlink_status(problem.path)));
  }
}

TEST_CASE("a document of a newer tl is reported and left alone") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  const auto healthy = make_dead(registry, "healthy", kSuspended);
  const auto newer = make_dead(registry, "newer", kSuspended);
  const auto file = document_path(temp.state(), newer.sandbox_id);
  auto document = nlohmann::json::parse(read_text(file));
  document["schema"] = "2.0";
  document["status"] = "dreaming";
  write_text(file, document.dump());
  const auto listing = registry.list(ListFilter::kAll);
  REQUIRE(listing);
  CHECK(listing->records.size() == 1);
  REQUIRE(listing->problems.size() == 1);
  CHECK(listing->problems[0].path == file);
  CHECK(listing->problems[0].reason == "it was written by a newer tl (schema 2.0, this one knows 1.0)");
  for (const auto& refused : {registry.read(newer.sandbox_id), registry.terminate(newer.sandbox_id, "x"),
                              registry.rename(newer.sandbox_id, "other"), registry.find("newer")}) {
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("newer tl (schema 2.0") != std::string::npos);
  }
  // Its name is still its own, its folder is not debris.
  CHECK(registry.create(draft("newer")).error().code == ErrorCode::kConflict);
  CHECK(fs::exists(registry.work_path(newer.sandbox_id)));
  CHECK(read_text(file) == document.dump());
}

TEST_CASE("a document that may not be read is reported and left alone") {
  TempFolder temp;
  if (::geteuid() == 0) {
    fs::permissions(temp.path(), fs::perms::all);
  }
  CHECK(in_child([&] {
          constexpr uid_t kNobody = 65534;
          if (::geteuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) return 1;
          Registry registry = open_registry(temp.state());
          const auto healthy = make_dead(registry, std::nullopt, kTerminated);
          const auto hidden = make_dead(registry, std::nullopt, kTerminated);
          fs::permissions(document_path(temp.state(), hidden.sandbox_id), fs::perms::none);
          const auto listing = registry.list(ListFilter::kAll);
          if (!listing || listing->records.size() != 1 || listing->problems.size() != 1) return 2;
          if (listing->problems[0].reason.find("Permission denied") == std::string::npos) return 3;
          return fs::exists(document_path(temp.state(), hidden.sandbox_id)) ? 0 : 4;
        }) == 0);
}

TEST_CASE("files that are no documents are no concern of ours") {
  TempFolder temp;
  Registry registry = open_registry(temp.state());
  for (const char* stray : {"notes.txt", "web.json", ".hidden", "s7jus08qec4axzgbpq76h.json~"}) {
    write_text(temp.state() / "sandboxes" / stray, "x");
  }
  fs::create_directory(temp.state() / "work" / "lost+found");
  const auto listing = registry.list(ListFilter::kAll);
  REQUIRE(listing);
  CHECK(listing->records.empty());
  CHECK(listing->problems.empty());
  CHECK(fs::exists(temp.state() / "sandboxes/notes.txt"));
  CHECK(fs::exists(temp.state() / "work/lost+found"));
}

}  // namespace
}  // namespace tl::registry
