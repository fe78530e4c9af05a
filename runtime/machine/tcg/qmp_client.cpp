// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/tcg/qmp_client.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <fmt/format.h>

#include "common/printable.hpp"

namespace tl::machine {
namespace {

constexpr std::uint64_t kNegotiationId = 0;

Error protocol_error(std::string_view what) {
  return Error{ErrorCode::kFailure, "QEMU's control connection: " + std::string(what), ""};
}

// {"class": "GenericError", "desc": "…"}; anything else is told as well as possible.
Error reply_error(const nlohmann::json& error) {
  std::string text = "unknown error";
  if (error.is_object() && error.contains("desc") && error["desc"].is_string()) {
    text = make_printable(error["desc"].get_ref<const std::string&>(), 400);
  }
  return Error{ErrorCode::kFailure, "QEMU: " + text, ""};
}

// {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "Debian …"}
std::string version_text(const nlohmann::json& greeting) {
  try {
    const auto& version = greeting.at("version");
    const auto& numbers = version.at("qemu");
    const auto package = make_printable(version.at("package").get<std::string>(), 100);
    return fmt::format("{}.{}.{}{}", numbers.at("major").get<unsigned>(), numbers.at("minor").get<unsigned>(),
                       numbers.at("micro").get<unsigned>(), package.empty() ? "" : " (" + package + ")");
  } catch (const nlohmann::json::exception&) {
    return "";
  }
}

// The first bytes of `text` and a descriptor beside them; how many bytes, or -1 and errno.
ssize_t send_with_descriptor(int socket, std::string_view text, int descriptor) {
  iovec data{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof descriptor)> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
  return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

QmpClient::QmpClient(const asio::any_io_executor& executor, Socket socket, EventHandler on_event)
    : socket_(std::move(socket)), on_event_(std::move(on_event)), changed_(executor), queued_(executor) {}

Result<std::shared_ptr<QmpClient>> QmpClient::create(const asio::any_io_executor& executor, UniqueFd socket,
                                                     EventHandler on_event,
                                                     std::optional<std::string> negotiated) {
  Socket stream(executor);
  asio::error_code ec;
  stream.assign(asio::local::stream_protocol(), socket.get(), ec);
  if (ec) return Error{ErrorCode::kFailure, "control connection of QEMU: " + ec.message(), ""};
  static_cast<void>(socket.release());
  std::shared_ptr<QmpClient> client(new QmpClient(executor, std::move(stream), std::move(on_event)));
  if (negotiated) {
    client->phase_ = Phase::kReady;
    client->qemu_version_ = *std::move(negotiated);
  }
  return client;
}

asio::awaitable<Result<void>> QmpClient::run(std::shared_ptr<QmpClient> self) {
  asio::co_spawn(self->socket_.get_executor(), write_all(self), asio::detached);
  std::string pending;  // at most one unfinished message and what one read adds
  std::array<char, 16 << 10> chunk;
  while (self->phase_ != Phase::kClosed) {
    asio::error_code ec;
    const std::size_t n = co_await self->socket_.async_read_some(
        asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, ec));
    if (ec || self->phase_ == Phase::kClosed) {
      self->end(protocol_error("closed"));
      break;
    }
    pending.append(chunk.data(), n);
    std::size_t begin = 0;
    for (std::size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n', begin)) {
      const auto taken = self->take_message(std::string_view(pending).substr(begin, end - begin));
      if (!taken) {
        self->end(taken.error());
        co_return taken.error();
      }
      begin = end + 1;
    }
    pending.erase(0, begin);
    if (pending.size() > kMessageBytes) {
      const Error error = protocol_error("a message is longer than allowed");
      self->end(error);
      co_return error;
    }
  }
  co_return Result<void>();
}

asio::awaitable<void> QmpClient::write_all(std::shared_ptr<QmpClient> self) {
  while (self->phase_ != Phase::kClosed) {
    if (self->outgoing_.empty()) {
      co_await self->queued_.wait();
      continue;
    }
    const auto message = std::make_shared<Outgoing>(std::move(self->outgoing_.front()));
    self->outgoing_.pop_front();
    if (message->descriptor) {
      const asio::error_code failed = co_await pass_descriptor(self, message);
      if (failed) break;
    }
    asio::error_code ec;
    co_await asio::async_write(self->socket_, asio::buffer(message->text),
                               asio::redirect_error(asio::use_awaitable, ec));
    if (ec) break;  // the reader notices, too, and tells
  }
}

asio::awaitable<asio::error_code> QmpClient::pass_descriptor(std::shared_ptr<QmpClient> self,
                                                             std::shared_ptr<Outgoing> message) {
  for (;;) {
    asio::error_code ec;
    co_await self->socket_.async_wait(Socket::wait_write, asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return ec;
    const ssize_t sent =
        send_with_descriptor(self->socket_.native_handle(), message->text, message->descriptor.get());
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (sent < 0) co_return asio::error_code(errno, asio::error::get_system_category());
    message->text.erase(0, static_cast<std::size_t>(sent));
    co_return asio::error_code();
  }
}

Result<void> QmpClient::take_message(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) return {};
  const auto message = nlohmann::json::parse(line, nullptr, false);
  if (!message.is_object()) return protocol_error("what came is not QMP");
  if (phase_ == Phase::kGreeting) {
    if (!message.contains("QMP")) return protocol_error("the greeting is missing");
    qemu_version_ = version_text(message["QMP"]);
    phase_ = Phase::kNegotiating;
    send({{"execute", "qmp_capabilities"}, {"id", kNegotiationId}});
    return {};
  }
  if (message.contains("event")) {
    if (!message["event"].is_string()) return protocol_error("an event has no name");
    const auto data = message.find("data");
    if (on_event_) {
      const bool has_data = data != message.end() && data->is_object();
      on_event_(message["event"].get<std::string>(), has_data ? *data : nlohmann::json::object());
    }
    return {};
  }
  if (phase_ == Phase::kNegotiating) {
    if (!message.contains("return")) return protocol_error("the negotiation failed");
    phase_ = Phase::kReady;
    changed_.notify_all();
    return {};
  }
  take_reply(message);
  return {};
}

void QmpClient::take_reply(const nlohmann::json& message) {
  const auto id = message.find("id");
  if (id == message.end() || !id->is_number_unsigned()) return;
  const auto waiting = replies_.find(id->get<std::uint64_t>());
  if (waiting == replies_.end() || waiting->second) return;  // given up, or answered twice
  if (message.contains("return")) {
    waiting->second = message["return"];
  } else {
    waiting->second = reply_error(message.value("error", nlohmann::json()));
  }
  changed_.notify_all();
}

asio::awaitable<Result<nlohmann::json>> QmpClient::execute(std::shared_ptr<QmpClient> self,
                                                           std::string command, nlohmann::json arguments,
                                                           std::chrono::milliseconds timeout,
                                                           UniqueFd descriptor) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const std::uint64_t id = ++self->last_id_;
  bool sent = false;
  // Wakes everybody at the deadline; whoever is not concerned looks and waits on.
  asio::steady_timer timer(self->socket_.get_executor(), deadline);
  timer.async_wait([self](const asio::error_code& ec) {
    if (!ec) self->changed_.notify_all();
  });
  for (;;) {
    if (!sent && self->phase_ == Phase::kReady) {
      self->replies_.emplace(id, std::nullopt);
      nlohmann::json message{{"execute", command}, {"id", id}};
      if (!arguments.empty()) message["arguments"] = arguments;
      self->send(message, std::exchange(descriptor, UniqueFd()));
      sent = true;
    }
    if (sent && self->replies_.at(id)) {
      Result<nlohmann::json> reply = *std::move(self->replies_.at(id));
      self->replies_.erase(id);
      if (!reply) co_return reply.error().within(command);
      co_return reply;
    }
    if (self->phase_ == Phase::kClosed) {
      self->replies_.erase(id);
      co_return self->failure_.within(command);
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      self->replies_.erase(id);
      co_return protocol_error("no answer").within(command);
    }
    co_await self->changed_.wait();
  }
}

void QmpClient::send(const nlohmann::json& message, UniqueFd descriptor) {
  using Handler = nlohmann::json::error_handler_t;
  outgoing_.push_back({message.dump(-1, ' ', true, Handler::replace) + '\n', std::move(descriptor)});
  queued_.notify_all();
}

void QmpClient::close() {
  end(protocol_error("closed"));
}

void QmpClient::end(Error why) {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  failure_ = std::move(why);
  asio::error_code ignored;
  socket_.close(ignored);
  outgoing_.clear();
  queued_.notify_all();
  changed_.notify_all();
}

}  // namespace tl::machine
