// SPDX-License-Identifier: Apache-2.0
#include "runtime/network/program.hpp"

#include <sys/mman.h>

#include <cstddef>
#include <span>

#include "common/io.hpp"

extern "C" const std::byte tl_network_program_begin[];
extern "C" const std::byte tl_network_program_end[];

namespace tl::network {

Result<UniqueFd> program_file() {
  UniqueFd file(::memfd_create("tl-net", MFD_CLOEXEC));
  if (!file) return errno_error("memfd_create");
  const std::span<const std::byte> program(tl_network_program_begin, tl_network_program_end);
  if (auto written = write_all(file.get(), program); !written)
    return written.error().within("write the network program");
  return file;
}

}  // namespace tl::network
