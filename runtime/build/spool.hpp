// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::build {

// What one sandbox gives and another takes afterwards: a file without a name, in $TMPDIR or /var/tmp, which
// is gone with this object whatever happens. It takes no more than it is allowed to: the giver is not
// trusted.
class Spool {
 public:
  static Result<Spool> create(std::uint64_t most_bytes);
  Spool(Spool&&) = default;
  Spool& operator=(Spool&&) = delete;
  ~Spool();

  // What is written to it goes into the file, up to the bound; then nobody reads it any more. Non-blocking,
  // so for an event loop.
  [[nodiscard]] int writing_end() const { return writing_.get(); }
  // Once everything has been written: the file, at its beginning. kHostLacks without space, kFailure when it
  // was more than allowed.
  Result<int> finish();

 private:
  // Of the thread that moves the bytes; at an address that stays.
  struct Mover {
    UniqueFd reading, file;
    std::uint64_t left = 0;
    Result<void> outcome;
    void run();
  };

  Spool(std::unique_ptr<Mover> mover, UniqueFd writing);

  std::unique_ptr<Mover> mover_;
  UniqueFd writing_;
  std::thread thread_;
};

}  // namespace tl::build
