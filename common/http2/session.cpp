// SPDX-License-Identifier: Apache-2.0
#include "common/http2/session.hpp"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "common/http2/core.hpp"

// How it fits together: run() is the reader; it hands bytes to nghttp2, whose callbacks (below) fill the
// streams' queues and wake their readers. write_loop() asks nghttp2 what to send, which in turn takes bytes
// from the streams' outgoing queues (read_body), and sleeps when there is nothing. Windows: the connection's
// is opened as soon as bytes arrive, because each stream is bounded on its own; a stream's is opened when its
// reader takes the bytes. So a reader that stalls costs at most kStreamWindow of memory and holds up nobody
// else.
namespace tl::http2 {
namespace {

constexpr std::size_t kChunk = 64 * 1024;
constexpr std::int32_t kConnectionWindow = 1 << 30;
constexpr std::uint32_t kMaxStreams = 2048;
constexpr std::size_t kMaxFieldBytes = 4096;
// Longer frames than HTTP/2's default of 16 KiB: the peer may be an emulated processor, which pays for each.
constexpr std::uint32_t kFrameBytes = 64 * 1024;
constexpr std::size_t kFrameHeadBytes = 9;

Session::Impl& impl_of(void* user_data) {
  return *static_cast<Session::Impl*>(user_data);
}

Error nghttp2_failure(int code) {
  return Error{ErrorCode::kFailure, std::string("http2: ") + nghttp2_strerror(code), ""};
}

Error violation() {
  return Error{ErrorCode::kFailure, "http2: the peer violated the protocol", ""};
}

ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t*, std::size_t length, std::uint32_t* flags,
                  nghttp2_data_source*, void* user_data) {
  const auto core = impl_of(user_data).find(id);
  if (!core) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::size_t n = std::min(length, core->outgoing.size());
  const bool last = core->we_finished && n == core->outgoing.size();
  if (n == 0 && !last) return NGHTTP2_ERR_DEFERRED;
  if (last) *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (n > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;  // send_body takes the bytes
  return static_cast<ssize_t>(n);
}

// Takes what read_body promised, straight into what is about to be written.
int send_body(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head, std::size_t length,
              nghttp2_data_source*, void* user_data) {
  Session::Impl& impl = impl_of(user_data);
  const auto core = impl.find(frame->hd.stream_id);
  if (!core || core->outgoing.size() < length) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const auto* const begin = reinterpret_cast<const std::byte*>(head);
  impl.to_send.insert(impl.to_send.end(), begin, begin + kFrameHeadBytes);
  core->outgoing.move_to(impl.to_send, length);
  if (core->outgoing.size() <= kWriteQueue) core->writable.notify_all();
  return 0;
}

ssize_t frame_length(nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t session_window,
                     std::int32_t stream_window, std::uint32_t peer_limit, void*) {
  return std::min<std::int64_t>({session_window, stream_window, peer_limit, kFrameBytes});
}

int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  Session::Impl& impl = impl_of(user_data);
  if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  auto core = std::make_shared<Stream::Core>(impl.executor, &impl);
  core->id = frame->hd.stream_id;
  impl.streams.emplace(core->id, std::move(core));
  return 0;
}

int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_length,
              const std::uint8_t* value, std::size_t value_length, std::uint8_t, void* user_data) {
  const auto core = impl_of(user_data).find(frame->hd.stream_id);
  if (!core) return 0;
  if (value_length > kMaxFieldBytes) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::string_view key(reinterpret_cast<const char*>(name), name_length);
  const std::string_view text(reinterpret_cast<const char*>(value), value_length);
  if (key == ":method") core->method = text;
  if (key == ":path") core->path = text;
  if (key == ":status") std::from_chars(text.data(), text.data() + text.size(), core->status);
  return 0;
}

int on_frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  Session::Impl& impl = impl_of(user_data);
  if (frame->hd.type == NGHTTP2_GOAWAY) {
    impl.end(Error{ErrorCode::kFailure, "the peer ended the connection", ""});
    return 0;
  }
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  const auto core = impl.find(frame->hd.stream_id);
  if (!core) return 0;
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) core->peer_finished = true;
  core->readable.notify_all();
  if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST && impl.acceptor) {
    impl.acceptor(std::make_shared<Stream>(core));
  }
  return 0;
}

int on_data(nghttp2_session* h2, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t length,
            void* user_data) {
  nghttp2_session_consume_connection(h2, length);
  const auto core = impl_of(user_data).find(id);
  if (!core || core->ended || core->abandoned) {
    nghttp2_session_consume_stream(h2, id, length);
    return 0;
  }
  core->incoming.append(std::as_bytes(std::span(data, length)));
  core->readable.notify_all();
  return 0;
}

int on_frame_send(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  if (frame->hd.type != NGHTTP2_DATA || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  Session::Impl& impl = impl_of(user_data);
  const auto core = impl.find(frame->hd.stream_id);
  if (!core) return 0;
  core->finish_sent = true;
  if (!core->keeps_open || core->abandoned) impl.end_exchange(*core);
  return 0;
}

int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user_data) {
  Session::Impl& impl = impl_of(user_data);
  const auto core = impl.find(id);
  if (!core) return 0;
  impl.streams.erase(id);
  core->end(/*was_broken=*/code != NGHTTP2_NO_ERROR);
  return 0;
}

nghttp2_session* make_session(Session::Role role, Session::Impl* impl) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* options = nullptr;
  TL_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  TL_CHECK(nghttp2_option_new(&options) == 0);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, send_body);
  nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, frame_length);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_peer_max_concurrent_streams(options, kMaxStreams);
  nghttp2_session* h2 = nullptr;
  const int made = role == Session::Role::kServer
                       ? nghttp2_session_server_new2(&h2, callbacks, impl, options)
                       : nghttp2_session_client_new2(&h2, callbacks, impl, options);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);
  TL_CHECK(made == 0);
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
                                             {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kMaxStreams},
                                             {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kFrameBytes},
                                             {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  // A server must not send ENABLE_PUSH other than 0, and need not send it at all.
  const std::size_t count = role == Session::Role::kServer ? 3 : 4;
  TL_CHECK(nghttp2_submit_settings(h2, NGHTTP2_FLAG_NONE, settings, count) == 0);
  TL_CHECK(nghttp2_session_set_local_window_size(h2, NGHTTP2_FLAG_NONE, 0, kConnectionWindow) == 0);
  return h2;
}

// Not asio's own reading and writing: those take a short read or write for a sign that there is no more, and
// wait for the next change. A virtio port gives one buffer at a time and takes 32 KiB, and the change may
// have been before. A wait looks at the descriptor first.
asio::awaitable<void> wait_for(asio::posix::stream_descriptor& descriptor,
                               asio::posix::stream_descriptor::wait_type what) {
  asio::error_code ignored;  // the next call tells
  co_await descriptor.async_wait(what, asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<Result<std::size_t>> receive(asio::posix::stream_descriptor& descriptor,
                                             std::span<std::byte> into) {
  for (;;) {
    const ssize_t n = ::read(descriptor.native_handle(), into.data(), into.size());
    if (n > 0) co_return static_cast<std::size_t>(n);
    if (n == 0) co_return Error{ErrorCode::kFailure, "the peer closed the connection", ""};
    if (errno != EAGAIN && errno != EINTR) co_return errno_error("receive");
    if (errno == EAGAIN) co_await wait_for(descriptor, asio::posix::stream_descriptor::wait_read);
  }
}

asio::awaitable<Result<void>> send(asio::posix::stream_descriptor& descriptor,
                                   std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor.native_handle(), bytes.data(), bytes.size());
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) co_return errno_error("send");
    if (errno == EAGAIN) co_await wait_for(descriptor, asio::posix::stream_descriptor::wait_write);
  }
  co_return Result<void>();
}

// Holds the session: it ends by itself once the connection has ended.
asio::awaitable<void> write_loop([[maybe_unused]] std::shared_ptr<Session> keep, Session::Impl* impl) {
  while (!impl->closed) {
    if (auto gathered = impl->gather(); !gathered) {
      impl->end(gathered.error());
      break;
    }
    if (impl->to_send.empty()) {
      // The GOAWAY that answers a violation is out; waiting for the peer to say more would be waiting for
      // ever.
      if (nghttp2_session_want_read(impl->h2) == 0) {
        impl->end(violation());
        break;
      }
      co_await impl->wake_writer.wait();
      continue;
    }
    const auto sent = co_await send(impl->descriptor, impl->to_send);
    if (!sent) impl->end(sent.error());
  }
}

}  // namespace

nghttp2_data_provider body_of(Stream::Core& core) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &core;
  provider.read_callback = read_body;
  return provider;
}

nghttp2_nv field(const char* name, const std::string& value) {
  return nghttp2_nv{reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
                    reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), std::strlen(name),
                    value.size(), NGHTTP2_NV_FLAG_NONE};
}

Session::Impl::Impl(const asio::any_io_executor& executor_of, Role role_of, Acceptor acceptor_of)
    : executor(executor_of),
      descriptor(executor_of),
      role(role_of),
      acceptor(std::move(acceptor_of)),
      wake_writer(executor_of) {
  h2 = make_session(role, this);
}

Session::Impl::~Impl() {
  nghttp2_session_del(h2);
}

std::shared_ptr<Stream::Core> Session::Impl::find(std::int32_t id) {
  const auto found = streams.find(id);
  return found == streams.end() ? nullptr : found->second;
}

void Session::Impl::end(Result<void> why) {
  if (closed) return;
  closed = true;
  outcome = std::move(why);
  for (auto& [id, core] : std::exchange(streams, {})) core->end(/*was_broken=*/true);
  asio::error_code ignored;
  descriptor.close(ignored);
  wake();
}

void Session::Impl::end_exchange(const Stream::Core& core) {
  if (role != Role::kServer || core.peer_finished || core.ended) return;
  nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, core.id, NGHTTP2_NO_ERROR);
  wake();
}

Result<void> Session::Impl::gather() {
  to_send.clear();
  while (to_send.size() < kChunk) {
    const std::size_t before = to_send.size();
    const std::uint8_t* data = nullptr;
    const ssize_t n = nghttp2_session_mem_send(h2, &data);
    if (n < 0) return nghttp2_failure(static_cast<int>(n));
    const auto* begin = reinterpret_cast<const std::byte*>(data);
    to_send.insert(to_send.end(), begin, begin + n);
    if (to_send.size() == before) break;  // send_body adds to it, too
  }
  // Idle connections are many, and most say little.
  if (to_send.empty() && to_send.capacity() > kFrameHeadBytes + kMaxFieldBytes) to_send = {};
  return {};
}

Result<void> Session::Impl::take(std::span<const std::byte> bytes) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const ssize_t n = nghttp2_session_mem_recv(h2, data, bytes.size());
  if (n < 0) return nghttp2_failure(static_cast<int>(n));
  // nghttp2 answers most violations with a GOAWAY of its own and then wants nothing more.
  if (!closed && nghttp2_session_want_read(h2) == 0) {
    return violation();
  }
  return {};
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::~Session() {
  impl_->end({});
}

std::shared_ptr<Session> Session::create(const asio::any_io_executor& executor, UniqueFd fd, Role role,
                                         Acceptor acceptor) {
  auto session = prepare(executor, role, std::move(acceptor));
  session->attach(std::move(fd));
  return session;
}

std::shared_ptr<Session> Session::prepare(const asio::any_io_executor& executor, Role role,
                                          Acceptor acceptor) {
  return std::shared_ptr<Session>(new Session(std::make_unique<Impl>(executor, role, std::move(acceptor))));
}

void Session::attach(UniqueFd fd) {
  asio::error_code failed;
  impl_->descriptor.assign(fd.get(), failed);
  if (failed) return;  // run() tells
  static_cast<void>(fd.release());
  impl_->descriptor.non_blocking(true, failed);
}

asio::awaitable<Result<void>> Session::run() {
  const auto keep = shared_from_this();
  Impl* impl = impl_.get();
  asio::co_spawn(impl->executor, write_loop(keep, impl), asio::detached);
  std::vector<std::byte> buffer(kChunk);
  while (!impl->closed) {
    const auto received = co_await receive(impl->descriptor, buffer);
    if (impl->closed) break;
    if (!received) {
      impl->end(received.error());
      break;
    }
    const auto taken = impl->take(std::span(buffer.data(), *received));
    if (!taken) impl->end(taken.error());
    impl->wake();
  }
  co_return impl->outcome;
}

Result<std::shared_ptr<Stream>> Session::request(const std::string& method, const std::string& path) {
  if (impl_->closed) return Error{ErrorCode::kFailure, "the connection has ended", ""};
  auto core = std::make_shared<Stream::Core>(impl_->executor, impl_.get());
  core->method = method;
  core->path = path;
  core->responded = true;
  static const std::string kScheme = "http";
  static const std::string kAuthority = "tl";
  const nghttp2_nv head[] = {field(":method", method), field(":scheme", kScheme),
                             field(":authority", kAuthority), field(":path", path)};
  const nghttp2_data_provider body = body_of(*core);
  const std::int32_t id = nghttp2_submit_request(impl_->h2, nullptr, head, std::size(head), &body, nullptr);
  if (id < 0) return nghttp2_failure(id);
  core->id = id;
  impl_->streams.emplace(id, core);
  impl_->wake();
  return std::make_shared<Stream>(std::move(core));
}

void Session::close() {
  impl_->end({});
}
UniqueFd Session::detach() {
  UniqueFd descriptor;
  if (!impl_->closed) descriptor.reset(impl_->descriptor.release());
  close();
  return descriptor;
}
bool Session::closed() const {
  return impl_->closed;
}
std::size_t Session::open_streams() const {
  return impl_->streams.size();
}

}  // namespace tl::http2
