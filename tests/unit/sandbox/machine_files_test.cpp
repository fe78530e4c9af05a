// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/machine_files.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/io.hpp"
#include "runtime/snapshot/machine_state.hpp"
#include "runtime/snapshot/memory_image.hpp"
#include "tests/support/catch.hpp"

using namespace tl;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kPages = 64;
constexpr std::uint64_t kBytes = kPages * snapshot::kPageBytes;

UniqueFd open_folder(const fs::path& path) {
  auto fd = open_at(AT_FDCWD, path.string(), O_RDONLY | O_DIRECTORY);
  REQUIRE(fd);
  return *std::move(fd);
}

snapshot::Fingerprint fingerprint() {
  snapshot::Fingerprint made;
  made.accelerator = "kvm";
  made.build = "1";
  made.cpu = "a cpu";
  made.memory_bytes = kBytes;
  made.vcpus = 1;
  return made;
}

ino_t inode(const fs::path& path) {
  struct stat status = {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_ino;
}

// A machine that was saved for the first time: a state, and a memory that is a delta alone.
struct Fixture {
  Fixture() {
    char name[] = "/tmp/tl-sandbox-test-XXXXXX";
    folder = ::mkdtemp(name);
    own = folder / "own";
    fs::create_directory(own);
    save('a');
  }
  ~Fixture() { fs::remove_all(folder); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  // All of the memory is `with`.
  void save(char with) const {
    const std::vector<std::byte> ram(kBytes, static_cast<std::byte>(with));
    snapshot::RamPages pages{snapshot::PageSet(kPages), snapshot::PageSet(kPages)};
    pages.written.add({0, kPages});
    auto image = snapshot::MemoryImage::open(open_folder(own), own, kBytes);
    if (!image) image = snapshot::MemoryImage::create(open_folder(own), own, kBytes);
    REQUIRE(image);
    REQUIRE(image->save(ram, pages, Durability::kLazy));
    const std::vector<std::byte> state(100, static_cast<std::byte>(with));
    REQUIRE(snapshot::MachineState::save(open_folder(own).get(), fingerprint(), state, Durability::kLazy));
  }
  // What the memory and the state in a folder are all of.
  static char saved_in(const fs::path& path) {
    auto image = snapshot::MemoryImage::open(open_folder(path), path, kBytes);
    INFO((image ? "" : image.error().message));
    REQUIRE(image);
    std::vector<std::byte> ram(kBytes);
    REQUIRE(image->read_into(std::span(ram)));
    const auto state = snapshot::MachineState::load(open_folder(path).get(), fingerprint());
    REQUIRE(state);
    CHECK(std::all_of(ram.begin(), ram.end(), [&](std::byte b) { return b == state->front(); }));
    return static_cast<char>(state->front());
  }

  fs::path folder;
  fs::path own;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a machine is there when its state is") {
  CHECK(has_machine(own));
  CHECK_FALSE(has_machine(folder));
  CHECK_FALSE(has_machine(folder / "none"));
  fs::remove(own / "machine");
  CHECK_FALSE(has_machine(own));
  fs::create_directory(own / "machine");
  CHECK_FALSE(has_machine(own));
}

TEST_CASE_METHOD(Fixture, "a machine that was saved once is linked as often as one likes, without a copy") {
  REQUIRE(link_machine(own, folder / "a", kBytes, Durability::kLazy));
  REQUIRE(link_machine(own, folder / "b", kBytes, Durability::kSynced));
  REQUIRE(link_machine(folder / "b", folder / "c", kBytes, Durability::kLazy));
  for (const char* name : {"a", "b", "c"}) {
    CHECK(has_machine(folder / name));
    CHECK(saved_in(folder / name) == 'a');
    CHECK(inode(folder / name / "memory.base") == inode(own / "memory.base"));
    CHECK(inode(folder / name / "machine") == inode(own / "machine"));
  }
  CHECK(saved_in(own) == 'a');
  struct stat status = {};
  REQUIRE(::stat((folder / "a").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
}

TEST_CASE_METHOD(Fixture, "what is saved later shows in no link that was made before") {
  REQUIRE(link_machine(own, folder / "a", kBytes, Durability::kLazy));
  save('b');
  REQUIRE(link_machine(own, folder / "b", kBytes, Durability::kLazy));
  CHECK(saved_in(folder / "a") == 'a');
  CHECK(saved_in(folder / "b") == 'b');
  CHECK(saved_in(own) == 'b');
  fs::remove_all(own);
  CHECK(saved_in(folder / "a") == 'a');
  CHECK(saved_in(folder / "b") == 'b');
}

TEST_CASE_METHOD(Fixture, "processes that link one machine at once all get it") {
  constexpr int kProcesses = 4;
  constexpr int kLinks = 10;
  int begin[2];
  REQUIRE(::pipe(begin) == 0);
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(begin[1]);
      char none = 0;
      [[maybe_unused]] const ssize_t n = ::read(begin[0], &none, 1);  // its end: all are there
      int failures = 0;
      for (int link = 0; link < kLinks; ++link) {
        const fs::path to = folder / (std::to_string(process) + "-" + std::to_string(link));
        if (!link_machine(own, to, kBytes, Durability::kLazy)) ++failures;
      }
      ::_exit(failures);
    }
    children.push_back(child);
  }
  ::close(begin[0]);
  ::close(begin[1]);
  for (const pid_t child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  for (int process = 0; process < kProcesses; ++process) {
    for (int link = 0; link < kLinks; ++link)
      CHECK(saved_in(folder / (std::to_string(process) + "-" + std::to_string(link))) == 'a');
  }
  CHECK(saved_in(own) == 'a');
}

TEST_CASE_METHOD(Fixture, "what is no whole machine, or goes where something is already, is not linked") {
  CHECK_FALSE(link_machine(folder / "none", folder / "a", kBytes, Durability::kLazy));
  CHECK_FALSE(fs::exists(folder / "a"));
  fs::create_directory(folder / "taken");
  CHECK_FALSE(link_machine(own, folder / "taken", kBytes, Durability::kLazy));
  CHECK(fs::is_empty(folder / "taken"));
  CHECK_FALSE(link_machine(own, folder / "b", 2 * kBytes, Durability::kLazy));
  fs::remove(own / "machine");
  CHECK_FALSE(link_machine(own, folder / "c", kBytes, Durability::kLazy));
  CHECK_FALSE(has_machine(folder / "c"));
}
