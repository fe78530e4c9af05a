// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/digest.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/printable.hpp"
#include "common/sha256.hpp"
#include "runtime/storage/image_manifest.hpp"

namespace tl::storage::oci {
namespace {

constexpr std::string_view kPrefix = "sha256:";
constexpr std::size_t kMaxShown = 80;
constexpr std::size_t kReadBytes = std::size_t{64} << 10;

Error refused(std::string message) {
  return Error{ErrorCode::kOutOfRange, std::move(message), ""};
}

class Verification {
 public:
  Verification(ByteSource source, std::string digest, std::optional<std::uint64_t> size, std::string what)
      : source_(std::move(source)), digest_(std::move(digest)), size_(size), what_(std::move(what)) {}

  Result<std::size_t> read(std::span<std::byte> into) {
    if (ended_) return std::size_t{0};
    const auto count = source_(into);
    if (!count) return count;
    if (*count == 0) return end();
    count_ += *count;
    if (size_ && count_ > *size_) return wrong_size("more");
    sha_.update(into.first(*count));
    return count;
  }

 private:
  Result<std::size_t> end() {
    ended_ = true;
    if (size_ && count_ < *size_) return wrong_size("less");
    const std::string found = sha_.finish();
    if (found == digits_of(digest_)) return std::size_t{0};
    return refused(fmt::format("{} is not what its digest says: {} was promised, sha256:{} came", what_,
                               digest_, found));
  }
  [[nodiscard]] Error wrong_size(std::string_view how) const {
    return refused(fmt::format("{} has {} bytes than the {} that were promised", what_, how, *size_));
  }

  ByteSource source_;
  std::string digest_;
  std::optional<std::uint64_t> size_;
  std::string what_;
  std::uint64_t count_ = 0;
  Sha256 sha_;
  bool ended_ = false;
};

ByteSource source_of(std::shared_ptr<Verification> work) {
  return [work = std::move(work)](std::span<std::byte> into) { return work->read(into); };
}

}  // namespace

Result<void> check_digest(std::string_view digest, std::string_view of) {
  if (is_image_digest(digest)) return {};
  const std::string shown = make_printable(digest, kMaxShown);
  const std::size_t colon = digest.find(':');
  if (colon != std::string_view::npos && colon > 0 && digest.substr(0, colon + 1) != kPrefix) {
    return refused(fmt::format("{} has a digest of the kind \"{}\", which tl does not know", of,
                               make_printable(digest.substr(0, colon), kMaxShown)));
  }
  return refused(fmt::format("{} has a malformed digest: \"{}\"", of, shown));
}

std::string_view digits_of(std::string_view digest) {
  return digest.substr(std::min(kPrefix.size(), digest.size()));
}

ByteSource verified(ByteSource source, std::string digest, std::string what) {
  return source_of(
      std::make_shared<Verification>(std::move(source), std::move(digest), std::nullopt, std::move(what)));
}

ByteSource verified(ByteSource source, std::string digest, std::uint64_t size_bytes, std::string what) {
  return source_of(
      std::make_shared<Verification>(std::move(source), std::move(digest), size_bytes, std::move(what)));
}

Result<std::string> read_all(const ByteSource& source, std::size_t limit, std::string_view what) {
  std::string text;
  std::string piece(kReadBytes, '\0');
  for (;;) {
    const auto count = source(std::as_writable_bytes(std::span(piece)));
    if (!count) return count.error();
    if (*count == 0) return text;
    if (*count > limit - text.size())
      return refused(fmt::format("{} is longer than {} KiB", what, limit >> 10));
    text.append(piece, 0, *count);
  }
}

}  // namespace tl::storage::oci
