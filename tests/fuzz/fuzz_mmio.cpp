// SPDX-License-Identifier: Apache-2.0
// A script of loads and stores at any register, in any width and order, with doorbells in between.
#include <array>
#include <memory>

#include "runtime/virtio/block/device.hpp"
#include "runtime/virtio/mmio_transport.hpp"
#include "tests/fuzz/guest.hpp"

using namespace tl;
using namespace tl::virtio;
using namespace tl::virtio::fuzz;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name for it
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::unique_ptr<IoThread> thread = *IoThread::start("fuzz");
  static CheckedDisk disk;
  Guest& guest = Guest::get();
  auto device = std::make_unique<block::Block>(disk, 2, *thread, guest.log);
  auto transport = *MmioTransport::create(std::move(device), guest.memory, *thread, guest.log);
  Input input(data, size);
  guest.fill({});
  while (!input.empty()) {
    const auto step = input.take<std::uint8_t>();
    const std::size_t width = std::size_t{1} << (step >> 2 & 3);
    const auto offset =
        static_cast<std::uint64_t>(input.take<std::uint16_t>() % (MmioDevice::kWindowBytes - 8));
    std::array<std::byte, 8> value{};
    switch (step & 3) {
      case 0:
        transport->read(offset, std::span(value).first(width));
        break;
      case 1: {
        const auto bytes = input.take(width);
        std::copy(bytes.begin(), bytes.end(), value.begin());
        transport->write(offset, std::span(value).first(width));
        break;
      }
      case 2: {
        const auto bytes = input.take(offset % 64);
        if (!bytes.empty()) static_cast<void>(guest.memory.write({Guest::kRings + offset * 8}, bytes));
        break;
      }
      default:
        transport->doorbell()->event->signal();
    }
  }
  return 0;
}
