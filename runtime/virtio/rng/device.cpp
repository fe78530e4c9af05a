// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/rng/device.hpp"

#include <linux/virtio_ids.h>

#include <algorithm>
#include <array>

#include "common/random.hpp"

namespace tl::virtio::rng {
namespace {

constexpr std::uint16_t kQueueSize = 8;

}  // namespace

Rng::Rng() : Device({"virtio-rng", VIRTIO_ID_RNG, 0, {kQueueSize}}) {}

void Rng::serve(unsigned index) {
  Queue* const queue = driver()->queue(index);
  if (queue == nullptr) return;
  std::array<std::byte, kMostBytes> bytes;
  do {
    while (auto chain = queue->pop()) {
      ChainWriter writer(*chain);
      const std::size_t count = std::min(writer.remaining(), bytes.size());
      if (count == 0) driver()->note_fault("a request for no random bytes");
      const auto wanted = std::span(bytes).first(count);
      fill_random(wanted);
      writer.write(wanted);
      queue->push(chain->head, writer.written());
    }
  } while (queue->enable_notification());
  driver()->interrupt_for(index);
}

}  // namespace tl::virtio::rng
