// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_reader.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "runtime/storage/ext4_condition.hpp"
#include "runtime/storage/ext4_walk.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/ext4_reader.hpp"
#include "tests/unit/storage/ext4_samples.hpp"
#include "tests/unit/storage/image_support.hpp"

using namespace tl;
using namespace tl::storage;
using tl::storage::test::TempFolder;

namespace {

struct Known {
  tl::storage::Ext4Reader::Inode inode;
  std::optional<std::string> first_name;
};

std::map<std::string, Known> all_of(tl::storage::Ext4Reader& reader) {
  std::map<std::string, Known> found;
  const auto walked = walk_ext4(reader, [&](const Ext4Met& met) -> Result<Ext4Step> {
    const bool twice =
        !found
             .emplace(met.path, Known{met.inode, met.first_name == nullptr ? std::nullopt
                                                                           : std::optional(*met.first_name)})
             .second;
    CHECK_FALSE(twice);
    return Ext4Step::kGoOn;
  });
  INFO((walked ? "" : walked.error().message));
  REQUIRE(walked);
  return found;
}

struct Sample {
  Sample() {
    test::make_sample(path);
    auto opened = tl::storage::Ext4Reader::open(path);
    REQUIRE(opened);
    reader = *std::move(opened);
  }
  TempFolder folder;
  std::filesystem::path path = folder.path() / "root?offset=1.ext4";  // a question mark means nothing
  std::unique_ptr<tl::storage::Ext4Reader> reader;
};

}  // namespace

TEST_CASE("Every kind of file is read back as it was written") {
  Sample sample;
  auto found = all_of(*sample.reader);
  const auto& file = found.at("file").inode;
  CHECK(file.attributes.mode == 06751);
  CHECK(file.attributes.uid == 70000);
  CHECK(file.attributes.gid == 4'000'000'000U);
  CHECK(file.attributes.mtime_seconds == 5'000'000'000);
  CHECK(file.attributes.mtime_nanoseconds == 123456789);
  REQUIRE(file.attributes.xattrs.size() == 2);
  CHECK(file.attributes.xattrs[0].name == "security.capability");
  CHECK(file.attributes.xattrs[1].value == "red");
  CHECK(file.names == 2);
  CHECK(std::get<Ext4File>(file.content).size_bytes == 5);
  CHECK(found.at("deep").inode.is_folder());
  CHECK(found.at("sticky").inode.attributes.mode == 01777);
  CHECK(found.at("sticky").inode.attributes.mtime_seconds == -1);
  CHECK(std::get<Ext4Symlink>(found.at("fast").inode.content).target == "somewhere");
  CHECK(std::get<Ext4Symlink>(found.at("slow").inode.content).target == std::string(3000, 'x'));
  CHECK(std::get<Ext4Special>(found.at("null").inode.content).minor == 3);
  const auto& disk = std::get<Ext4Special>(found.at("disk").inode.content);
  CHECK(disk.kind == Ext4Special::Kind::kBlockDevice);
  CHECK(disk.major == 259);
  CHECK(disk.minor == 70000);
  CHECK(std::get<Ext4Special>(found.at("fifo").inode.content).kind == Ext4Special::Kind::kFifo);
  CHECK(std::get<Ext4Special>(found.at("socket").inode.content).kind == Ext4Special::Kind::kSocket);
  CHECK(found.at("acl").inode.attributes.xattrs.front().value == test::sample_acl());
  CHECK(std::count_if(found.begin(), found.end(),
                      [](const auto& each) { return each.first.rfind("many/", 0) == 0; }) == 2000);
}

TEST_CASE("A hard link is met under the name that came first") {
  Sample sample;
  const auto found = all_of(*sample.reader);
  CHECK_FALSE(found.at("deep/same").first_name);
  CHECK(found.at("file").first_name == "deep/same");
}

TEST_CASE("A file's holes are no part of its extents, and its data are where these say") {
  Sample sample;
  const auto found = all_of(*sample.reader);
  const auto& sparse = std::get<Ext4File>(found.at("sparse").inode.content);
  CHECK(sparse.size_bytes == 100 << 20);
  REQUIRE(sparse.extents.size() == 2);
  CHECK(sparse.extents[0].logical == 256);
  CHECK(sparse.extents[0].count == 2);
  CHECK(sparse.extents[1].logical == 768);
  std::vector<std::byte> blocks(2 * sample.reader->block_bytes());
  REQUIRE(sample.reader->read(sparse.extents[0].physical, blocks));
  CHECK(std::count(blocks.begin(), blocks.end(), std::byte{'d'}) == 5000);
}

TEST_CASE("What is left out is not gone into, and is nobody's first name") {
  Sample sample;
  std::map<std::string, bool> met;
  REQUIRE(walk_ext4(*sample.reader, [&](const Ext4Met& each) -> Result<Ext4Step> {
    met[each.path] = each.first_name != nullptr;
    return each.path == "many" || each.path == "deep/same" ? Ext4Step::kLeaveOut : Ext4Step::kGoOn;
  }));
  CHECK(met.count("many") == 1);
  CHECK(met.count("many/file with a long name 0000") == 0);
  CHECK_FALSE(met.at("file"));
}

TEST_CASE("What is no file system, or is cut off, is refused in one sentence") {
  TempFolder folder;
  const auto path = folder.path() / "x";
  test::write_file(path, test::pattern(1 << 20, 7));
  const auto strange = tl::storage::Ext4Reader::open(path);
  REQUIRE_FALSE(strange);
  CHECK(strange.error().message.rfind("read the file system: ", 0) == 0);
  Sample sample;
  std::filesystem::resize_file(sample.path, 32 << 20);
  const auto cut = tl::storage::Ext4Reader::open(sample.path);
  REQUIRE_FALSE(cut);
  CHECK(cut.error().message == "the file system is damaged: it is cut off");
}

TEST_CASE("The condition of a file system is that of its superblock") {
  Sample sample;
  auto bytes = test::read_file(sample.path);
  const auto condition_with = [&](std::size_t at, std::byte value) {
    auto changed = bytes;
    changed[1024 + at] |= value;
    auto condition = Ext4Condition::of(std::span(changed).first(Ext4Condition::kBytes));
    REQUIRE(condition);
    return condition->state;
  };
  CHECK(condition_with(0, std::byte{0}) == Ext4Condition::State::kClean);
  CHECK(Ext4Condition::of(bytes)->size_bytes == test::kSampleMib << 20);
  CHECK(condition_with(0x60, std::byte{4}) == Ext4Condition::State::kUnfinished);  // needs_recovery
  CHECK(condition_with(0xe8, std::byte{9}) == Ext4Condition::State::kUnfinished);  // s_last_orphan
  CHECK(condition_with(0x3a, std::byte{2}) == Ext4Condition::State::kDamaged);     // EXT2_ERROR_FS
  CHECK_FALSE(Ext4Condition::of(test::Bytes(Ext4Condition::kBytes)));
}

TEST_CASE("Free blocks go back to the host, and the file system stays what it was") {
  Sample sample;
  // Garbage at the end, where nothing is: what a deleted file would have left.
  auto bytes = test::read_file(sample.path);
  const auto garbage = test::pattern(8 << 20, 3);
  std::copy(garbage.begin(), garbage.end(), bytes.end() - (16 << 20));
  const auto dirty = sample.folder.path() / "dirty";
  test::write_file(dirty, bytes);
  REQUIRE(punch_free_blocks(dirty));
  CHECK(test::allocated_bytes(dirty) <= 60 << 20);
  CHECK(test::read_file(dirty) == test::read_file(sample.path));
  CHECK(test::is_clean(dirty));
}
