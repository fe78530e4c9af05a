// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/images.hpp"

#include "runtime/storage/default_image.hpp"
#include "runtime/storage/image_store.hpp"

namespace tl {
namespace {

storage::DefaultImageOptions with_progress(const Runtime::Progress& progress) {
  storage::DefaultImageOptions options;
  if (progress) options.progress = [&progress](const std::string& line) { progress(line); };
  return options;
}

}  // namespace

Result<std::string> make_default_image(const std::string& store, const Runtime::Progress& progress) {
  auto opened = storage::ImageStore::open(store, {});
  if (!opened) return opened.error();
  const auto image = storage::build_default_image(*opened, with_progress(progress));
  if (!image) return image.error();
  return image->manifest.digest;
}

}  // namespace tl
