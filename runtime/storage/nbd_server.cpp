// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/nbd_server.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include <csignal>
#include <system_error>
#include <utility>

#include "runtime/storage/nbd_handshake.hpp"

namespace tl::storage {

Result<std::unique_ptr<NbdServer>> NbdServer::start(UniqueFd socket, BlockDevice& device, const Log& log,
                                                    Begin begin) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
    return errno_error("serve a disk: make the socket blocking");
  std::unique_ptr<NbdServer> server(new NbdServer(std::move(socket), device, log));
  // Signals are the control thread's.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Result<void> started;
  try {
    server->thread_ = std::thread(&NbdServer::serve, server.get(), begin);
  } catch (const std::system_error& error) {
    started = errno_error(error.code().value(), "serve a disk: start a thread");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!started) return started.error();
  return server;
}

NbdServer::~NbdServer() {
  if (!thread_.joinable()) return;
  ::shutdown(socket_.get(), SHUT_RDWR);
  thread_.join();
}

void NbdServer::serve(Begin begin) {
  Result<bool> agreed = true;
  if (begin == Begin::kNegotiation) agreed = nbd::negotiate(socket_.get(), device_.size_bytes());
  Result<void> served = agreed ? Result<void>() : Result<void>(agreed.error());
  if (agreed && *agreed) served = nbd::Session(socket_.get(), device_, log_, counters_).run();
  if (!served) log_.info("disk: the connection ended: {}", served.error().message);
  if (auto flushed = device_.flush(); !flushed) log_.info("disk: last flush: {}", flushed.error().message);
  // Lets the client notice; the descriptor itself is closed by the owner, who may be about to shut it down.
  ::shutdown(socket_.get(), SHUT_RDWR);
  ended_ = true;
}

}  // namespace tl::storage
