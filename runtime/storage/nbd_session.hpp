// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include "common/block_device.hpp"
#include "common/log.hpp"
#include "common/result.hpp"
#include "runtime/storage/nbd_wire.hpp"

namespace tl::storage::nbd {

// What went wrong on one connection. Any thread reads, the session's writes.
struct Counters {
  std::atomic<std::uint64_t> device_errors = 0;     // requests that the device failed
  std::atomic<std::uint64_t> refused_requests = 0;  // requests that no device could have served
};

// The transmission phase of one connection: takes requests one after the other and answers each, until the
// client leaves. A request that is wrong or fails is answered with an error and nothing else happens; only a
// client that cannot be understood any more ends the session. One thread; the device is used only inside
// run().
class Session {
 public:
  Session(int socket, BlockDevice& device, const Log& log, Counters& counters);

  // An error when the client did not follow the protocol or the connection broke.
  Result<void> run();

 private:
  struct Request {
    std::uint16_t flags = 0;
    std::uint16_t type = 0;
    std::uint64_t cookie = 0;
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
  };
  enum class Next { kRequest, kEnd };

  Result<Next> serve_one();
  // 0, or the number of the error that the request deserves before anything is done.
  [[nodiscard]] std::uint32_t check(const Request& request) const;
  Result<void> serve_read(const Request& request);
  Result<void> serve_write(const Request& request, std::uint32_t refusal);
  Result<void> serve_rest(const Request& request);
  Result<void> finish(const Request& request, const Result<void>& done);
  Result<void> reply(const Request& request, std::uint32_t error, std::span<const std::byte> data = {});
  std::uint32_t note_device_error(const Error& error);

  int socket_;
  BlockDevice& device_;
  const Log& log_;
  Counters& counters_;
  std::unique_ptr<std::byte[]> buffer_;  // kMaxBlockBytes
  std::chrono::steady_clock::time_point next_log_;
};

}  // namespace tl::storage::nbd
