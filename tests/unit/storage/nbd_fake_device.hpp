// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "common/block_device.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {

// A disk in memory that checks what every BlockDevice may rely on, notes what it is asked for, and fails on
// demand. Touch it only while no server has a request of it.
class FakeDevice final : public BlockDevice {
 public:
  explicit FakeDevice(std::uint64_t size) : contents_(size) {}

  [[nodiscard]] std::uint64_t size_bytes() const override { return contents_.size(); }
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    if (auto refused = note("read", offset, into.size()); !refused) return refused;
    std::copy_n(at(offset), into.size(), into.begin());
    return {};
  }
  Result<void> write(std::uint64_t offset, std::span<const std::byte> from) override {
    if (auto refused = note("write", offset, from.size()); !refused) return refused;
    std::copy(from.begin(), from.end(), at(offset));
    return {};
  }
  Result<void> write_zeroes(std::uint64_t offset, std::uint64_t length) override {
    if (auto refused = note("zero", offset, length); !refused) return refused;
    std::fill_n(at(offset), length, std::byte{0});
    return {};
  }
  Result<void> discard(std::uint64_t offset, std::uint64_t length) override {
    if (auto refused = note("discard", offset, length); !refused) return refused;
    std::fill_n(at(offset), length, std::byte{0});
    return {};
  }
  Result<void> flush() override { return note("flush", 0, 0); }

  // The request after the next `after` ones fails with this.
  void fail(ErrorCode code, int after = 0) {
    failure_ = Error{code, "made to fail", ""};
    fail_after_ = after;
  }
  [[nodiscard]] const std::vector<std::string>& calls() const { return calls_; }
  [[nodiscard]] Bytes& contents() { return contents_; }

 private:
  Bytes::iterator at(std::uint64_t offset) { return contents_.begin() + static_cast<std::ptrdiff_t>(offset); }
  Result<void> note(const char* what, std::uint64_t offset, std::uint64_t length) {
    TL_CHECK(offset % kSectorBytes == 0 && length % kSectorBytes == 0);
    TL_CHECK(offset <= contents_.size() && length <= contents_.size() - offset);
    calls_.emplace_back(what);
    if (failure_ && fail_after_-- == 0) {
      const Error error = *failure_;
      failure_.reset();
      return error;
    }
    return {};
  }

  Bytes contents_;
  std::vector<std::string> calls_;
  std::optional<Error> failure_;
  int fail_after_ = 0;
};

}  // namespace tl::storage::test
