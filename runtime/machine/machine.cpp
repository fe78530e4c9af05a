// SPDX-License-Identifier: Apache-2.0
#include "runtime/machine/machine.hpp"

namespace tl::machine {

const char* accelerator_name(Accelerator accelerator) {
  return accelerator == Accelerator::kKvm ? "kvm" : "tcg";
}

const char* base_command_line() {
  return "console=ttyS0 quiet panic=-1 reboot=t";
}

asio::awaitable<Result<void>> Machine::keep_process(std::filesystem::path /*file*/) {
  co_return Error{ErrorCode::kHostLacks, "this machine has no process of its own", ""};
}

}  // namespace tl::machine
