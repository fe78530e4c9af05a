// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/decompression.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "runtime/storage/archive_feed.hpp"

namespace tl::storage {
namespace {

class Decompression {
 public:
  Decompression(ByteSource source, UnpackingBudget& budget) : feed_(std::move(source)), budget_(budget) {}

  Result<std::size_t> read(std::span<std::byte> into) {
    if (state_ == State::kNew) {
      if (auto opened = open(); !opened) return opened.error();
    }
    if (state_ == State::kEnded) return std::size_t{0};
    const la_ssize_t count = archive_read_data(reader_.get(), into.data(), into.size());
    if (count < 0) return feed_.failed(reader_.get(), "archive");
    if (count == 0) return end();
    const auto bytes = static_cast<std::size_t>(count);
    if (bytes > budget_.left_bytes) {
      return Error{ErrorCode::kOutOfRange, "the archive unpacks to far more than the disk holds",
                   "ask for a larger disk with --disk_mb"};
    }
    budget_.left_bytes -= bytes;
    return bytes;
  }

 private:
  enum class State { kNew, kReading, kEnded };

  Result<void> open() {
    archive* reader = reader_.get();
    archive_read_support_format_raw(reader);
    archive_read_support_format_empty(reader);
    if (auto opened = feed_.open(reader, "archive"); !opened) return opened;
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(reader, &entry);
    if (status == ARCHIVE_EOF) {  // of the empty archive
      state_ = State::kEnded;
      return {};
    }
    if (status != ARCHIVE_OK) return feed_.failed(reader, "archive");
    state_ = State::kReading;
    return {};
  }

  Result<std::size_t> end() {
    state_ = State::kEnded;
    if (auto drained = feed_.drain(); !drained) return drained.error();
    return std::size_t{0};
  }

  ArchiveFeed feed_;
  ArchiveReader reader_ = new_archive_reader();
  UnpackingBudget& budget_;
  State state_ = State::kNew;
};

}  // namespace

ByteSource decompressed(ByteSource source, UnpackingBudget& budget) {
  auto work = std::make_shared<Decompression>(std::move(source), budget);
  return [work = std::move(work)](std::span<std::byte> into) { return work->read(into); };
}

bool looks_compressed(std::span<const std::byte> beginning) {
  using namespace std::string_view_literals;
  const std::string_view text(reinterpret_cast<const char*>(beginning.data()), beginning.size());
  constexpr std::array kMagics = {"\x1f\x8b"sv, "\x28\xb5\x2f\xfd"sv,
                                  "\xfd"
                                  "7zXZ\0"sv};
  return std::any_of(kMagics.begin(), kMagics.end(),
                     [text](std::string_view magic) { return text.starts_with(magic); });
}

}  // namespace tl::storage
