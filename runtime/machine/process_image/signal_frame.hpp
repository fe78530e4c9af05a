// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "runtime/machine/process_image/script.hpp"
#include "runtime/machine/process_image/stopped_process.hpp"

namespace tl::machine {

// What a thread returns from with rt_sigreturn(2), to be where it was: all registers and its signal mask. Its
// address, for Script::return_from().
std::uint64_t add_signal_frame(const StoppedProcess::Thread& thread, ScriptData& data);

}  // namespace tl::machine
