// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "common/child_process.hpp"
#include "common/result.hpp"
#include "runtime/storage/default_image_recipe.hpp"
#include "runtime/storage/tar_source.hpp"

namespace tl::storage {

// A running mmdebstrap whose tar is read as it comes. Destroying it stops the program, which takes its own
// temporary folder away (in the folder $TMPDIR names, else /var/tmp). One thread.
class Bootstrap {
 public:
  using Progress = std::function<void(const std::string& line)>;  // called while reading
  using Cancelled = std::function<bool()>;                        // asked several times a second

  // kHostLacks when there is no mmdebstrap. Both functions may be empty.
  static Result<std::unique_ptr<Bootstrap>> start(const DefaultImageRecipe& recipe, Progress progress,
                                                  Cancelled cancelled);
  Bootstrap(const Bootstrap&) = delete;
  Bootstrap& operator=(const Bootstrap&) = delete;
  ~Bootstrap();

  // The tar. Fails when cancelled. The object must outlive it.
  [[nodiscard]] ByteSource source();
  // Whether the tar was read to its end.
  [[nodiscard]] bool ended() const { return ended_; }
  // Waits for the end; a failure is told in mmdebstrap's own words.
  Result<void> finish();

 private:
  Bootstrap(ChildProcess child, UniqueFd tar, UniqueFd messages, Progress progress, Cancelled cancelled);
  Result<std::size_t> read(std::span<std::byte> into);
  Result<void> wait_for_tar();
  void read_messages();
  void take_line(const std::string& line);
  void stop();

  ChildProcess child_;
  UniqueFd tar_;
  UniqueFd messages_;       // its stderr; empty after its end
  std::string unfinished_;  // a line of it
  std::deque<std::string> last_lines_;
  std::string complaint_;  // its first "E:" line
  Progress progress_;
  Cancelled cancelled_;
  bool ended_ = false;
};

}  // namespace tl::storage
