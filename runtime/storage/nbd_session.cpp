// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/nbd_session.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace tl::storage::nbd {
namespace {

constexpr std::size_t kRequestBytes = 28;
constexpr std::chrono::seconds kLogInterval(10);

Error violation(const std::string& what) {
  return Error{ErrorCode::kFailure, "NBD: " + what, ""};
}

bool changes_data(std::uint16_t type) {
  return type == NBD_CMD_WRITE || type == NBD_CMD_TRIM || type == NBD_CMD_WRITE_ZEROES;
}

}  // namespace

Session::Session(int socket, BlockDevice& device, const Log& log, Counters& counters)
    : socket_(socket),
      device_(device),
      log_(log),
      counters_(counters),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kMaxBlockBytes)) {}

Result<void> Session::run() {
  for (;;) {
    auto next = serve_one();
    if (!next) return next.error();
    if (*next == Next::kEnd) return {};
  }
}

Result<Session::Next> Session::serve_one() {
  std::array<std::byte, kRequestBytes> header{};
  auto got = receive(socket_, header);
  if (!got) return got.error();
  if (!*got) return Next::kEnd;
  Reader reader(header);
  if (reader.get<std::uint32_t>() != kRequestMagic) return violation("bad request magic");
  Request request;
  request.flags = reader.get<std::uint16_t>();
  request.type = reader.get<std::uint16_t>();
  request.cookie = reader.get<std::uint64_t>();
  request.offset = reader.get<std::uint64_t>();
  request.length = reader.get<std::uint32_t>();
  if (request.type == NBD_CMD_DISC) return Next::kEnd;

  const std::uint32_t refusal = check(request);
  if (refusal != 0) ++counters_.refused_requests;
  Result<void> served;
  if (request.type == NBD_CMD_WRITE) {
    served = serve_write(request, refusal);
  } else if (refusal != 0) {
    served = reply(request, refusal);
  } else if (request.type == NBD_CMD_READ) {
    served = serve_read(request);
  } else {
    served = serve_rest(request);
  }
  if (!served) return served.error();
  return Next::kRequest;
}

std::uint32_t Session::check(const Request& request) const {
  const bool has_range = request.type == NBD_CMD_READ || changes_data(request.type);
  if (!has_range && request.type != NBD_CMD_FLUSH) return NBD_EINVAL;
  // FUA is allowed on every command, NO_HOLE only where it means something.
  std::uint16_t known = NBD_CMD_FLAG_FUA;
  if (request.type == NBD_CMD_WRITE_ZEROES) known |= NBD_CMD_FLAG_NO_HOLE;
  if ((request.flags & ~known) != 0) return NBD_EINVAL;
  if (!has_range) return 0;
  if (request.offset % BlockDevice::kSectorBytes != 0 || request.length % BlockDevice::kSectorBytes != 0)
    return NBD_EINVAL;
  if (request.type == NBD_CMD_READ && request.length > kMaxPayloadBytes) return NBD_EINVAL;
  const std::uint64_t size = device_.size_bytes();
  if (request.offset > size || request.length > size - request.offset)
    return request.type == NBD_CMD_WRITE || request.type == NBD_CMD_WRITE_ZEROES ? NBD_ENOSPC : NBD_EINVAL;
  return 0;
}

// A simple reply says "no error" before its data. What is longer than the buffer has therefore to break the
// connection when it fails later on; clients that asked for our block sizes never send such.
Result<void> Session::serve_read(const Request& request) {
  std::uint64_t done = 0;
  do {
    const std::size_t step = std::min<std::uint64_t>(kMaxBlockBytes, request.length - done);
    const std::span data(buffer_.get(), step);
    if (auto read = device_.read(request.offset + done, data); !read) {
      const std::uint32_t error = note_device_error(read.error());
      return done == 0 ? reply(request, error) : Result<void>(read.error().within("long read"));
    }
    auto sent = done == 0 ? reply(request, 0, data) : send(socket_, data);
    if (!sent) return sent;
    done += step;
  } while (done < request.length);
  return {};
}

// Takes the data off the socket whatever becomes of it.
Result<void> Session::serve_write(const Request& request, std::uint32_t refusal) {
  if (request.length > kMaxPayloadBytes)
    return violation("write of " + std::to_string(request.length) + " bytes");
  Result<void> written;
  for (std::uint64_t done = 0; done < request.length;) {
    const std::size_t step = std::min<std::uint64_t>(kMaxBlockBytes, request.length - done);
    const std::span data(buffer_.get(), step);
    auto got = receive(socket_, data);
    if (!got) return got.error();
    if (!*got) return violation("the connection ended in the middle of a write");
    if (refusal == 0 && written) written = device_.write(request.offset + done, data);
    done += step;
  }
  return refusal != 0 ? reply(request, refusal) : finish(request, written);
}

Result<void> Session::serve_rest(const Request& request) {
  switch (request.type) {
    case NBD_CMD_FLUSH:
      return finish(request, device_.flush());
    case NBD_CMD_TRIM:
      return finish(request, device_.discard(request.offset, request.length));
    case NBD_CMD_WRITE_ZEROES:
      // NO_HOLE asks for blocks instead of a hole. The disk is thin anyway, and "reads as zeroes" is what
      // matters.
      return finish(request, device_.write_zeroes(request.offset, request.length));
    default:
      return reply(request, NBD_EINVAL);
  }
}

Result<void> Session::finish(const Request& request, const Result<void>& done) {
  if (!done) return reply(request, note_device_error(done.error()));
  if ((request.flags & NBD_CMD_FLAG_FUA) != 0 && changes_data(request.type)) {
    if (auto flushed = device_.flush(); !flushed) return reply(request, note_device_error(flushed.error()));
  }
  return reply(request, 0);
}

Result<void> Session::reply(const Request& request, std::uint32_t error, std::span<const std::byte> data) {
  Message header;
  header.put(kSimpleReplyMagic).put(error).put(request.cookie);
  return send(socket_, header.bytes(), data);
}

std::uint32_t Session::note_device_error(const Error& error) {
  const std::uint64_t count = ++counters_.device_errors;
  const auto now = std::chrono::steady_clock::now();
  if (now >= next_log_) {
    next_log_ = now + kLogInterval;
    log_.info("disk: {} ({} failed requests so far)", error.message, count);
  }
  return error.code == ErrorCode::kHostLacks ? NBD_ENOSPC : NBD_EIO;
}

}  // namespace tl::storage::nbd
