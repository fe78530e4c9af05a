// SPDX-License-Identifier: Apache-2.0
#include "runtime/monitor/virtio_board.hpp"

#include <utility>

#include "runtime/virtio/balloon/device.hpp"
#include "runtime/virtio/block/device.hpp"
#include "runtime/virtio/console/device.hpp"
#include "runtime/virtio/rng/device.hpp"

namespace tl::monitor {
namespace {

constexpr const char* kAgentPort = "tl.agent";

}  // namespace

Result<std::unique_ptr<VirtioBoard>> VirtioBoard::build(Parts parts, const Log& log) {
  auto memory = GuestMemory::create(parts.memory_bytes);
  if (!memory) return memory.error();
  std::unique_ptr<VirtioBoard> board(new VirtioBoard(*std::move(memory)));
  auto disk_thread = virtio::IoThread::start("disk");
  if (!disk_thread) return disk_thread.error();
  board->disk_thread_ = *std::move(disk_thread);
  auto thread = virtio::IoThread::start("devices");
  if (!thread) return thread.error();
  board->thread_ = *std::move(thread);

  auto console = virtio::console::Console::create(std::move(parts.agent), kAgentPort, *board->thread_);
  if (!console) return console.error();
  auto disk = std::make_unique<virtio::block::Block>(*parts.disk, parts.vcpus, *board->disk_thread_, log);
  if (auto added = board->add(std::move(disk), *board->disk_thread_, log); !added) return added.error();
  if (auto added = board->add(*std::move(console), *board->thread_, log); !added) return added.error();
  auto rng = std::make_unique<virtio::rng::Rng>();
  if (auto added = board->add(std::move(rng), *board->thread_, log); !added) return added.error();
  auto balloon = std::make_unique<virtio::balloon::Balloon>(board->memory_);
  if (auto added = board->add(std::move(balloon), *board->thread_, log); !added) return added.error();
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

}  // namespace tl::monitor
