// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "common/result.hpp"
#include "runtime/machine/process_image/process_image.hpp"
#include "runtime/machine/process_image/stopped_process.hpp"

namespace tl::machine {

// Finds out what a stopped process consists of, and writes the program that is it again, as
// write_process_image() has it.
Result<void> write_image(const StoppedProcess& process, const ProcessImageSpec& spec, int file);

}  // namespace tl::machine
