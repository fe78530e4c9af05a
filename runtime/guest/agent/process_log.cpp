// SPDX-License-Identifier: Apache-2.0
#include "runtime/guest/agent/process_log.hpp"

#include <algorithm>
#include <utility>

namespace tl::guest {
namespace {

// Of a piece beside its bytes: a program that writes single letters must not cost more than others.
constexpr std::size_t kPieceCost = sizeof(LogPiece) + 32;

}  // namespace

std::size_t ProcessLog::cost_of(const LogPiece& piece) {
  return piece.bytes.size() + kPieceCost;
}

void ProcessLog::append(LogPiece::Stream stream, std::span<const std::byte> bytes,
                        std::chrono::nanoseconds now) {
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kMaxLogPiece));
    bytes = bytes.subspan(part.size());
    pieces_.push_back({stream, now, {reinterpret_cast<const char*>(part.data()), part.size()}});
    cost_ += cost_of(pieces_.back());
  }
  while (cost_ > capacity_ && pieces_.size() > 1) {
    cost_ -= cost_of(pieces_.front());
    pieces_.pop_front();
    ++first_;
  }
  changed_.notify_all();
}

void ProcessLog::close() {
  closed_ = true;
  changed_.notify_all();
}

void ProcessLog::forget() {
  first_ += pieces_.size();
  std::exchange(pieces_, {}).clear();
  cost_ = 0;
}

ProcessLog::Place ProcessLog::last_lines(std::uint64_t lines) const {
  bool at_end = true;  // the newline there ends the last line and does not begin another
  std::uint64_t found = 0;
  if (lines == 0) return {first_ + pieces_.size(), 0};
  for (std::size_t i = pieces_.size(); i-- > 0;) {
    const std::string& bytes = pieces_[i].bytes;
    for (std::size_t at = bytes.size(); at-- > 0;) {
      const bool newline = bytes[at] == '\n';
      if (newline && !at_end && ++found == lines) return {first_ + i, at + 1};
      at_end = false;
    }
  }
  return begin();
}

std::optional<LogPiece> ProcessLog::next(Place& place) const {
  if (place.piece < first_) place = begin();
  while (place.piece - first_ < pieces_.size()) {
    LogPiece piece = pieces_[place.piece - first_];
    const std::size_t offset = std::min(place.offset, piece.bytes.size());
    place = {place.piece + 1, 0};
    piece.bytes.erase(0, offset);
    if (!piece.bytes.empty()) return piece;
  }
  return std::nullopt;
}

asio::awaitable<void> ProcessLog::wait_changed() {
  co_await changed_.wait();
}

}  // namespace tl::guest
