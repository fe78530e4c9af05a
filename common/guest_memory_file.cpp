// SPDX-License-Identifier: Apache-2.0
#include "common/guest_memory_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tl {

Result<UniqueFd> make_guest_memory_file(std::uint64_t bytes) {
  TL_CHECK(bytes > 0 && bytes % 4096 == 0);
  UniqueFd file(::memfd_create("tl-guest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return errno_error("make the guest's memory");
  if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) return errno_error("make the guest's memory");
  if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return errno_error("seal the guest's memory");
  }
  return file;
}

}  // namespace tl
