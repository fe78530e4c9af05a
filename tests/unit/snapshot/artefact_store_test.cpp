// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/artefact_store.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>

#include "tests/unit/snapshot/crash_point.hpp"
#include "tests/unit/snapshot/snapshot_support.hpp"

namespace tl::snapshot::test {
namespace {

namespace fs = std::filesystem;

ArtefactStore open_store(const TempFolder& temp) {
  return must(ArtefactStore::open(temp.path() / "things", "thing"));
}

void make(ArtefactStore& store, const std::string& key) {
  auto draft = must(store.begin(key));
  write_text(draft.path() / "file", "contents");
  must(std::move(draft).commit("{}"));
}

template <typename T>
ErrorCode code_of(const Result<T>& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}

// Another process that does `act`, and then stands still until it is killed.
class Other {
 public:
  explicit Other(const std::function<bool()>& act) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const char outcome = act() ? 'y' : 'n';
      [[maybe_unused]] const ssize_t n = ::write(ends[1], &outcome, 1);
      for (;;) ::pause();
    }
    char outcome = 0;
    ::close(ends[1]);
    REQUIRE(::read(ends[0], &outcome, 1) == 1);
    ::close(ends[0]);
    did_ = outcome == 'y';
  }
  ~Other() { end(); }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;
  [[nodiscard]] bool did() const { return did_; }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
  bool did_ = false;
};

TEST_CASE("an artefact is there from its commit to its removal", "[snapshot]") {
  const TempFolder temp;
  auto store = open_store(temp);
  {
    auto draft = must(store.begin("a"));
    write_text(draft.path() / "file", std::string(5000, 'x'));
    CHECK(draft.allocated_bytes() >= 5000);
    CHECK(must(store.keys()).empty());
    CHECK(code_of(store.pin("a")) == ErrorCode::kNotFound);
    must(std::move(draft).commit("{\"a\": 1}"));
  }
  CHECK(must(store.keys()) == std::vector<std::string>{"a"});
  CHECK(must(store.manifest("a")) == "{\"a\": 1}");
  CHECK(must(store.pin("a")).manifest() == "{\"a\": 1}");
  CHECK(code_of(store.begin("a")) == ErrorCode::kConflict);
  must(store.remove("a"));
  CHECK(must(store.keys()).empty());
  CHECK_FALSE(fs::exists(temp.path() / "things/a"));
  CHECK(code_of(store.remove("a")) == ErrorCode::kNotFound);
  make(store, "a");
}

TEST_CASE("a draft that is not committed leaves nothing", "[snapshot]") {
  const TempFolder temp;
  auto store = open_store(temp);
  {
    const auto draft = must(store.begin("a"));
    write_text(draft.path() / "file", "contents");
  }
  CHECK_FALSE(fs::exists(temp.path() / "things/a"));
}

TEST_CASE("no key leads out of the store", "[snapshot]") {
  const TempFolder temp;
  auto store = open_store(temp);
  for (const std::string key : {"", ".", "..", "../x", "a/b", "/a", ".lock", "-a", "A", "a b"}) {
    INFO(key);
    CHECK(code_of(store.begin(key)) == ErrorCode::kOutOfRange);
    CHECK(code_of(store.pin(key)) == ErrorCode::kNotFound);
    CHECK(code_of(store.manifest(key)) == ErrorCode::kNotFound);
    CHECK(code_of(store.remove(key)) == ErrorCode::kNotFound);
  }
  make(store, "sha256:0123-x_y.z");
  CHECK(code_of(store.begin(std::string(129, 'a'))) == ErrorCode::kOutOfRange);
}

TEST_CASE("a sweep takes what a dead maker left, and never what is being made", "[snapshot]") {
  const TempFolder temp;
  auto store = open_store(temp);
  make(store, "done");
  Other maker([&] {
    auto draft = store.begin("making");
    if (!draft) return false;
    write_text(draft->path() / "file", "half");
    new ArtefactDraft(std::move(*draft));  // stays with the process
    return true;
  });
  REQUIRE(maker.did());
  CHECK(must(store.sweep()) == 0);
  CHECK(fs::exists(temp.path() / "things/making/file"));
  CHECK(code_of(store.begin("making")) == ErrorCode::kConflict);
  CHECK(code_of(store.remove("making")) == ErrorCode::kNotFound);

  maker.end();
  SECTION("by a sweep") {
    CHECK(must(store.sweep()) == 1);
    CHECK_FALSE(fs::exists(temp.path() / "things/making"));
    CHECK(must(store.keys()) == std::vector<std::string>{"done"});
  }
  SECTION("by who makes the same again") {
    const auto draft = must(store.begin("making"));
    CHECK(fs::is_empty(draft.path()));
  }
}

TEST_CASE("of many who begin the same at once one makes it", "[snapshot]") {
  const TempFolder temp;
  auto store = open_store(temp);
  constexpr int kMakers = 20;
  std::array<int, 2> start{};
  std::array<int, 2> outcomes{};
  std::array<int, 2> finish{};
  for (auto* ends : {&start, &outcomes, &finish}) REQUIRE(::pipe(ends->data()) == 0);
  std::vector<pid_t> makers;
  for (int i = 0; i < kMakers; ++i) {
    makers.push_back(::fork());
    if (makers.back() != 0) continue;
    ::close(start[1]);
    ::close(finish[1]);
    char ignored = 0;
    [[maybe_unused]] ssize_t n = ::read(start[0], &ignored, 1);
    const auto draft = store.begin("same");
    const char outcome = draft ? 'w' : draft.error().code == ErrorCode::kConflict ? 'c' : 'f';
    n = ::write(outcomes[1], &outcome, 1);
    n = ::read(finish[0], &ignored, 1);
    ::_exit(0);
  }
  ::close(start[1]);
  std::string all(kMakers, ' ');
  for (char& outcome : all) REQUIRE(::read(outcomes[0], &outcome, 1) == 1);
  ::close(finish[1]);
  for (const pid_t maker : makers) ::waitpid(maker, nullptr, 0);
  for (const int fd : {start[0], outcomes[0], outcomes[1], finish[0]}) ::close(fd);
  CHECK(std::count(all.begin(), all.end(), 'w') == 1);
  CHECK(std::count(all.begin(), all.end(), 'c') == kMakers - 1);
}

TEST_CASE("what somebody has pinned is not removed", "[snapshot]") {
  const TempFolder temp;
  auto store = open_store(temp);
  make(store, "a");
  Other reader([&] {
    auto pin = store.pin("a");
    if (!pin) return false;
    new ArtefactPin(std::move(*pin));  // stays with the process
    return true;
  });
  REQUIRE(reader.did());
  CHECK(code_of(store.remove("a")) == ErrorCode::kConflict);
  must(store.pin("a"));  // one more reader
  CHECK(fs::exists(temp.path() / "things/a/file"));
  reader.end();
  must(store.remove("a"));
}

TEST_CASE("a pin holds against a removal from the same process", "[snapshot]") {
  const TempFolder temp;
  auto store = open_store(temp);
  make(store, "a");
  {
    const auto pin = must(store.pin("a"));
    CHECK(code_of(store.remove("a")) == ErrorCode::kConflict);
  }
  must(store.remove("a"));
}

TEST_CASE("a killed commit or removal leaves an artefact that is there as a whole or swept", "[snapshot]") {
  const bool removes = GENERATE(false, true);
  bool finished = false;
  for (int steps = 0; !finished; ++steps) {
    INFO((removes ? "remove, step " : "commit, step ") << steps);
    const TempFolder temp;
    auto store = open_store(temp);
    if (removes) make(store, "a");
    const pid_t child = ::fork();
    if (child == 0) {
      die_after(steps);
      if (removes) {
        ::_exit(store.remove("a") ? 0 : 1);
      }
      auto draft = store.begin("a");
      if (!draft) ::_exit(1);
      write_text(draft->path() / "file", "contents");
      ::_exit(std::move(*draft).commit("{}") ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
    finished = WEXITSTATUS(status) == 0;
    must(store.sweep());
    const bool is_there = !must(store.keys()).empty();
    CHECK(fs::exists(temp.path() / "things/a") == is_there);
    if (is_there) CHECK(read_text(temp.path() / "things/a/file") == "contents");
    if (finished) CHECK(is_there != removes);
    if (finished) CHECK(steps > 2);
  }
}

}  // namespace
}  // namespace tl::snapshot::test
