// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::storage {

// One sparse file of a disk: everything the disk asks of its host's file system, and nothing more, so that
// the tests can put a file in its place that fails, or forgets what was not synced, at any step. Offsets and
// lengths are in bytes. One thread at a time. Errors are the host's; kHostLacks when the host has no space.
class DiskFile {
 public:
  struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };
  struct Size {
    std::uint64_t bytes = 0;      // apparent
    std::uint64_t allocated = 0;  // really used on the host
    std::uint64_t links = 0;      // folders that have the file
  };

  virtual ~DiskFile() = default;

  // Fills `into` wholly; holes read as zeroes, the end of the file is an error.
  virtual Result<void> read(std::uint64_t offset, std::span<std::byte> into) = 0;
  // Writes the pieces one after the other. After an error any part of them may have been written.
  virtual Result<void> write(std::uint64_t offset, std::span<const iovec> pieces) = 0;
  // Makes sure that a later write to the range finds space. Does nothing where the file system cannot.
  virtual Result<void> reserve(std::uint64_t offset, std::uint64_t length) = 0;
  // Gives the space of the range back; it reads as zeroes afterwards. Does nothing where the file system
  // cannot.
  virtual Result<void> punch(std::uint64_t offset, std::uint64_t length) = 0;
  // Everything done before is durable when this returns.
  virtual Result<void> sync() = 0;
  // The first part of the file at or after `offset` that may be something else than a hole.
  virtual Result<std::optional<Extent>> next_data(std::uint64_t offset) = 0;
  virtual Result<Size> size() = 0;
  // What is left to everybody on the host's file system, in bytes; nothing where that does not say.
  virtual std::optional<std::uint64_t> free_space() = 0;

 protected:
  DiskFile() = default;
  DiskFile(const DiskFile&) = delete;
  DiskFile& operator=(const DiskFile&) = delete;
};

// Whether the files of one disk wait for the host's disk: while it says no, their sync() does nothing, and a
// power failure may undo or mix up what they hold (a killed process undoes nothing). Any thread.
class SyncSwitch {
 public:
  explicit SyncSwitch(bool on) : on_(on) {}
  void turn_on() { on_ = true; }
  [[nodiscard]] bool is_on() const { return on_; }

 private:
  std::atomic<bool> on_;
};

// The real thing. `name` is for error messages. Without a switch it always syncs.
std::unique_ptr<DiskFile> make_host_file(UniqueFd fd, std::string name,
                                         std::shared_ptr<const SyncSwitch> syncs = nullptr);

}  // namespace tl::storage
