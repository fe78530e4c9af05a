// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "runtime/storage/ext4_stream.hpp"
#include "runtime/storage/ext4_tree.hpp"
#include "runtime/storage/ext4_volume.hpp"

namespace tl::storage {

// Makes an ext4 file system with contents on a new sparse file: no root, no mounting. Paths, links and layers
// are those of Ext4Tree; what comes later under the same path wins. One thread at a time. After an error the
// object is good for nothing but destruction, and the file is to be deleted by whoever named it.
//
// Same contents, different image: the UUID and the hash seed are random.
class Ext4Builder {
 public:
  // Raised when the same input makes a different file system; part of the digests of images.
  static constexpr int kFormatVersion = 1;

  struct Options {
    std::uint64_t size_mib = 10240;
    std::string label = "tl-root";
    Ext4Tree::Links links = Ext4Tree::Links::kRefuse;  // on the way to what a path names
  };

  static Result<std::unique_ptr<Ext4Builder>> create(const std::string& path, const Options& options);

  [[nodiscard]] std::uint64_t size_bytes() const { return volume_.size_bytes(); }

  Result<void> add_directory(std::string_view path, Ext4Attributes attributes);
  Result<void> add_symlink(std::string_view path, std::string_view target, Ext4Attributes attributes);
  Result<void> add_special(std::string_view path, const Ext4Special& special, Ext4Attributes attributes);
  Result<void> add_hard_link(std::string_view path, std::string_view existing);
  Result<bool> remove(std::string_view path);
  Result<bool> has(std::string_view path);

  void begin_layer() { tree_.begin_layer(); }
  Result<void> hide(std::string_view path) { return tree_.hide(path); }
  Result<void> hide_contents(std::string_view folder) { return tree_.hide_contents(folder); }

  // A regular file: any number of writes in ascending order, then its name. Zeroes and what is left out
  // become holes.
  Result<void> write(std::uint64_t offset, std::span<const std::byte> bytes);
  Result<void> add_file(std::string_view path, std::uint64_t size_bytes, Ext4Attributes attributes);

  // Writes everything; the file is complete and durable when this returns. Nothing may be added any more.
  Result<void> finish();

 private:
  Ext4Builder(Ext4Volume volume, Ext4Tree::Links links);

  Ext4Volume volume_;
  Ext4Stream stream_;
  Ext4Tree tree_;
};

}  // namespace tl::storage
