// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/storage/image_manifest.hpp"

namespace tl::storage {

// What a sandbox is made from when nobody names an image.
inline constexpr const char* kDefaultImageName = "default";

struct Image {
  std::string name;
  std::filesystem::path root_file;  // the file system, raw, sparse, never written again
  ImageManifest manifest;
};

// The images of this host: those of the caller's own root, which is the only one written to, then those of
// read-only system roots (what a package installed). Under each root:
//
//   images/sha256-<hex>/root.ext4      mode 0444
//   images/sha256-<hex>/manifest.json  last: without it the folder is half-made
//   images/names/<name>                {"schema_version", "digest"}; replaced atomically
//   images/layers/                     fetched from registries: oci::BlobCache
//   images/locks/sha256-<hex>          held by whoever makes or removes that image; empty, never deleted
//
// The digest is that of what an image is made from (image_digest()), known before it is made: whoever asks
// for the same thing again finds it, and two who ask at once make it once. A name of the own root hides the
// same name of a system root. Any number of processes; an object is for one thread at a time.
class ImageStore {
 public:
  struct Listing {
    std::vector<Image> images;          // by name
    std::vector<std::string> problems;  // one sentence for every name whose image is missing or damaged
  };
  // What the maker of an image knows of it beforehand.
  struct Recipe {
    std::string digest;
    std::string source;
    std::string source_digest;
    std::uint64_t disk_mib = 0;
    ImageConfig config;
  };
  // Makes the file system at the path, which does not exist yet; on failure what it left is removed.
  using Build = std::function<Result<void>(const std::filesystem::path& root_file)>;
  using InUse = std::function<bool(const std::string& digest)>;

  // Makes the folders of `root` when missing.
  static Result<ImageStore> open(const std::filesystem::path& root,
                                 std::vector<std::filesystem::path> system_roots);

  // Gives the image of `recipe` the name, taking it from another image if need be; builds it only when there
  // is none yet, waiting for somebody who is building it right now. Sweeps first. A kill at any point leaves
  // the name as it was.
  Result<Image> add(const std::string& name, const Recipe& recipe, const Build& build);

  // kNotFound, or kHostLacks when it is the default image that is missing; kOutOfRange for a malformed name,
  // kFailure for a damaged image.
  [[nodiscard]] Result<Image> find(const std::string& name) const;
  [[nodiscard]] Result<Image> find_digest(const std::string& digest) const;
  [[nodiscard]] Result<Listing> list() const;

  // Takes the name away and, when it was the last of its image, the image. kConflict while that is in use,
  // and for names of system roots.
  Result<void> remove(const std::string& name, const InUse& in_use);

  // Removes the images that no name stands for any more, because it was given to another, and that are not in
  // use. Returns how many.
  Result<std::size_t> remove_nameless(const InUse& in_use);

  // The own root's images/, for files that are removed again. make_folder() makes it when missing.
  [[nodiscard]] const std::filesystem::path& folder() const { return roots_.front(); }
  Result<void> make_folder() { return open_for_writing(); }

  // Removes half-made images that nobody is making any more, and temporary files of names. Returns how many.
  Result<std::size_t> sweep();

 private:
  explicit ImageStore(std::vector<std::filesystem::path> roots) : roots_(std::move(roots)) {}
  [[nodiscard]] const std::filesystem::path& own() const { return roots_.front(); }
  // Makes the own root's folders. Before names_ and locks_ are used.
  Result<void> open_for_writing();
  Result<Image> make(const std::string& name, const Recipe& recipe, const Build& build);
  Result<void> set_name(const std::string& name, const std::string& digest);
  Result<void> drop_name(const std::string& name);

  std::vector<std::filesystem::path> roots_;  // the images/ folders; the own one first
  UniqueFd names_;
  UniqueFd locks_;
};

}  // namespace tl::storage
