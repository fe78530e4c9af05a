// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <utility>

#include "runtime/machine/kvm/bus.hpp"

namespace tl::machine::kvm {

// A PC's keyboard controller as far as kernels use it to restart the machine: the command 0xfe pulses the
// processor's reset line. No keyboard. Any vCPU thread.
class I8042 final : public PortDevice {
 public:
  explicit I8042(std::function<void()> on_reset) : on_reset_(std::move(on_reset)) {}

  std::uint8_t read_port(std::uint16_t) override { return 0; }  // nothing to read, ready for commands
  void write_port(std::uint16_t offset, std::uint8_t value) override {
    constexpr std::uint16_t kCommand = 4;  // port 0x64
    constexpr std::uint8_t kPulseReset = 0xfe;
    if (offset == kCommand && value == kPulseReset) on_reset_();
  }

 private:
  std::function<void()> on_reset_;
};

}  // namespace tl::machine::kvm
