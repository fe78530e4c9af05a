// SPDX-License-Identifier: Apache-2.0
// Rings and descriptors of any contents: every span that a chain gives lies in the guest's memory, and
// whoever serves the queue comes to an end.
#include "tests/fuzz/guest.hpp"

using namespace tl;
using namespace tl::virtio;
using namespace tl::virtio::fuzz;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name for it
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto kind = input.take<std::uint8_t>();
  QueueState state;
  state.layout = Guest::layout(0);
  state.features = {(kind & 1) != 0, (kind & 2) != 0};
  state.next_available = input.take<std::uint16_t>();
  state.next_used = state.next_available;
  Guest& guest = Guest::get();
  guest.fill(input.rest());
  auto queue = *Queue::create(guest.memory, state);
  const std::byte* const begin = guest.memory.regions().front().host;
  int chains = 0;
  do {
    while (auto chain = queue.pop()) {
      for (const auto* spans : {&chain->readable, &chain->writable}) {
        for (const auto& span : *spans)
          TL_CHECK(!span.empty() && span.data() >= begin &&
                   span.data() + span.size() <= begin + Guest::kBytes);
      }
      ChainWriter writer(*chain);
      queue.push(chain->head, writer.written());
      static_cast<void>(queue.should_interrupt());
      TL_CHECK(++chains <= 65536 + Guest::kQueueSize);
    }
  } while (queue.enable_notification());
  return 0;
}
