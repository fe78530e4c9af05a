// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/template_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/snapshot/snapshot_support.hpp"

namespace tl::snapshot::test {
namespace {

namespace fs = std::filesystem;

struct Templates {
  TempFolder temp;
  TemplateStore store = must(TemplateStore::open(temp.path()));

  // `age` seconds ago used last.
  void make(const std::string& key, std::size_t bytes, long age) {
    auto draft = must(store.begin(key));
    write_text(draft.path() / "memory", std::string(bytes, 'x'));
    must(store.commit(std::move(draft), R"({"made":"here"})"));
    const struct timespec when { ::time(nullptr) - age, 0 };
    const struct timespec times[2] = {when, when};
    REQUIRE(::utimensat(AT_FDCWD, (folder(key) / "manifest.json").c_str(), times, 0) == 0);
  }
  [[nodiscard]] fs::path folder(const std::string& key) const { return temp.path() / "templates" / key; }
};

TEST_CASE("a template is found by its key with what its maker said", "[snapshot]") {
  Templates templates;
  CHECK(templates.store.find("sha256:a").error().code == ErrorCode::kNotFound);
  templates.make("sha256:a", 10'000, 0);
  const auto found = must(templates.store.find("sha256:a"));
  CHECK(found.details == R"({"made":"here"})");
  CHECK(found.size_bytes >= 10'000);
  CHECK(read_text(found.pin.path() / "memory").size() == 10'000);
  CHECK(templates.store.begin("sha256:a").error().code == ErrorCode::kConflict);
}

TEST_CASE("a template's details can be replaced, while it is there", "[snapshot]") {
  Templates templates;
  templates.make("a", 10'000, 0);
  must(templates.store.amend("a", R"({"made":"here","used":"there"})"));
  {
    const auto found = must(templates.store.find("a"));
    CHECK(found.details == R"({"made":"here","used":"there"})");
    CHECK(found.size_bytes >= 10'000);
    must(templates.store.amend("a", "{}"));  // also of one that somebody uses
  }
  CHECK(must(templates.store.find("a")).details == "{}");
  CHECK(templates.store.amend("a", "{").error().code == ErrorCode::kOutOfRange);
  CHECK(must(templates.store.find("a")).details == "{}");
  CHECK(templates.store.amend("b", "{}").error().code == ErrorCode::kNotFound);
  must(templates.store.remove("a"));
  CHECK(templates.store.amend("a", "{}").error().code == ErrorCode::kNotFound);
  CHECK_FALSE(fs::exists(templates.folder("a")));
}

TEST_CASE("who begins a template that is being made is told so", "[snapshot]") {
  Templates templates;
  const auto draft = must(templates.store.begin("a"));
  CHECK(templates.store.begin("a").error().code == ErrorCode::kConflict);
  must(templates.store.begin("b"));
}

TEST_CASE("the least recently used templates go first, those in use stay", "[snapshot]") {
  Templates templates;
  constexpr std::size_t kBytes = 64 * 1024;
  templates.make("oldest", kBytes, 400);
  templates.make("old", kBytes, 300);
  templates.make("used", kBytes, 500);
  templates.make("new", kBytes, 0);
  must(templates.store.find("used"));  // makes it the newest but one
  const auto pin = must(templates.store.find("old"));
  const auto each = pin.size_bytes;
  CHECK(must(templates.store.shrink_to(4 * each + each / 2)) == 0);
  CHECK(must(templates.store.shrink_to(3 * each + each / 2)) == 1);
  CHECK_FALSE(fs::exists(templates.folder("oldest")));
  CHECK(must(templates.store.shrink_to(0)) == 2);
  CHECK(fs::exists(templates.folder("old")));
}

TEST_CASE("a damaged template is refused and makes room first", "[snapshot]") {
  Templates templates;
  templates.make("sound", 1000, 100);
  templates.make("victim", 1000, 0);
  for (const std::string damage : {"", "[]", "{", R"({"schema_version":1,"key":"sound"})"}) {
    write_text(templates.folder("victim") / "manifest.json", damage);
    CHECK(templates.store.find("victim").error().code == ErrorCode::kFailure);
  }
  CHECK(must(templates.store.shrink_to(std::uint64_t{1} << 40)) == 1);
  CHECK(fs::exists(templates.folder("sound")));
  templates.make("victim", 1000, 0);
}

TEST_CASE("details that are no JSON are not committed", "[snapshot]") {
  Templates templates;
  CHECK(templates.store.commit(must(templates.store.begin("a")), "{").error().code == ErrorCode::kOutOfRange);
  CHECK_FALSE(fs::exists(templates.folder("a")));
}

}  // namespace
}  // namespace tl::snapshot::test
