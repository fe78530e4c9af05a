// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "runtime/storage/ext4_reader.hpp"
#include "runtime/storage/long_work.hpp"

namespace tl::storage::oci {

struct LayerBlob {
  std::string digest;   // of the file, "sha256:…"
  std::string diff_id;  // of the tar in it
  std::uint64_t size_bytes = 0;
};

// Writes a file system as one layer (tar+gzip) to a file. Left out is what is no part of an image:
// lost+found, and the files that tl's agent, like every container runtime, puts into each sandbox anew
// (etc/hostname, etc/hosts, etc/resolv.conf, etc/machine-id). The same file system makes the same bytes. Not
// synced.
Result<LayerBlob> write_layer(Ext4Reader& reader, int fd, const LongWork& work);

}  // namespace tl::storage::oci
