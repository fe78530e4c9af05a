// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/image_files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "common/printable.hpp"
#include "runtime/storage/oci/digest.hpp"
#include "runtime/storage/oci/documents.hpp"

namespace tl::storage::oci {
namespace {

constexpr std::string_view kBlobs = "blobs/";
constexpr std::size_t kMaxShown = 200;

Error cannot_open(int number, const std::string& path) {
  const std::string shown = make_printable(path, kMaxShown);
  if (number == ENOENT || number == ENOTDIR)
    return Error{ErrorCode::kNotFound, fmt::format("{} is missing", shown), ""};
  if (number == ELOOP)
    return Error{ErrorCode::kOutOfRange, fmt::format("{} is a symbolic link, or behind one", shown), ""};
  if (number == EXDEV)
    return Error{ErrorCode::kOutOfRange, fmt::format("{} leads out of the image", shown), ""};
  return errno_error(number, "open " + shown);
}

}  // namespace

Result<std::string> read_document(ImageFiles& files, const std::string& path) {
  const auto file = files.open(path);
  if (!file) return file.error();
  return read_all(file->source, kMaxDocumentBytes, make_printable(path, kMaxShown));
}

Result<ImageFiles::File> FolderFiles::open(const std::string& path) {
  const bool elsewhere = blobs_ && path.starts_with(kBlobs);
  const std::string inside = elsewhere ? path.substr(kBlobs.size()) : path;
  open_how how = {};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;  // whatever it is, we do not wait for it
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const auto fd = static_cast<int>(
      ::syscall(SYS_openat2, elsewhere ? blobs_.get() : folder_.get(), inside.c_str(), &how, sizeof how));
  if (fd < 0) return cannot_open(errno, path);
  auto file = std::make_shared<UniqueFd>(fd);
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return errno_error("stat " + make_printable(path, kMaxShown));
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::kOutOfRange, fmt::format("{} is not a file", make_printable(path, kMaxShown)),
                 ""};
  }
  return File{[file, read = source_of_fd(fd)](std::span<std::byte> into) { return read(into); },
              static_cast<std::uint64_t>(status.st_size)};
}

}  // namespace tl::storage::oci
