// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "tests/unit/guest/copy_support.hpp"

// Archives as only a hostile guest makes them. `out` is beside the destination: nothing may get there.

using namespace tl;
using namespace tl::guest;
using namespace tl::guest::test;

namespace {

struct Victim : Folder {
  Victim() {
    std::filesystem::create_directory(*this / "out");
    std::filesystem::create_directory(*this / "in");
    write("out/secret", "secret");
  }
  Result<Unpacked> take(Tar& tar, const std::string& to = "in/copy") {
    return unpack_bytes(tar.take(), {*this / to, "copy"});
  }
  // Nothing outside has changed, and nothing half is left.
  void check_unharmed() const {
    CHECK(read("out/secret") == "secret");
    struct stat status {};
    REQUIRE(::stat((*this / "out/secret").c_str(), &status) == 0);
    CHECK(status.st_nlink == 1);
    for (const auto& name : names()) {
      INFO(name);
      CHECK((name == "out" || name == "out/secret" || name.starts_with("in")));
      CHECK(name.find(".tl-cp-") == std::string::npos);
    }
  }
};

std::string padded(std::string data) {
  data.resize((data.size() + 511) / 512 * 512);
  return data;
}

// A header as libarchive would not write it.
std::string block(const std::string& name, char type, std::size_t size) {
  std::string head(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { head.replace(at, text.size(), text); };
  put(0, name);
  put(100, "0000755");
  std::ostringstream octal;
  octal << std::oct << size;
  put(124, octal.str());
  put(156, std::string(1, type));
  put(257, std::string("ustar\00000", 8));
  put(148, std::string(8, ' '));
  unsigned sum = 0;
  for (const char each : head) sum += static_cast<unsigned char>(each);
  std::ostringstream check;
  check << std::oct << sum;
  put(148, check.str());
  return head;
}

constexpr auto is_refused = [](const Result<Unpacked>& result) { return !result.has_value(); };

}  // namespace

TEST_CASE("a path of an archive leads nowhere but into the copy") {
  for (const std::string path : {"copy/../out/x", "../out/x", "/tmp/x", "copy/..", "copy//x", "copy/./x",
                                 "cop", "copyx", "copy/a/../../../out/x", "", "other/x", "copy/a/.."}) {
    INFO(path);
    Victim victim;
    Tar tar;
    tar.folder("copy");
    tar.file(path, "evil");
    CHECK(is_refused(victim.take(tar)));
    victim.check_unharmed();
  }
}

TEST_CASE("nothing is written through a symbolic link of the archive's") {
  Victim victim;
  SECTION("a file through a link to a folder") {
    Tar tar;
    tar.folder("copy").link("copy/l", victim / "out").file("copy/l/x", "evil");
    CHECK(is_refused(victim.take(tar)));
  }
  SECTION("a file in place of a link to a file") {
    Tar tar;
    tar.folder("copy").link("copy/l", victim / "out/secret").file("copy/l", "evil");
    CHECK(victim.take(tar));
    CHECK(victim.read("in/copy/l") == "evil");
  }
  SECTION("a folder in place of a link") {
    Tar tar;
    tar.folder("copy").link("copy/l", victim / "out").folder("copy/l").file("copy/l/x", "evil");
    CHECK(is_refused(victim.take(tar)));
  }
  SECTION("a chain of relative links") {
    Tar tar;
    tar.folder("copy").link("copy/a", "..").link("copy/b", "a/../out").file("copy/b/x", "evil");
    CHECK(is_refused(victim.take(tar)));
  }
  SECTION("the copy itself as a link") {
    Tar tar;
    tar.link("copy", victim / "out");
    CHECK(is_refused(victim.take(tar)));
  }
  SECTION("a link that was there before") {
    std::filesystem::create_directory(victim / "in/copy");
    REQUIRE(::symlink((victim / "out").c_str(), (victim / "in/copy/l").c_str()) == 0);
    Tar tar;
    tar.folder("copy").file("copy/l/x", "evil");
    CHECK(is_refused(victim.take(tar, "in")));
  }
  victim.check_unharmed();
}

TEST_CASE("a hard link leads to a file of the copy and to nothing else") {
  for (const std::string target :
       {"copy/../../out/secret", "copy/l/secret", "copy/d", "copy", "copy/none", "copy/f"}) {
    INFO(target);
    Victim victim;
    if (target == "copy/f")
      REQUIRE(::symlink((victim / "out/secret").c_str(), (victim / "in/f").c_str()) == 0);
    Tar tar;
    tar.folder("copy").folder("copy/d").link("copy/l", victim / "out").link("copy/f", victim / "out/secret");
    tar.hard_link("copy/h", target);
    CHECK(is_refused(victim.take(tar)));
    victim.check_unharmed();
  }
  Victim victim;
  Tar tar;
  tar.hard_link("copy", victim / "out/secret");
  CHECK(is_refused(victim.take(tar)));
  victim.check_unharmed();
}

TEST_CASE("devices, pipes and sockets are not made") {
  for (const unsigned type : {AE_IFCHR, AE_IFBLK, AE_IFIFO}) {
    Victim victim;
    Tar tar;
    tar.folder("copy").add("copy/x", type);
    CHECK(is_refused(victim.take(tar)));
    victim.check_unharmed();
    CHECK(victim.names() == std::vector<std::string>{"in", "in/copy", "out", "out/secret"});
  }
}

TEST_CASE("set-ID and sticky bits are dropped") {
  Victim victim;
  Tar tar;
  const auto all = [](archive_entry* entry) { archive_entry_set_perm(entry, 07777); };
  tar.add("copy", AE_IFDIR, "", all).add("copy/x", AE_IFREG, "x", all);
  REQUIRE(victim.take(tar));
  for (const std::string name : {"in/copy", "in/copy/x"}) {
    struct stat status {};
    REQUIRE(::stat((victim / name).c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0777);
  }
}

TEST_CASE("an archive that ends early, anywhere, is no success and leaves no half file") {
  Tar tar;
  tar.folder("copy").file("copy/first", std::string(3000, '1')).file("copy/second", std::string(5000, '2'));
  const std::string bytes = tar.take();
  for (std::size_t length = 0; length < bytes.size() - 1024; length += 256) {
    INFO(length);
    Victim victim;
    std::filesystem::create_directory(victim / "in/copy");
    victim.write("in/copy/second", "old");
    CHECK(is_refused(unpack_bytes(bytes.substr(0, length), {victim / "in", "copy"})));
    CHECK(victim.read("in/copy/second") == "old");
    const std::string first = victim.read("in/copy/first");
    CHECK((first.empty() || first == std::string(3000, '1')));
    victim.check_unharmed();
  }
}

TEST_CASE("bytes that are no archive, and flipped ones, are an error at most") {
  Victim victim;
  CHECK(is_refused(unpack_bytes("", {victim / "in/x", "x"})));
  CHECK(is_refused(unpack_bytes(std::string(100'000, '\0'), {victim / "in/x", "x"})));
  CHECK(is_refused(unpack_bytes(std::string(100'000, 'x'), {victim / "in/x", "x"})));
  Tar tar;
  tar.folder("copy").file("copy/" + std::string(150, 'n'), "contents").link("copy/l", std::string(200, 't'));
  const std::string bytes = tar.take();
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x55);
    static_cast<void>(unpack_bytes(flipped, {victim / "in", "copy"}));
    victim.check_unharmed();
  }
}

TEST_CASE("huge sizes and endless headers cost neither memory nor disk") {
  Victim victim;
  SECTION("a file of 2^62 bytes that is all hole, or does not come") {
    Tar tar;
    tar.folder("copy").add("copy/x", AE_IFREG, "", [](archive_entry* entry) {
      archive_entry_set_size(entry, std::int64_t{1} << 62);
      archive_entry_sparse_add_entry(entry, 0, 0);
    });
    CHECK(is_refused(victim.take(tar)));
  }
  SECTION("a list of holes without an end") {
    // A GNU sparse map, version 1.0, is numbers in front of the contents.
    const std::string attributes =
        "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n31 GNU.sparse.name=copy/sparse\n"
        "29 GNU.sparse.realsize=99999\n";
    std::string map = "9000000\n";
    while (map.size() < 3 * kMaxHeader) map += "1\n";
    const std::string bytes = block("copy", '5', 0) + block("x", 'x', attributes.size()) +
                              padded(attributes) + block("copy/x", '0', map.size()) + padded(map) +
                              std::string(1024, '\0');
    const auto unpacked = unpack_bytes(bytes, {victim / "in/copy", "copy"});
    REQUIRE_FALSE(unpacked);
    INFO(unpacked.error().message);
    CHECK(unpacked.error().message.find("header is too long") != std::string::npos);
  }
  victim.check_unharmed();
}

TEST_CASE("a root that is a file is nobody's folder, and comes once") {
  Victim victim;
  Tar tar;
  tar.file("copy", "x").file("copy/y", "y");
  CHECK(is_refused(victim.take(tar)));
  Tar twice;
  twice.folder("copy").folder("copy");
  CHECK(is_refused(victim.take(twice)));
  victim.check_unharmed();
}
