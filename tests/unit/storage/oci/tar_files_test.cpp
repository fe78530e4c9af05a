// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/tar_files.hpp"

#include <fcntl.h>

#include <fstream>

#include "common/io.hpp"
#include "runtime/storage/oci/digest.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/image_support.hpp"

using namespace tl;
using namespace tl::storage;
using namespace tl::storage::oci;
using namespace tl::storage::test;

namespace {

struct Archive {
  TempFolder folder;
  Result<std::unique_ptr<TarFiles>> files = Error{};

  explicit Archive(const std::string& bytes) {
    const auto path = folder.path() / "a.tar";
    std::ofstream(path, std::ios::binary) << bytes;
    files = TarFiles::open(UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  }
  [[nodiscard]] std::string contents(const std::string& path) const {
    const auto file = (*files)->open(path);
    if (!file) return file.error().message;
    const auto text = read_all(file->source, 1 << 20, path);
    return text ? *text : text.error().message;
  }
};

}  // namespace

TEST_CASE("Members are read in place, in any order, two at a time") {
  TarMaker maker;
  maker.file("./first", "1");
  maker.file(std::string(150, 'l') + "/" + std::string(150, 'n'), std::string(100'000, 'x'));
  maker.file("last", "3");
  const Archive archive(maker.finish());
  REQUIRE(archive.files);
  CHECK(archive.contents("last") == "3");
  CHECK(archive.contents("first") == "1");
  CHECK(archive.contents(std::string(150, 'l') + "/" + std::string(150, 'n')) == std::string(100'000, 'x'));
  const auto one = (*archive.files)->open("first");
  const auto other = (*archive.files)->open("last");
  CHECK(*read_all(one->source, 10, "") == "1");
  CHECK(*read_all(other->source, 10, "") == "3");
}

TEST_CASE("Links of old docker save archives lead to another member, and nowhere else") {
  TarMaker maker;
  maker.file("a/layer.tar", "the layer");
  maker.symlink("b/layer.tar", "../a/layer.tar");
  maker.symlink("c/layer.tar", "../b/layer.tar");
  maker.hard_link("d/layer.tar", "a/layer.tar");
  maker.symlink("out", "../../etc/passwd");
  maker.symlink("absolute", "/etc/passwd");
  maker.symlink("x", "y");
  maker.symlink("y", "x");
  maker.folder("folder");
  const Archive archive(maker.finish());
  REQUIRE(archive.files);
  for (const std::string name : {"b", "c", "d"}) CHECK(archive.contents(name + "/layer.tar") == "the layer");
  for (const char* name : {"out", "absolute", "x", "folder", "..", "../a/layer.tar", ""})
    CHECK_FALSE((*archive.files)->open(name));
}

TEST_CASE("The last of several members of one name counts") {
  TarMaker maker;
  maker.file("f", "old");
  maker.file("./f", "new");
  CHECK(Archive(maker.finish()).contents("f") == "new");
}

TEST_CASE("An archive that is cut off has no member that is more than it has") {
  TarMaker maker;
  maker.file("f", std::string(100'000, 'x'));
  const std::string whole = maker.finish();
  const Archive archive(whole.substr(0, 50'000));
  if (archive.files) {
    const auto file = (*archive.files)->open("f");
    if (file) CHECK_FALSE(read_all(file->source, 1 << 20, "f"));
  }
  CHECK_FALSE(Archive("no tar at all, only text that goes on for a while").files);
}
