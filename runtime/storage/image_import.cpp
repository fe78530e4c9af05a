// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/image_import.hpp"

#include <fcntl.h>

#include <array>
#include <utility>

#include <fmt/format.h>

#include "common/io.hpp"
#include "common/printable.hpp"
#include "runtime/storage/ext4_builder.hpp"
#include "runtime/storage/image_name.hpp"
#include "runtime/storage/image_reference.hpp"
#include "runtime/storage/import_source.hpp"

namespace tl::storage {
namespace {

namespace fs = std::filesystem;

// Raised when the same source makes another image; part of the digests.
constexpr int kFormatVersion = 1;
constexpr std::size_t kMaxMessage = 1000;

fs::path cache_folder(const ImageStore& store) {
  return store.folder() / "layers";
}

Result<void> add_if_missing(Ext4Builder& builder, std::string_view path, std::uint32_t mode) {
  const auto there = builder.has(path);
  if (!there) return there.error();
  return *there ? Result<void>() : builder.add_directory(path, {.mode = mode});
}

// What a guest needs to mount things on, or to write to before anybody has made it; images "from scratch"
// have none of it. The folder that commands begin in is for whoever runs the image to make, too. What is
// there stays as it is.
Result<void> add_missing_folders(Ext4Builder& builder, const std::string& working_dir) {
  struct Folder {
    const char* path;
    std::uint32_t mode;
  };
  constexpr std::array kFolders = {Folder{"dev", 0755}, Folder{"etc", 0755}, Folder{"proc", 0555},
                                   Folder{"run", 0755}, Folder{"sys", 0555}, Folder{"tmp", 01777}};
  for (const auto& [path, mode] : kFolders) {
    if (auto added = add_if_missing(builder, path, mode); !added) return added;
  }
  if (working_dir.empty()) return {};
  auto added = add_if_missing(builder, working_dir, 0755);
  return added ? added : added.error().within("working folder");
}

Result<Image> add_to(ImageStore& store, const ImageImport& import, ImportSource& source) {
  const ImportSource::Origin& origin = source.origin();
  const ImageStore::Recipe recipe{
      .digest = image_digest(fmt::format("import {}\n{} {}\n{} MiB", kFormatVersion, origin.kind,
                                         origin.digest, import.disk_mib)),
      .source = make_printable(origin.source, kMaxMessage),
      .source_digest = origin.digest,
      .disk_mib = import.disk_mib,
      .config = origin.config};
  const auto build = [&import, &source](const fs::path& root_file) -> Result<void> {
    auto builder =
        Ext4Builder::create(root_file, {.size_mib = import.disk_mib, .links = Ext4Tree::Links::kResolve});
    if (!builder) return builder.error();
    if (auto filled = source.fill(**builder, import.watch); !filled) return filled;
    if (auto added = add_missing_folders(**builder, source.origin().config.working_dir); !added) return added;
    import.watch.tell("writing the file system");
    return (*builder)->finish();
  };
  return store.add(import.name.value_or(origin.name), recipe, build);
}

Result<Image> import_fetched(ImageStore& store, const ImageImport& import, const std::string& address) {
  auto cache = oci::BlobCache::open(cache_folder(store), import.watch);
  if (!cache) return cache.error();
  if (auto fetched = oci::fetch_image(address, import.trust, *cache, import.disk_mib << 20, import.watch);
      !fetched) {
    cache->trim();
    return fetched.error();
  }
  auto layout = open_at(AT_FDCWD, cache->layout(), O_RDONLY | O_DIRECTORY);
  if (!layout) return layout.error();
  auto blobs = open_at(AT_FDCWD, cache->blobs(), O_RDONLY | O_DIRECTORY);
  if (!blobs) return blobs.error();
  auto files = std::make_unique<oci::FolderFiles>(*std::move(layout), *std::move(blobs));
  auto plan = oci::plan_of_layout(*files, "");
  if (!plan) return plan.error();
  const auto layers = plan->layers;
  const auto source = layered_source(std::move(files), *std::move(plan), address, image_name_for(address));
  auto image = add_to(store, import, *source);
  // A layer that was damaged on the disk here would be found again and again.
  const bool damaged = !image && image.error().code == ErrorCode::kOutOfRange;
  for (const auto& layer : layers) {
    if (!layer.digest) continue;
    damaged ? cache->remove(*layer.digest) : cache->touch(*layer.digest);
  }
  cache->trim();
  return image;
}

Result<Image> import_here(ImageStore& store, const ImageImport& import, const ImageReference& reference) {
  const auto source = open_import_source(reference.path, reference.wanted, store.folder(),
                                         import.disk_mib << 20, import.watch);
  if (!source) return source.error();
  return add_to(store, import, **source);
}

}  // namespace

Result<Image> import_image(ImageStore& store, const ImageImport& import) {
  if (import.name) {
    if (auto valid = check_image_name(*import.name); !valid) return valid.error();
  }
  const auto reference = parse_image_reference(import.reference);
  if (!reference) return reference.error();
  if (auto made = store.make_folder(); !made) return made.error();
  auto image = reference->place == ImageReference::Place::kFetched
                   ? import_fetched(store, import, reference->address)
                   : import_here(store, import, *reference);
  if (image) return image;
  // What is said of a stranger's files has their names in it.
  const Error& error = image.error();
  const std::string shown = make_printable(import.reference, kMaxMessage);
  return Error{error.code, make_printable("import " + shown + ": " + error.message, kMaxMessage), error.hint};
}

Result<std::size_t> clear_fetched_layers(const ImageStore& store) {
  return oci::BlobCache::clear(cache_folder(store));
}

}  // namespace tl::storage
