// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/default_image.hpp"

#include <fcntl.h>

#include <fmt/format.h>

#include "common/io.hpp"
#include "runtime/storage/default_image_bootstrap.hpp"
#include "runtime/storage/default_image_recipe.hpp"
#include "runtime/storage/ext4_builder.hpp"
#include "runtime/storage/tar_import.hpp"

namespace tl::storage {
namespace {

constexpr std::size_t kMaxReleaseBytes = 1 << 16;

Result<DefaultImageRecipe> recipe_of_host() {
  const auto text = read_file(AT_FDCWD, "/etc/os-release", kMaxReleaseBytes);
  if (!text) return text.error();
  const auto release = parse_host_release(*text);
  if (!release) return release.error();
  const auto sources = host_apt_sources("/etc/apt", *release);
  if (!sources) return sources.error();
  return default_image_recipe(*release, *sources);
}

Result<void> build(const std::string& root_file, const DefaultImageRecipe& recipe,
                   const DefaultImageOptions& options) {
  auto bootstrap = Bootstrap::start(recipe, options.progress, options.cancelled);
  if (!bootstrap) return bootstrap.error();
  auto builder = Ext4Builder::create(root_file, {.size_mib = options.disk_mib});
  if (!builder) return builder.error();
  const auto added = add_tar(**builder, (*bootstrap)->source());
  // An archive that broke off did so because mmdebstrap failed, whose reason is the better one.
  if (!added && !(*bootstrap)->ended()) return added.error();
  if (auto ended = (*bootstrap)->finish(); !ended) return ended;
  if (!added) return added.error();
  return (*builder)->finish();
}

}  // namespace

Result<Image> build_default_image(ImageStore& store, const DefaultImageOptions& options) {
  const auto recipe = recipe_of_host();
  if (!recipe) return recipe.error().within("make the default image");
  const ImageStore::Recipe entry{
      .digest = image_digest(
          fmt::format("{}\n{} MiB\n{}", describe_recipe(*recipe), options.disk_mib, options.edition)),
      .source = recipe->release.pretty_name,
      .disk_mib = options.disk_mib,
      .config = recipe->config};
  return store.add(options.name, entry, [&recipe, &options](const std::filesystem::path& root_file) {
    return build(root_file, *recipe, options);
  });
}

}  // namespace tl::storage
