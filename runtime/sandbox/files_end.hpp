// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/guest/protocol/messages.hpp"
#include "runtime/registry/record.hpp"
#include "runtime/sandbox/exec_client.hpp"

namespace tl {

// The end of a copy that is in a sandbox. Once.
class FilesEnd {
 public:
  // `request` needs only an operation, a form and, for one that puts, a name. `control` is a connected
  // control socket.
  FilesEnd(registry::SandboxRecord record, guest::FilesRequest request, UniqueFd control);

  [[nodiscard]] const registry::SandboxRecord& record() const { return record_; }
  guest::FilesRequest& request() { return request_; }

  struct Done {
    std::uint64_t bytes = 0;   // of contents; of one that puts
    std::string warning;       // one sentence, or empty
    bool reader_gone = false;  // streams.out took no more
  };
  // Blocks until it has ended. Of `streams` stdout matters for one that gets and stdin for one that puts; a
  // signal ends it. The guest's own words in errors and warnings are made printable.
  Result<Done> run(ExecStreams streams);

 private:
  registry::SandboxRecord record_;
  guest::FilesRequest request_;
  UniqueFd control_;
};

}  // namespace tl
