// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <asio/posix/stream_descriptor.hpp>
#include <nghttp2/nghttp2.h>

#include "common/async_event.hpp"
#include "common/http2/session.hpp"
#include "common/http2/stream.hpp"

// What session.cpp and stream.cpp share; nobody else includes it.
namespace tl::http2 {

// A queue of bytes that are appended in pieces and taken from the front.
class ByteQueue {
 public:
  [[nodiscard]] std::size_t size() const { return bytes_.size() - begin_; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  void append(std::span<const std::byte> bytes);
  // Moves at most into.size() bytes out; returns how many.
  std::size_t take(std::span<std::byte> into);
  // Moves `count` bytes, which are there, to the end of `into`.
  void move_to(std::vector<std::byte>& into, std::size_t count);
  void clear();

 private:
  void drop(std::size_t count);

  std::vector<std::byte> bytes_;
  std::size_t begin_ = 0;
};

// The connection's side of a stream. Held by the session while nghttp2 knows the stream and by the Stream
// that people hold.
struct Stream::Core {
  Core(const asio::any_io_executor& executor, Session::Impl* owner)
      : session(owner), readable(executor), writable(executor), over(executor) {}

  Session::Impl* session;  // null once the stream is over
  std::int32_t id = -1;
  std::string method;
  std::string path;
  int status = 0;  // response status; 0 until known

  ByteQueue incoming;
  bool peer_finished = false;
  ByteQueue outgoing;
  bool we_finished = false;  // finish() was called
  bool finish_sent = false;
  bool keeps_open = false;  // keep_open() was called
  bool responded = false;
  bool abandoned = false;  // nobody holds the Stream any more
  bool ended = false;
  bool broken = false;

  AsyncEvent readable;
  AsyncEvent writable;
  AsyncEvent over;

  void end(bool was_broken);
};

struct Session::Impl {
  Impl(const asio::any_io_executor& executor_of, Role role_of, Acceptor acceptor_of);
  ~Impl();

  asio::any_io_executor executor;
  asio::posix::stream_descriptor descriptor;
  Role role;
  Acceptor acceptor;
  nghttp2_session* h2 = nullptr;
  std::map<std::int32_t, std::shared_ptr<Stream::Core>> streams;
  AsyncEvent wake_writer;
  std::vector<std::byte> to_send;
  bool closed = false;
  Result<void> outcome;

  std::shared_ptr<Stream::Core> find(std::int32_t id);
  // Something is to be sent.
  void wake() { wake_writer.notify_all(); }
  // Ends the connection and every stream; the first outcome stays.
  void end(Result<void> why);
  // Puts what there is to send into `to_send`, at most about one write's worth.
  Result<void> gather();
  // Server: a complete response ends the exchange even when the client has more to say (RFC 9113 §8.1).
  void end_exchange(const Stream::Core& core);
  // Hands received bytes to nghttp2.
  Result<void> take(std::span<const std::byte> bytes);
};

// Reads queued bytes of the stream `source->ptr` for nghttp2.
nghttp2_data_provider body_of(Stream::Core& core);
// A header field whose name and value outlive the call that uses it.
nghttp2_nv field(const char* name, const std::string& value);

}  // namespace tl::http2
