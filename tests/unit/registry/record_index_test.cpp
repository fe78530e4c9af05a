// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/record_index.hpp"

#include <fcntl.h>

#include "common/io.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/registry/registry_support.hpp"

namespace tl::registry {
namespace {

const FileStamp kOld{42, 1'000'000'000, 700};
const FileStamp kOther{43, 2'000'000'000, 500};

TEST_CASE("the index gives back whole records, for the stamp they had and no other") {
  TempFolder temp;
  const auto fd = open_at(AT_FDCWD, temp.path().string(), O_RDONLY | O_DIRECTORY);
  REQUIRE(fd);
  const SandboxRecord full = full_record();
  SandboxRecord bare = draft();
  bare.sandbox_id = "000000000000000000000";
  RecordIndex::save(fd->get(), {kOld, kOther}, {full, bare});
  const RecordIndex index = RecordIndex::load(fd->get());
  CHECK(index.find(full.sandbox_id, kOld) == full);
  CHECK(index.find(bare.sandbox_id, kOther) == bare);
  CHECK_FALSE(index.find("111111111111111111111", kOld));
  for (const FileStamp& other : {kOther, FileStamp{42, 1, kOld.size}, FileStamp{42, kOld.changed_ns, 701}}) {
    CHECK_FALSE(index.find(full.sandbox_id, other));
  }
}

TEST_CASE("a document that changed just now is not indexed") {
  TempFolder temp;
  const auto fd = open_at(AT_FDCWD, temp.path().string(), O_RDONLY | O_DIRECTORY);
  REQUIRE(fd);
  // An hour ahead, so that no machine is too slow for it.
  const auto present = (std::chrono::system_clock::now() + std::chrono::hours(1)).time_since_epoch();
  FileStamp fresh = kOld;
  fresh.changed_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(present).count();
  RecordIndex::save(fd->get(), {fresh}, {full_record()});
  CHECK_FALSE(RecordIndex::load(fd->get()).find(full_record().sandbox_id, fresh));
}

TEST_CASE("an index with any bit changed or any byte missing is empty") {
  TempFolder temp;
  const auto fd = open_at(AT_FDCWD, temp.path().string(), O_RDONLY | O_DIRECTORY);
  REQUIRE(fd);
  const SandboxRecord full = full_record();
  CHECK_FALSE(RecordIndex::load(fd->get()).find(full.sandbox_id, kOld));
  RecordIndex::save(fd->get(), {kOld}, {full});
  const auto file = temp.path() / ".index";
  const std::string good = read_text(file);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    write_text(file, flipped);
    REQUIRE_FALSE(RecordIndex::load(fd->get()).find(full.sandbox_id, kOld));
  }
  for (std::size_t length = 0; length < good.size(); ++length) {
    write_text(file, good.substr(0, length));
    REQUIRE_FALSE(RecordIndex::load(fd->get()).find(full.sandbox_id, kOld));
  }
  write_text(file, good);
  CHECK(RecordIndex::load(fd->get()).find(full.sandbox_id, kOld) == full);
}

}  // namespace
}  // namespace tl::registry
