// SPDX-License-Identifier: Apache-2.0
#include "common/atomic_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "common/io.hpp"
#include "common/random.hpp"

namespace tl {
namespace {

Result<void> write_temp(int dir_fd, const std::string& temp, std::string_view contents,
                        Durability durability) {
  auto fd = open_at(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!fd) return fd.error();
  if (auto written = write_all(fd->get(), contents); !written) return written.error();
  if (durability == Durability::kSynced && ::fsync(fd->get()) != 0) return errno_error("fsync");
  return {};
}

}  // namespace

Result<void> replace_file(int dir_fd, const std::string& name, std::string_view contents,
                          Durability durability) {
  const std::string temp = "." + name + "." + random_base36(8) + ".tmp";
  Result<void> done = write_temp(dir_fd, temp, contents, durability);
  if (done && ::renameat(dir_fd, temp.c_str(), dir_fd, name.c_str()) != 0) done = errno_error("rename");
  if (!done) {
    ::unlinkat(dir_fd, temp.c_str(), 0);
    return done.error().within("replace " + name);
  }
  if (durability == Durability::kLazy || ::fsync(dir_fd) == 0) return {};
  return errno_error("replace " + name + ": fsync of the folder");
}

}  // namespace tl
