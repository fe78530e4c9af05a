// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/unique_fd.hpp"
#include "runtime/storage/oci/image_files.hpp"

namespace tl::storage::oci {

// The members of a tar that is not compressed, read in place: an index of where each begins is made at once.
// Links between members are followed within the archive (old versions of Docker save a layer that several
// images share as one file and links to it). Of several members of one name the last one counts.
class TarFiles final : public ImageFiles {
 public:
  static constexpr std::size_t kMaxMembers = 100'000;
  static constexpr int kMaxLinks = 8;

  // kOutOfRange when it is no whole tar, or has too many members. The descriptor must be one of a file.
  static Result<std::unique_ptr<TarFiles>> open(UniqueFd file);

  Result<File> open(const std::string& path) override;

 private:
  struct Member {
    std::int64_t header_offset = 0;
    std::uint64_t size_bytes = 0;
    std::string target;  // of a link, from the archive's root; not empty: it is one
    bool is_file = false;
  };

  explicit TarFiles(UniqueFd file) : file_(std::move(file)) {}
  Result<void> make_index();

  UniqueFd file_;
  std::map<std::string, Member, std::less<>> members_;
};

}  // namespace tl::storage::oci
