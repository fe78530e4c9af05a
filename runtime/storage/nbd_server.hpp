// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "common/block_device.hpp"
#include "common/log.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/storage/nbd_session.hpp"

namespace tl::storage {

// Serves a block device as the default NBD export to the client at the other end of one connected stream
// socket (QEMU's `nbd` block driver with a file descriptor), on a thread of its own, until the client leaves
// or the server is destroyed; the device is flushed then. From start() to the end of the destructor the
// device belongs to that thread, and must outlive it. The client is not trusted: every request is checked,
// what cannot be served is answered with an error, and what cannot be understood ends the connection.
// Failures of the device become ENOSPC or EIO for the guest and are counted and logged, at most one line in
// ten seconds.
class NbdServer {
 public:
  enum class Begin {
    kNegotiation,
    kTransmission,  // for a client that has negotiated with another server, of a device that is the same
  };
  // Takes the socket; the log's descriptor must outlive the server. Control thread.
  static Result<std::unique_ptr<NbdServer>> start(UniqueFd socket, BlockDevice& device, const Log& log,
                                                  Begin begin = Begin::kNegotiation);

  // Breaks the connection, waits for the request in progress and the final flush.
  ~NbdServer();
  NbdServer(const NbdServer&) = delete;
  NbdServer& operator=(const NbdServer&) = delete;

  // Any thread.
  [[nodiscard]] bool has_ended() const { return ended_.load(); }
  [[nodiscard]] std::uint64_t device_errors() const { return counters_.device_errors.load(); }
  [[nodiscard]] std::uint64_t refused_requests() const { return counters_.refused_requests.load(); }

 private:
  NbdServer(UniqueFd socket, BlockDevice& device, const Log& log)
      : socket_(std::move(socket)), device_(device), log_(log) {}
  void serve(Begin begin);

  UniqueFd socket_;
  BlockDevice& device_;
  Log log_;
  nbd::Counters counters_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace tl::storage
