// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "runtime/snapshot/memory_image.hpp"
#include "tests/unit/snapshot/crash_point.hpp"
#include "tests/unit/snapshot/snapshot_support.hpp"

namespace tl::snapshot::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPages = 1500;

// Two memories: what was saved before, and what is saved when the end comes.
struct Scene {
  TempFolder temp;
  fs::path folder = temp.folder("own");
  fs::path other = temp.folder("other");
  Ram before{kPages};
  Ram after{kPages};

  Scene() {
    before.fill({0, 1200}, 1);
    after.fill({10, 5}, 2);  // zeroes before and behind: a long run and a short one
    after.fill({1100, 300}, 3);
  }
  void save(const Ram& ram) const {
    auto image = fs::exists(folder / "memory.map") || fs::exists(folder / "memory.base.map")
                     ? open_image(folder, kPages)
                     : create_image(folder, kPages);
    must(image.save(ram.bytes(), all_written(kPages), Durability::kSynced));
  }
};

// Lets `act` end before its first, second, … step until it comes to its end; `check` looks at what it left.
void for_each_step(const std::function<void(Scene&)>& prepare, const std::function<void(Scene&)>& act,
                   const std::function<void(Scene&, bool finished)>& check) {
  int steps = 0;
  for (bool finished = false; !finished; ++steps) {
    INFO("step " << steps);
    Scene scene;
    prepare(scene);
    const pid_t child = ::fork();
    if (child == 0) {
      die_after(steps);
      try {
        act(scene);
      } catch (...) {
        ::_exit(1);  // a failed test must not go on in the child
      }
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE((WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
    finished = WEXITSTATUS(status) == 0;
    check(scene, finished);
  }
  CHECK(steps > 3);
}

// The old memory, none, or the new one, and with it a folder in which the next memory can be saved.
void check_old_none_or_new(Scene& scene, bool finished) {
  const auto opened = try_open_image(scene.folder, kPages);
  if (opened) {
    const Ram found(kPages);
    must(opened->map_private(found.page(0)));
    const bool is_new = found == scene.after;
    CHECK((is_new || (!finished && found == scene.before)));
  } else {
    CHECK_FALSE(finished);
  }
  if (!opened)
    must(
        create_image(scene.folder, kPages).save(scene.after.bytes(), all_written(kPages), Durability::kLazy));
  scene.save(scene.after);
  check_image_is(open_image(scene.folder, kPages), scene.after);
}

TEST_CASE("a killed save leaves the old memory, none, or the new one", "[snapshot]") {
  SECTION("the first one") {
    for_each_step([](Scene&) {}, [](Scene& s) { s.save(s.after); },
                  [](Scene& s, bool finished) {
                    if (!finished && !try_open_image(s.folder, kPages)) return;
                    check_image_is(open_image(s.folder, kPages), s.after);
                  });
  }
  SECTION("over a delta") {
    for_each_step([](Scene& s) { s.save(s.before); }, [](Scene& s) { s.save(s.after); },
                  check_old_none_or_new);
  }
  SECTION("over a base") {
    for_each_step(
        [](Scene& s) {
          s.save(s.before);
          must(open_image(s.folder, kPages).export_to(open_folder(s.other).get(), Durability::kSynced));
        },
        [](Scene& s) { s.save(s.after); },
        [](Scene& s, bool finished) {
          check_image_is(open_image(s.other, kPages), s.before);
          check_old_none_or_new(s, finished);
        });
  }
}

TEST_CASE("a killed export leaves the own memory as it was", "[snapshot]") {
  const auto act = [](Scene& s) {
    must(open_image(s.folder, kPages).export_to(open_folder(s.other).get(), Durability::kSynced));
  };
  const auto check = [](Scene& s, bool finished) {
    const Ram& present = s.after;
    check_image_is(open_image(s.folder, kPages), present);
    const auto other = try_open_image(s.other, kPages);
    REQUIRE((other || !finished));
    if (other) check_image_is(*other, present);
  };
  SECTION("of a delta") {
    for_each_step([](Scene& s) { s.save(s.after); }, act, check);
  }
  SECTION("of base and delta") {
    for_each_step(
        [](Scene& s) {
          s.save(s.before);
          must(open_image(s.folder, kPages)
                   .export_to(open_folder(s.temp.folder("first")).get(), Durability::kSynced));
          s.save(s.after);
        },
        act, check);
  }
}

TEST_CASE("a save that fails is made good by the next one", "[snapshot]") {
  bool finished = false;
  for (int steps = 0; !finished; ++steps) {
    INFO("step " << steps);
    const Scene scene;
    scene.save(scene.before);
    auto image = open_image(scene.folder, kPages);
    fail_after(steps);
    finished = image.save(scene.after.bytes(), all_written(kPages), Durability::kSynced).has_value();
    disarm();
    // Only those pages that differ in the end: what the failure left is the image's own business.
    const auto again = image.save(scene.after.bytes(), all_written(kPages), Durability::kSynced);
    if (!again) {
      CHECK(again.error().message.find("failed to write it before") != std::string::npos);
      continue;
    }
    check_image_is(open_image(scene.folder, kPages), scene.after);
    check_image_is(image, scene.after);
  }
}

}  // namespace
}  // namespace tl::snapshot::test
