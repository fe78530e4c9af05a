// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/result.hpp"

namespace tl::storage {

// What the superblock of an ext4 file system says of the whole. It may be anybody's: the numbers are what it
// claims.
struct Ext4Condition {
  enum class State {
    kClean,       // as after unmounting, or frozen with no file open that has no name any more
    kUnfinished,  // its journal, or its list of such files, is for the next mount to deal with
    kDamaged,     // the kernel has found errors in it
  };
  static constexpr std::size_t kBytes = 4096;  // of the beginning of the disk are needed

  State state = State::kClean;
  std::uint64_t size_bytes = 0;

  // kFailure when that is not the beginning of an ext4 file system.
  static Result<Ext4Condition> of(std::span<const std::byte> beginning);
};

// Gives the host the space back of what the file system on `path`, which is clean, has free. Nothing else
// changes. Errors of a damaged file system: kFailure.
Result<void> punch_free_blocks(const std::string& path);

}  // namespace tl::storage
