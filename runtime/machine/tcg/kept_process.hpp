// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "common/result.hpp"
#include "runtime/machine/tcg/command_line.hpp"

namespace tl::machine {

// Writes a QEMU child that waits for commands into a new file, as a process image, and tries it out: the
// image is there only when a process was made of it that answers. `inherited`: what the child has from us;
// `memory_mib`: its guest's memory. Everything that QEMU has found out and translated by then is there again
// in whoever starts from the image.
asio::awaitable<Result<void>> keep_qemu(asio::any_io_executor executor, pid_t qemu, QemuDescriptors inherited,
                                        std::uint32_t memory_mib, std::filesystem::path file);

}  // namespace tl::machine
