// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/guest/files/byte_stream.hpp"
#include "runtime/guest/files/new_file.hpp"
#include "runtime/guest/files/pack.hpp"
#include "tests/unit/guest/copy_support.hpp"

// Both ends of a copy, with a pipe between them.

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;

namespace {

Result<Unpacked> copy(const std::string& from, const Destination& to) {
  return through_pipe(
      [&](int fd) {
        const auto packed = pack(from, fd);
        if (packed) CHECK(packed->complete);
      },
      [&](int fd) { return unpack(fd, to); });
}

struct stat look(const std::string& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status;
}

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

void set_time(const std::string& path, timespec modified) {
  const timespec times[2] = {{0, UTIME_OMIT}, modified};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

}  // namespace

TEST_CASE("a tree is copied with its names, modes, times to the nanosecond, links and contents") {
  const Folder from, to;
  const std::string odd = "odd\n\xFF\xC3name\x01";
  const std::string deep = std::string(200, 'n') + "/" + std::string(250, 'm');
  std::filesystem::create_directories(from / ("tree/" + std::string(200, 'n')));
  std::filesystem::create_directories(from / "tree/empty");
  from.write("tree/a", "hello");
  from.write("tree/" + odd, "odd");
  from.write("tree/" + deep, "deep");
  from.write("tree/none", "");
  from.write("tree/big", std::string(3'000'000, 'b') + "end");
  REQUIRE(::link((from / "tree/a").c_str(), (from / "tree/zz").c_str()) == 0);
  REQUIRE(::symlink("nowhere\xFF", (from / "tree/link").c_str()) == 0);
  REQUIRE(::chmod((from / "tree/none").c_str(), 0751) == 0);
  set_time(from / "tree/a", {123456789, 987654321});
  set_time(from / "tree/link", {1'000'000'000, 500});
  set_time(from / "tree/empty", {86400, 1});
  REQUIRE(::chmod((from / "tree/empty").c_str(), 0500) == 0);
  set_time(from / "tree", {77, 7});

  const auto copied = copy(from / "tree", {to / "copy", "tree"});
  REQUIRE(copied);
  CHECK(copied->bytes == 5 + 3 + 4 + 3'000'003);
  for (const auto& each : std::filesystem::recursive_directory_iterator(from / "tree")) {
    const std::string name = each.path().string().substr((from / "tree").size());
    INFO(name);
    const struct stat before = look(each.path().string()), after = look(to / ("copy" + name));
    CHECK(before.st_mode == after.st_mode);
    CHECK(same_time(before.st_mtim, after.st_mtim));
    CHECK(before.st_nlink == after.st_nlink);
    if (S_ISREG(before.st_mode)) CHECK(from.read("tree" + name) == to.read("copy" + name));
  }
  CHECK(same_time(look(from / "tree").st_mtim, look(to / "copy").st_mtim));
  CHECK(look(to / "copy/a").st_ino == look(to / "copy/zz").st_ino);
  CHECK(std::filesystem::read_symlink(to / "copy/link") == "nowhere\xFF");
  CHECK(to.names().size() == 1 + 9);
}

TEST_CASE("holes stay holes: at the beginning, in between, at the end, and nothing but") {
  const Folder from, to;
  constexpr std::int64_t kGiB = 1 << 30;
  from.write("s", "");
  REQUIRE(::truncate((from / "s").c_str(), 5 * kGiB) == 0);
  const UniqueFd file(::open((from / "s").c_str(), O_WRONLY | O_CLOEXEC));
  const std::string words = "in between";
  REQUIRE(pwrite_all(file.get(), std::as_bytes(std::span(words)), 3 * kGiB + 5));
  from.write("hole", "");
  REQUIRE(::truncate((from / "hole").c_str(), kGiB) == 0);
  if (look(from / "s").st_blocks > 1000) return;  // a file system without holes

  for (const std::string name : {"s", "hole"}) {
    INFO(name);
    REQUIRE(copy(from / name, {to / name, name}));
    CHECK(look(to / name).st_size == look(from / name).st_size);
    CHECK(look(to / name).st_blocks <= look(from / name).st_blocks + 8);
  }
  std::string there(words.size(), '\0');
  const UniqueFd copied(::open((to / "s").c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(pread_exact(copied.get(), std::as_writable_bytes(std::span(there)), 3 * kGiB + 5));
  CHECK(there == words);
}

TEST_CASE("what is neither file, folder nor link is left out and told") {
  const Folder from, to;
  std::filesystem::create_directory(from / "tree");
  REQUIRE(::mkfifo((from / "tree/pipe").c_str(), 0600) == 0);
  from.write("tree/file", "x");
  Packed packed;
  const auto unpacked = through_pipe([&](int fd) { packed = pack(from / "tree", fd).value(); },
                                     [&](int fd) {
                                       return unpack(fd, {to.path, "tree"});
                                     });
  REQUIRE(unpacked);
  CHECK(packed.left_out == 1);
  CHECK(left_out(packed).starts_with("left out " + from.path + "/tree/pipe"));
  CHECK(to.names() == std::vector<std::string>{"tree", "tree/file"});
}

TEST_CASE("a source that is not there or no file is told apart") {
  const Folder from;
  const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  CHECK(pack(from / "none", nowhere.get()).error().code == ErrorCode::kNotFound);
  CHECK(pack("/dev/null", nowhere.get()).error().code == ErrorCode::kConflict);
  CHECK(send_file(from / "none", nowhere.get()).error().code == ErrorCode::kNotFound);
  CHECK(send_file(from.path, nowhere.get()).error().code == ErrorCode::kConflict);
}

TEST_CASE("files of the kernel's, which do not tell their length, are copied") {
  const Folder to;
  REQUIRE(copy("/proc/version", {to / "version", "version"}));
  CHECK(to.read("version").starts_with("Linux"));
}

TEST_CASE("a reader who goes away ends the packing without an error") {
  const Folder from;
  from.write("big", std::string(2'000'000, 'b'));
  ::signal(SIGPIPE, SIG_IGN);
  const bool complete = through_pipe([&](int) {}, [&](int) { return true; });
  CHECK(complete);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  ::close(ends[0]);
  const UniqueFd writing(ends[1]);
  const auto packed = pack(from / "big", writing.get());
  REQUIRE(packed);
  CHECK_FALSE(packed->complete);
}

TEST_CASE("a packing that fails does not look like a whole archive") {
  const Folder from, to;
  std::filesystem::create_directory(from / "tree");
  from.write("tree/a", std::string(100'000, 'a'));
  // Of the kernel's own, and nobody may read it: root neither.
  REQUIRE(::symlink("/proc/self/mem", (from / "mem").c_str()) == 0);
  CHECK_FALSE(copy(from / "mem", {to.path, "mem"}));
  CHECK(to.names().empty());
}

TEST_CASE("where a copy goes is the rule of cp") {
  const Folder from, to;
  std::filesystem::create_directory(from / "d");
  from.write("d/in", "in");
  from.write("f", "f");
  std::filesystem::create_directory(to / "there");

  SECTION("into a folder that is there, under its name or, without one, its contents") {
    REQUIRE(copy(from / "f", {to / "there", "f"}));
    REQUIRE(copy(from / "d", {to / "there/", "d"}));
    REQUIRE(copy(from / "d", {to / "there", ""}));
    CHECK(to.names() == std::vector<std::string>{"there", "there/d", "there/d/in", "there/f", "there/in"});
  }
  SECTION("else under the path itself") {
    REQUIRE(copy(from / "f", {to / "new", "f"}));
    REQUIRE(copy(from / "d", {to / "folder/", "d"}));
    CHECK(to.names() == std::vector<std::string>{"folder", "folder/in", "new", "there"});
  }
  SECTION("parents are made where that is wished") {
    CHECK(copy(from / "f", {to / "a/b/c", "f"}).error().code == ErrorCode::kNotFound);
    CHECK(copy(from / "f", {to / "a/", "f"}).error().code == ErrorCode::kNotFound);
    REQUIRE(copy(from / "f", {to / "a/b/c", "f", Destination::Parents::kMake}));
    REQUIRE(copy(from / "f", {to / "x/y/", "f", Destination::Parents::kMake}));
    CHECK(to.read("a/b/c") == "f");
    CHECK(to.read("x/y/f") == "f");
  }
  SECTION("through a symbolic link of the owner's") {
    to.write("real", "old");
    REQUIRE(::symlink("real", (to / "link").c_str()) == 0);
    REQUIRE(::symlink("there", (to / "into").c_str()) == 0);
    REQUIRE(copy(from / "f", {to / "link", "f"}));
    REQUIRE(copy(from / "f", {to / "into", "f"}));
    CHECK(to.read("real") == "f");
    CHECK(S_ISLNK(look(to / "link").st_mode));
    CHECK(to.read("there/f") == "f");
  }
  SECTION("and nowhere where something else is in the way") {
    to.write("file", "old");
    std::filesystem::create_directory(to / "there/f");
    std::filesystem::create_directory(to / "other");
    to.write("other/d", "old");
    CHECK(copy(from / "d", {to / "file", "d"}).error().code == ErrorCode::kConflict);
    CHECK(copy(from / "f", {to / "there", "f"}).error().code == ErrorCode::kConflict);
    CHECK(copy(from / "d", {to / "other", "d"}).error().code == ErrorCode::kConflict);
    CHECK(copy(from / "f", {"/dev/null", "f"}).error().code == ErrorCode::kConflict);
    CHECK(copy(from / "f", {to / "there", ""}).error().code == ErrorCode::kConflict);
    CHECK(to.read("file") == "old");
    CHECK(to.read("other/d") == "old");
  }
}

TEST_CASE("a tree is copied over another: files are replaced, folders stay as they are") {
  const Folder from, to;
  std::filesystem::create_directories(from / "t/sub");
  from.write("t/sub/new", "new");
  from.write("t/same", "new");
  REQUIRE(::symlink("same", (from / "t/link").c_str()) == 0);
  std::filesystem::create_directories(to / "t/sub");
  to.write("t/sub/old", "old");
  to.write("t/same", "old");
  to.write("t/link", "old");
  REQUIRE(::chmod((to / "t/sub").c_str(), 0711) == 0);
  const auto before = look(to / "t/same").st_ino;
  REQUIRE(copy(from / "t", {to.path, "t"}));
  CHECK(to.read("t/same") == "new");
  CHECK(look(to / "t/same").st_ino != before);
  CHECK(S_ISLNK(look(to / "t/link").st_mode));
  CHECK(to.read("t/sub/old") == "old");
  CHECK((look(to / "t/sub").st_mode & 0777) == 0711);
  CHECK(to.names() == std::vector<std::string>{"t", "t/link", "t/same", "t/sub", "t/sub/new", "t/sub/old"});
}

TEST_CASE("chunks are a file only with the last of them") {
  const Folder to;
  to.write("file", "old");
  std::string text(200'000, 'x');
  std::string chunks;
  const auto received = through_pipe(
      [&](int out) {
        // What comes in pieces of any size goes out as chunks.
        through_pipe([&](int fd) { static_cast<void>(write_all(fd, text)); },
                     [&](int in) { return send_chunks(in, out); })
            .value();
      },
      [&](int fd) {
        chunks = read_to_end(fd, 1 << 20).value();
        return true;
      });
  CHECK(received);
  const auto put = [&](const std::string& bytes) {
    return through_pipe([&](int fd) { static_cast<void>(write_all(fd, bytes)); },
                        [&](int fd) {
                          return receive_chunks(fd, {to / "file", ""});
                        });
  };
  for (const std::size_t cut : {std::size_t{0}, std::size_t{3}, std::size_t{70'000}, chunks.size() - 1}) {
    CHECK_FALSE(put(chunks.substr(0, cut)));
    CHECK(to.names() == std::vector<std::string>{"file"});
    CHECK(to.read("file") == "old");
  }
  CHECK_FALSE(put(std::string("\xFF\xFF\xFF\xFF", 4) + chunks));
  CHECK(put(chunks).value() == text.size());
  CHECK(to.read("file") == text);
}
