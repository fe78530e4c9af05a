// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/storage/tar_source.hpp"

namespace tl::storage::oci {

// The files of an image: a folder, or an archive of one. Paths are relative and come from documents of
// strangers: what leads out of the image is kOutOfRange, what is not there kNotFound. One thread.
class ImageFiles {
 public:
  struct File {
    ByteSource source;  // independent of the others; the ImageFiles must outlive it
    std::uint64_t size_bytes = 0;
  };

  virtual ~ImageFiles() = default;
  ImageFiles(const ImageFiles&) = delete;
  ImageFiles& operator=(const ImageFiles&) = delete;

  // A regular file.
  [[nodiscard]] virtual Result<File> open(const std::string& path) = 0;

 protected:
  ImageFiles() = default;
};

// A whole file, refused (kOutOfRange) beyond kMaxDocumentBytes.
Result<std::string> read_document(ImageFiles& files, const std::string& path);

// A folder of the host. No symbolic link is followed, not even one that stays inside.
class FolderFiles final : public ImageFiles {
 public:
  // Blobs, "blobs/…", may lie in a folder of their own.
  explicit FolderFiles(UniqueFd folder, UniqueFd blobs = UniqueFd())
      : folder_(std::move(folder)), blobs_(std::move(blobs)) {}
  Result<File> open(const std::string& path) override;

 private:
  UniqueFd folder_;
  UniqueFd blobs_;
};

}  // namespace tl::storage::oci
