// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/image_store.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "tests/support/catch.hpp"
#include "tests/unit/storage/image_support.hpp"

using namespace tl;
using namespace tl::storage;
using namespace tl::storage::test;
namespace fs = std::filesystem;

namespace {

ImageStore open_store(const fs::path& root, std::vector<fs::path> system = {}) {
  auto store = ImageStore::open(root, std::move(system));
  REQUIRE(store);
  return *std::move(store);
}

ImageStore::Recipe recipe(const std::string& what) {
  return {.digest = image_digest(what),
          .source = what,
          .disk_mib = 10240,
          .config = {.env = {"A=b"}, .user = "me"}};
}

Result<void> write_root(const fs::path& path) {
  std::ofstream(path) << "contents";
  return {};
}

ImageStore::Build never() {
  return [](const fs::path&) -> Result<void> { return Error{ErrorCode::kFailure, "was built", ""}; };
}

const ImageStore::InUse kUnused = [](const std::string&) { return false; };

std::size_t count_of_images(const fs::path& root) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(root / "images")) {
    if (entry.path().filename().string().compare(0, 7, "sha256-") == 0) ++count;
  }
  return count;
}

fs::path folder_of(const fs::path& root, const std::string& digest) {
  return root / "images" / ("sha256-" + digest.substr(7));
}

}  // namespace

TEST_CASE("An image is found by name and by digest as it was added") {
  const TempFolder home;
  auto store = open_store(home.path());
  const auto added = store.add("web/app:1", recipe("one"), write_root);
  REQUIRE(added);
  const auto found = store.find("web/app:1");
  REQUIRE(found);
  CHECK(found->name == "web/app:1");
  CHECK(found->manifest.digest == image_digest("one"));
  CHECK(found->manifest.source == "one");
  CHECK(found->manifest.disk_mib == 10240);
  CHECK(found->manifest.size_bytes == 8);
  CHECK(found->manifest.config.env == std::vector<std::string>{"A=b"});
  CHECK(found->manifest.config.user == "me");
  CHECK(store.find_digest(image_digest("one"))->root_file == found->root_file);
  struct stat status = {};
  REQUIRE(::stat(found->root_file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0444);
}

TEST_CASE("The same recipe is built once, and may have several names") {
  const TempFolder home;
  auto store = open_store(home.path());
  REQUIRE(store.add("a", recipe("one"), write_root));
  REQUIRE(store.add("b", recipe("one"), never()));
  CHECK(count_of_images(home.path()) == 1);
  REQUIRE(store.remove("a", kUnused));
  CHECK(store.find("b"));
  CHECK(store.find("a").error().code == ErrorCode::kNotFound);
  REQUIRE(store.remove("b", kUnused));
  CHECK(count_of_images(home.path()) == 0);
}

TEST_CASE("An unknown image's error says where to look") {
  const TempFolder home;
  const auto store = open_store(home.path());
  const auto found = store.find("nothing");
  REQUIRE_FALSE(found);
  CHECK(found.error().code == ErrorCode::kNotFound);
  CHECK(found.error().hint.find("tl sbx image ls") != std::string::npos);
  CHECK(store.find("../etc").error().code == ErrorCode::kOutOfRange);
  CHECK(store.find_digest("sha256:../../x").error().code == ErrorCode::kNotFound);
}

TEST_CASE("A failed build leaves nothing and the name as it was") {
  const TempFolder home;
  auto store = open_store(home.path());
  REQUIRE(store.add("a", recipe("one"), write_root));
  const auto failed = store.add("a", recipe("two"), [](const fs::path& path) -> Result<void> {
    std::ofstream(path) << "half";
    return Error{ErrorCode::kHostLacks, "disk full", ""};
  });
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kHostLacks);
  CHECK(count_of_images(home.path()) == 1);
  CHECK(store.find("a")->manifest.source == "one");
}

TEST_CASE("What a killed builder left is swept, unless somebody still builds it") {
  const TempFolder home;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t builder = ::fork();
  REQUIRE(builder >= 0);
  if (builder == 0) {
    auto store = ImageStore::open(home.path(), {});
    [[maybe_unused]] const auto added =
        store->add("a", recipe("one"), [&ready](const fs::path& path) -> Result<void> {
          std::ofstream(path) << "half";
          if (::write(ready[1], "x", 1) != 1) ::_exit(1);
          for (;;) ::pause();
        });
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  ::close(ready[0]);
  ::close(ready[1]);
  auto store = open_store(home.path());
  CHECK(*store.sweep() == 0);
  CHECK(count_of_images(home.path()) == 1);
  CHECK(store.find("a").error().code == ErrorCode::kNotFound);
  ::kill(builder, SIGKILL);
  ::waitpid(builder, nullptr, 0);
  CHECK(*store.sweep() == 1);
  CHECK(count_of_images(home.path()) == 0);
  REQUIRE(store.add("a", recipe("one"), write_root));
}

TEST_CASE("Two who add the same image at once make it once") {
  const TempFolder home;
  std::atomic<int> built = 0;
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&home, &built, &good, i] {
      auto store = ImageStore::open(home.path(), {});
      if (!store) return;
      const auto added =
          store->add("name" + std::to_string(i), recipe("one"), [&built](const fs::path& path) {
            ++built;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            return write_root(path);
          });
      if (added) ++good;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(built == 1);
  CHECK(good == 4);
  CHECK(open_store(home.path()).list()->images.size() == 4);
}

TEST_CASE("An image in use is not removed, and one of the system never") {
  const TempFolder system;
  const TempFolder home;
  REQUIRE(open_store(system.path()).add("base", recipe("base"), write_root));
  auto store = open_store(home.path(), {system.path()});
  CHECK(store.find("base"));
  CHECK(store.remove("base", kUnused).error().code == ErrorCode::kConflict);
  REQUIRE(store.add("mine", recipe("mine"), write_root));
  const auto used =
      store.remove("mine", [](const std::string& digest) { return digest == image_digest("mine"); });
  REQUIRE_FALSE(used);
  CHECK(used.error().code == ErrorCode::kConflict);
  CHECK(store.find("mine"));
}

TEST_CASE("The own name hides the system's, whose image need not be built again") {
  const TempFolder system;
  const TempFolder home;
  REQUIRE(open_store(system.path()).add("default", recipe("old"), write_root));
  auto store = open_store(home.path(), {system.path(), home.path() / "not-there"});
  REQUIRE(store.add("copy", recipe("old"), never()));
  CHECK(count_of_images(home.path()) == 0);
  REQUIRE(store.add("default", recipe("new"), write_root));
  CHECK(store.find("default")->manifest.source == "new");
  CHECK(store.list()->images.size() == 2);
  REQUIRE(store.remove("default", kUnused));
  CHECK(store.find("default")->manifest.source == "old");
}

TEST_CASE("A damaged image is told, hides no other, and can be removed and made again") {
  const TempFolder home;
  auto store = open_store(home.path());
  REQUIRE(store.add("good", recipe("good"), write_root));
  const auto damage = [&](const std::string& name, auto how) {
    const auto added = store.add(name, recipe(name), write_root);
    REQUIRE(added);
    how(folder_of(home.path(), added->manifest.digest));
  };
  damage("garbage", [](const fs::path& folder) { std::ofstream(folder / "manifest.json") << "{]"; });
  damage("incomplete", [](const fs::path& folder) { std::ofstream(folder / "manifest.json") << "{}"; });
  damage("newer", [](const fs::path& folder) {
    std::ofstream(folder / "manifest.json") << R"({"schema_version":99})";
  });
  damage("cut-off", [](const fs::path& folder) {
    fs::permissions(folder / "root.ext4", fs::perms::owner_write | fs::perms::owner_read);
    fs::resize_file(folder / "root.ext4", 3);
  });
  damage("gone", [](const fs::path& folder) { fs::remove_all(folder); });
  std::ofstream(home.path() / "images/names/unreadable") << "nonsense";
  const auto listing = store.list();
  REQUIRE(listing);
  CHECK(listing->images.size() == 1);
  CHECK(listing->problems.size() == 6);
  for (const char* name : {"garbage", "incomplete", "newer", "cut-off", "gone"}) {
    INFO(name);
    CHECK(store.find(name).error().code == ErrorCode::kFailure);
    REQUIRE(store.add(name, recipe(name), write_root));
    CHECK(store.find(name));
    CHECK(store.remove(name, kUnused));
  }
  CHECK(store.remove("unreadable", kUnused));
  CHECK(store.list()->problems.empty());
}
