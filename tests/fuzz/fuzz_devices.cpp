// SPDX-License-Identifier: Apache-2.0
// Requests of any contents to every kind of device; the first byte chooses it.
#include <sys/socket.h>

#include <memory>

#include "runtime/virtio/balloon/device.hpp"
#include "runtime/virtio/block/device.hpp"
#include "runtime/virtio/console/device.hpp"
#include "runtime/virtio/net/device.hpp"
#include "runtime/virtio/rng/device.hpp"
#include "tests/fuzz/guest.hpp"

using namespace tl;
using namespace tl::virtio;
using namespace tl::virtio::fuzz;

namespace {

struct Host {
  std::unique_ptr<IoThread> thread = *IoThread::start("fuzz");
  CheckedDisk disk;
};

std::unique_ptr<Device> make(std::uint8_t kind, Host& host, UniqueFd& other_end) {
  int pair[2];
  switch (kind % 5) {
    case 0:
      return std::make_unique<block::Block>(host.disk, 1, *host.thread, Guest::get().log);
    case 1:
      TL_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
      other_end = UniqueFd(pair[0]);
      return *console::Console::create(UniqueFd(pair[1]), "tl.agent", *host.thread);
    case 2:
      TL_CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
      other_end = UniqueFd(pair[0]);
      return *net::Net::create(UniqueFd(pair[1]), {2, 0, 0, 0, 0, 1}, 1500, *host.thread);
    case 3:
      return std::make_unique<rng::Rng>();
    default:
      return std::make_unique<balloon::Balloon>(Guest::get().memory);
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name for it
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Host host;
  Input input(data, size);
  UniqueFd other_end;
  auto device = make(input.take<std::uint8_t>(), host, other_end);
  const auto order = input.take<std::uint32_t>();
  const auto from_host = input.take(order % 64);
  if (other_end && !from_host.empty())
    static_cast<void>(
        ::send(other_end.get(), from_host.data(), from_host.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  Guest::get().fill(input.rest());

  const auto queues = static_cast<unsigned>(device->traits().queue_sizes.size());
  AnyDriver driver(queues, (order & 1) != 0);
  // The IoThread's handlers, which the sockets would call, wait meanwhile.
  auto lock = host.thread->exclusive();
  device->start(driver);
  for (unsigned turn = 0; turn < 8; ++turn) device->serve((order >> (turn * 4)) % queues);
  device->stop();
  device.reset();
  return 0;
}
