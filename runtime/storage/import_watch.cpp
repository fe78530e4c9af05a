// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/import_watch.hpp"

#include <chrono>
#include <memory>
#include <utility>

#include <fmt/format.h>

namespace tl::storage {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kBetweenLines{200};

struct Reading {
  ByteSource source;
  const ImportWatch& watch;
  std::string what;
  std::uint64_t total_bytes;
  std::uint64_t bytes = 0;
  Clock::time_point next = Clock::now() + kBetweenLines;

  Result<std::size_t> read(std::span<std::byte> into) {
    if (auto wanted = watch.check(); !wanted) return wanted.error();
    auto count = source(into);
    if (!count) return count;
    bytes += *count;
    if (watch.progress && Clock::now() >= next) {
      next = Clock::now() + kBetweenLines;
      watch.tell(total_bytes == 0 ? fmt::format("{}, {} MiB", what, bytes >> 20)
                                  : fmt::format("{}, {} of {} MiB", what, bytes >> 20, total_bytes >> 20));
    }
    return count;
  }
};

}  // namespace

Result<void> ImportWatch::check() const {
  if (cancelled && cancelled()) return Error{ErrorCode::kFailure, "interrupted", ""};
  return {};
}

ByteSource watched(ByteSource source, const ImportWatch& watch, std::string what, std::uint64_t total_bytes) {
  auto reading = std::make_shared<Reading>(Reading{std::move(source), watch, std::move(what), total_bytes});
  return [reading = std::move(reading)](std::span<std::byte> into) { return reading->read(into); };
}

}  // namespace tl::storage
