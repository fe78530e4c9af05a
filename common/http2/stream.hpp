// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <asio/awaitable.hpp>

#include "common/result.hpp"

namespace tl::http2 {

// Receive window of a stream, in bytes: the most that is ever buffered for a reader that does not read.
inline constexpr std::uint32_t kStreamWindow = 256 * 1024;
// The most that write() lets queue up before it waits for the peer, in bytes.
inline constexpr std::size_t kWriteQueue = 64 * 1024;

// RFC 9113 §7, as sent in RST_STREAM.
enum class Reset : std::uint32_t { kNoError = 0, kInternal = 2, kRefused = 7, kCancel = 8 };

// One request and its response: two independent byte streams with flow control. One reader and one writer
// coroutine at a time. Dropping the last shared_ptr of a stream that has not ended in both directions resets
// it (kCancel).
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  ~Stream();

  // Server: what was asked for. Client: what it asked for.
  [[nodiscard]] const std::string& method() const;
  [[nodiscard]] const std::string& path() const;

  // Client: waits for the response head. The status is an HTTP status (100–599).
  asio::awaitable<Result<int>> status();
  // Server: queues the response head; once, before any write().
  void respond(int status);

  // Waits for at least one byte of the peer's and takes at most into.size(); 0 is the end of the peer's
  // direction. Taking bytes is what opens the peer's window.
  asio::awaitable<Result<std::size_t>> read_some(std::span<std::byte> into);

  // Queues a copy of `bytes`; waits while more than kWriteQueue bytes are queued. An error means that the
  // stream has ended.
  asio::awaitable<Result<void>> write(std::span<const std::byte> bytes);
  // The same without waiting, for small messages whose number is bounded by the caller.
  void write_now(std::span<const std::byte> bytes);
  // No more bytes in our direction; what is queued is still sent. A server's end of the response is that of
  // the whole exchange, unless it has called keep_open() before: then for as long as it holds the stream the
  // client's direction goes on.
  void finish();
  void keep_open();

  // Ends both directions at once; the peer's calls fail. Idempotent.
  void reset(Reset code);
  // True once the stream is over: reset by either side, connection lost, or both directions finished and
  // sent.
  [[nodiscard]] bool ended() const;
  // True when it ended by a reset or a lost connection.
  [[nodiscard]] bool broken() const;
  // Waits until broken() or ended().
  asio::awaitable<void> wait_ended();

  struct Core;
  explicit Stream(std::shared_ptr<Core> core);

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace tl::http2
