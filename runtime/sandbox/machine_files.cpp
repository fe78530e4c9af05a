// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/machine_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "common/file_lock.hpp"
#include "common/io.hpp"
#include "runtime/registry/paths.hpp"
#include "runtime/snapshot/memory_image.hpp"

namespace tl {
namespace {

constexpr const char* kStateFile = "machine";  // snapshot/FORMAT.md
constexpr const char* kLockFile = "lock";
constexpr const char* kEmulatorFile = registry::layout::kEmulator;

}  // namespace

bool has_machine(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(folder / kStateFile, ignored);
}

Result<void> link_machine(const std::filesystem::path& from, const std::filesystem::path& to,
                          std::uint64_t ram_bytes, Durability durability) {
  auto source = open_at(AT_FDCWD, from.string(), O_RDONLY | O_DIRECTORY);
  if (!source) return source.error();
  // The first link makes the source's memory one that can be shared.
  const auto lock = FileLock::acquire(source->get(), kLockFile);
  if (!lock) return lock.error();
  if (::mkdir(to.c_str(), 0700) != 0) return errno_error("make " + to.string());
  const auto target = open_at(AT_FDCWD, to.string(), O_RDONLY | O_DIRECTORY);
  if (!target) return target.error();
  // A state is replaced and removed, never changed.
  if (::linkat(source->get(), kStateFile, target->get(), kStateFile, 0) != 0)
    return errno_error("link the saved machine");
  // A template of tcg has one; it goes with the state.
  const bool linked = ::linkat(source->get(), kEmulatorFile, target->get(), kEmulatorFile, 0) == 0;
  if (!linked && errno != ENOENT) return errno_error("link the saved emulator");
  auto image = snapshot::MemoryImage::open(*std::move(source), from, ram_bytes);
  if (!image) return image.error();
  return image->export_to(target->get(), durability);
}

}  // namespace tl
