// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/layer_blob.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "common/io.hpp"
#include "common/sha256.hpp"
#include "runtime/storage/archive_writer.hpp"
#include "runtime/storage/ext4_tar.hpp"

namespace tl::storage::oci {
namespace {

// runtime/guest/agent/configure.cpp writes these. Links in their places are the image's.
constexpr std::array<std::string_view, 4> kOfTheSandbox = {"etc/hostname", "etc/hosts", "etc/resolv.conf",
                                                           "etc/machine-id"};

bool is_left_out(const Ext4Met& met) {
  if (met.path == "lost+found") return met.inode.is_folder();
  return std::holds_alternative<Ext4File>(met.inode.content) &&
         std::find(kOfTheSandbox.begin(), kOfTheSandbox.end(), met.path) != kOfTheSandbox.end();
}

}  // namespace

Result<LayerBlob> write_layer(Ext4Reader& reader, int fd, const LongWork& work) {
  LayerBlob blob;
  Sha256 packed;
  Sha256 unpacked;
  auto gzip = ArchiveWriter::open(ArchiveWriter::Form::kGzip, [&](std::span<const std::byte> bytes) {
    packed.update(bytes);
    blob.size_bytes += bytes.size();
    return write_all(fd, bytes);
  });
  if (!gzip) return gzip.error();
  auto written = write_tar(
      reader, is_left_out,
      [&](std::span<const std::byte> bytes) {
        unpacked.update(bytes);
        return (*gzip)->data(bytes);
      },
      work);
  if (!written) return written.error();
  if (auto closed = (*gzip)->close(); !closed) return closed.error();
  blob.digest = "sha256:" + packed.finish();
  blob.diff_id = "sha256:" + unpacked.finish();
  return blob;
}

}  // namespace tl::storage::oci
