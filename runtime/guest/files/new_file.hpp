// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>
#include <time.h>

#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::guest {

// A file that appears under its name when it is whole, and until then does not touch what has the name.
// Whatever ends the process leaves nothing of it behind: it has no name until it is published. Only on file
// systems that cannot do that it has one that begins with kTemporaryPrefix, which goes with this object.
// Any thread.
class NewFile {
 public:
  static constexpr const char* kTemporaryPrefix = ".tl-cp-";

  // In the folder, which stays open; `shown` is the whole path, for messages. kConflict when what is there
  // can not be replaced (see check_replaceable).
  static Result<NewFile> create(int folder, std::string name, std::string shown);
  NewFile(NewFile&&) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  [[nodiscard]] int fd() const { return fd_.get(); }
  // Once. The permissions are set as they are, whatever the umask.
  Result<void> publish(mode_t permissions, const timespec* modified);

 private:
  NewFile(int folder, std::string name, std::string shown);
  Result<void> replace();

  int folder_;
  std::string name_;
  std::string shown_;
  std::string temporary_;  // empty: it has no name yet, or not any more
  UniqueFd fd_;
};

// Files and symbolic links may be replaced, folders and devices not (kConflict).
Result<void> check_replaceable(int folder, const std::string& name, const std::string& shown);

// A name of ours that nobody else has.
std::string temporary_name();

}  // namespace tl::guest
