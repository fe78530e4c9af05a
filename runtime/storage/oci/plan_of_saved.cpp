// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/format.h>

#include "common/sha256.hpp"
#include "runtime/storage/oci/choice.hpp"
#include "runtime/storage/oci/documents.hpp"
#include "runtime/storage/oci/plan.hpp"

namespace tl::storage::oci {
namespace {

bool is_called(const SavedImage& image, const std::string& wanted) {
  return std::any_of(image.names.begin(), image.names.end(), [&wanted](const std::string& name) {
    return name == wanted || familiar(name) == wanted || name == wanted + ":latest" ||
           familiar(name) == wanted + ":latest";
  });
}

Result<SavedImage> choose(const std::vector<SavedImage>& images, const std::string& wanted) {
  if (images.empty()) return Error{ErrorCode::kOutOfRange, "there is no image in it", ""};
  if (wanted.empty() && images.size() == 1) return images.front();
  std::vector<std::string> names;
  for (const SavedImage& image : images) {
    if (!wanted.empty() && is_called(image, wanted)) return image;
    names.insert(names.end(), image.names.begin(), image.names.end());
  }
  return not_chosen(wanted, std::move(names));
}

}  // namespace

// The archive names no digests: the config is taken as it is, and its diff_ids tell of every layer.
Result<Plan> plan_of_saved(ImageFiles& files, const std::string& wanted) {
  const auto text = read_document(files, "manifest.json");
  if (!text) return text.error();
  const auto images = parse_saved_images(*text);
  if (!images) return images.error();
  const auto chosen = choose(*images, wanted);
  if (!chosen) return chosen.error();
  const auto config_text = read_document(files, chosen->config);
  if (!config_text) return config_text.error();
  auto config = parse_config(*config_text);
  if (!config) return config.error();
  if (auto right = check_platform(config->os, config->architecture); !right) return right.error();
  if (config->diff_ids.size() != chosen->layers.size()) {
    return Error{ErrorCode::kOutOfRange,
                 fmt::format("image config: tells of {} layers, manifest.json of {}", config->diff_ids.size(),
                             chosen->layers.size()),
                 ""};
  }
  Plan plan{"sha256:" + sha256_hex(*config_text),
            chosen->names.empty() ? "" : chosen->names.front(),
            std::move(config->image),
            {}};
  for (std::size_t i = 0; i < chosen->layers.size(); ++i)
    plan.layers.push_back({chosen->layers[i], std::nullopt, std::nullopt, config->diff_ids[i]});
  return plan;
}

}  // namespace tl::storage::oci
