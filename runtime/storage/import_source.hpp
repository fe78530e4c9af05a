// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "runtime/storage/ext4_builder.hpp"
#include "runtime/storage/image_manifest.hpp"
#include "runtime/storage/import_watch.hpp"
#include "runtime/storage/oci/plan.hpp"

namespace tl::storage {

// Something that an image can be made from. One thread.
class ImportSource {
 public:
  struct Origin {
    std::string kind;    // "layers", "archive", "folder": the same bytes mean other things in another kind
    std::string digest;  // "sha256:…" of what it is
    std::string source;  // for people: where it comes from
    std::string name;    // a valid image name
    ImageConfig config;
  };

  virtual ~ImportSource() = default;
  ImportSource(const ImportSource&) = delete;
  ImportSource& operator=(const ImportSource&) = delete;

  [[nodiscard]] const Origin& origin() const { return origin_; }
  // Puts all of it into a new file system. The builder resolves links (Ext4Tree::Links).
  virtual Result<void> fill(Ext4Builder& builder, const ImportWatch& watch) = 0;

 protected:
  explicit ImportSource(Origin origin) : origin_(std::move(origin)) {}

 private:
  Origin origin_;
};

// A file or folder of the host, of whichever kind it is: an OCI image layout, what `docker save` wrote, or a
// root file system. Of an archive that is compressed the contents are kept in a file without a name in
// `scratch` meanwhile, `disk_bytes` at most. Errors as oci::plan_of_layout()'s; `wanted` as there, and
// kOutOfRange where there is nothing to choose from.
Result<std::unique_ptr<ImportSource>> open_import_source(const std::string& path, const std::string& wanted,
                                                         const std::filesystem::path& scratch,
                                                         std::uint64_t disk_bytes, const ImportWatch& watch);

// An image with layers whose files somebody else has put together.
std::unique_ptr<ImportSource> layered_source(std::unique_ptr<oci::ImageFiles> files, oci::Plan plan,
                                             std::string source, std::string name);

}  // namespace tl::storage
