// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/disk_base.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "common/io.hpp"

namespace tl::storage {

Result<DiskBase::Image> DiskBase::open() const {
  auto fd = open_at(AT_FDCWD, path.string(), O_RDONLY | O_NONBLOCK);
  if (!fd) return fd.error();
  struct stat status {};
  if (::fstat(fd->get(), &status) != 0) return errno_error("stat " + path.string());
  if (!S_ISREG(status.st_mode)) return Error{ErrorCode::kFailure, path.string() + " is not a file", ""};
  return Image{make_host_file(std::move(*fd), path.string()), static_cast<std::uint64_t>(status.st_size)};
}

Result<std::unique_ptr<DiskFile>> DiskBase::open_for(const std::string& expected_digest,
                                                     std::uint64_t expected_bytes) const {
  if (expected_digest != digest)
    return Error{ErrorCode::kConflict, "the disk was made for image " + expected_digest + ", not " + digest,
                 ""};
  auto image = open();
  if (!image) return image.error();
  if (image->bytes != expected_bytes)
    return Error{ErrorCode::kFailure, "image " + path.string() + " has not the size it had", ""};
  return std::move(image->file);
}

}  // namespace tl::storage
