// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/virtio_board.hpp"

#include <utility>

#include "common/saved_state.hpp"
#include "runtime/virtio/balloon/device.hpp"
#include "runtime/virtio/block/device.hpp"
#include "runtime/virtio/console/device.hpp"
#include "runtime/virtio/rng/device.hpp"

namespace tl::monitor {
namespace {

constexpr const char* kAgentPort = "tl.agent";

}  // namespace

Result<std::unique_ptr<VirtioBoard>> VirtioBoard::build(Parts parts, const Log& log) {
  std::unique_ptr<VirtioBoard> board(new VirtioBoard(*parts.memory));
  auto disk_thread = virtio::IoThread::start("disk");
  if (!disk_thread) return disk_thread.error();
  board->disk_thread_ = *std::move(disk_thread);
  auto thread = virtio::IoThread::start("devices");
  if (!thread) return thread.error();
  board->thread_ = *std::move(thread);

  auto console = virtio::console::Console::create(std::move(parts.agent), kAgentPort, *board->thread_);
  if (!console) return console.error();
  board->console_ = console->get();
  auto disk = std::make_unique<virtio::block::Block>(*parts.disk, parts.vcpus, *board->disk_thread_, log);
  if (auto added = board->add(std::move(disk), *board->disk_thread_, log); !added) return added.error();
  if (auto added = board->add(*std::move(console), *board->thread_, log); !added) return added.error();
  auto rng = std::make_unique<virtio::rng::Rng>();
  if (auto added = board->add(std::move(rng), *board->thread_, log); !added) return added.error();
  auto balloon = std::make_unique<virtio::balloon::Balloon>(board->memory_);
  if (auto added = board->add(std::move(balloon), *board->thread_, log); !added) return added.error();
  if (parts.network) {
    auto net = virtio::net::Net::create(std::move(parts.network), parts.mac, parts.mtu, *board->thread_);
    if (!net) return net.error();
    if (auto added = board->add(*std::move(net), *board->thread_, log); !added) return added.error();
  }
  return board;
}

Result<void> VirtioBoard::add(std::unique_ptr<virtio::Device> device, virtio::IoThread& thread,
                              const Log& log) {
  auto transport = virtio::MmioTransport::create(std::move(device), memory_, thread, log);
  if (!transport) return transport.error();
  transports_.push_back(*std::move(transport));
  return {};
}

std::vector<MmioDevice*> VirtioBoard::devices() {
  std::vector<MmioDevice*> list;
  for (const auto& transport : transports_) list.push_back(transport.get());
  return list;
}

void VirtioBoard::pause() {
  disk_thread_->pause();
  thread_->pause();
}

void VirtioBoard::resume() {
  thread_->resume();
  disk_thread_->resume();
}

std::vector<std::byte> VirtioBoard::save() const {
  StateWriter to;
  const virtio::console::State console = console_->save();
  to.mark("console");
  to.put(console.untold);
  to.put(static_cast<std::uint8_t>(console.guest_open ? 1 : 0));
  to.put(console.chain_sent);
  for (const auto& transport : transports_) transport->save().write_to(to);
  return to.take();
}

Result<void> VirtioBoard::restore(std::span<const std::byte> state) {
  // A device that is restored begins to serve at once.
  const auto disk_lock = disk_thread_->exclusive();
  const auto lock = thread_->exclusive();
  StateReader from(state);
  virtio::console::State console;
  std::uint8_t guest_open = 0;
  if (auto got = from.expect("console"); !got) return got;
  if (auto got = from.get(console.untold); !got) return got;
  if (auto got = from.get(guest_open); !got) return got;
  if (auto got = from.get(console.chain_sent); !got) return got;
  console.guest_open = guest_open != 0;
  console_->restore(console);
  for (const auto& transport : transports_) {
    const auto saved = virtio::MmioTransportState::read_from(from);
    if (!saved) return saved.error();
    if (auto restored = transport->restore(*saved); !restored) return restored;
  }
  if (!from.at_end())
    return Error{ErrorCode::kOutOfRange, "the saved state has more devices than the machine", ""};
  return {};
}

}  // namespace tl::monitor
