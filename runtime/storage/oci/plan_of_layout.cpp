// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/printable.hpp"
#include "runtime/storage/oci/choice.hpp"
#include "runtime/storage/oci/digest.hpp"
#include "runtime/storage/oci/documents.hpp"
#include "runtime/storage/oci/plan.hpp"

namespace tl::storage::oci {
namespace {

constexpr int kMaxNesting = 4;  // indexes within indexes
constexpr std::size_t kMaxShown = 80;

std::string blob_path(const std::string& digest) {
  return fmt::format("blobs/sha256/{}", digits_of(digest));
}

// A document that a descriptor tells of.
Result<std::string> read_blob(ImageFiles& files, const Descriptor& descriptor, const std::string& what) {
  if (descriptor.size_bytes > kMaxDocumentBytes) {
    return Error{ErrorCode::kOutOfRange, fmt::format("{}: longer than {} KiB", what, kMaxDocumentBytes >> 10),
                 ""};
  }
  auto file = files.open(blob_path(descriptor.digest));
  if (!file) return file.error().within(what);
  return read_all(verified(std::move(file->source), descriptor.digest, descriptor.size_bytes, what),
                  kMaxDocumentBytes, what);
}

// Every name that a manifest of index.json goes by. Docker and containerd have the repository in another one.
std::vector<std::string> names_of(const Descriptor& descriptor) {
  std::vector<std::string> names;
  for (const char* annotation : {"io.containerd.image.name", "org.opencontainers.image.ref.name"}) {
    const auto found = descriptor.annotations.find(annotation);
    if (found == descriptor.annotations.end() || found->second.empty()) continue;
    names.push_back(found->second);
    if (const auto shorter = familiar(found->second); shorter != found->second) names.push_back(shorter);
  }
  return names;
}

bool is_for_here(const Descriptor& descriptor) {
  return descriptor.os == "linux" && descriptor.architecture == host_architecture();
}

// Of manifests for several platforms.
Result<Descriptor> choose_platform(const std::vector<Descriptor>& manifests) {
  std::vector<Descriptor> right;
  std::vector<Descriptor> untold;
  std::set<std::string> platforms;
  for (const Descriptor& each : manifests) {
    if (each.is_about_another()) continue;
    platforms.insert(make_printable(each.os + "/" + each.architecture, kMaxShown));
    if (is_for_here(each)) right.push_back(each);
    if (each.os.empty() && each.architecture.empty()) untold.push_back(each);
  }
  if (!right.empty()) return right.front();
  if (untold.size() == 1) return untold.front();
  constexpr std::size_t kMost = 12;
  std::vector<std::string> shown(platforms.begin(), platforms.end());
  if (shown.size() > kMost) shown.resize(kMost);
  return Error{ErrorCode::kOutOfRange,
               fmt::format("there is no image for linux/{} in it{}{}", host_architecture(),
                           shown.empty() ? "" : ", but for ", fmt::join(shown, ", ")),
               ""};
}

// What index.json calls so.
Result<Descriptor> choose_name(const std::vector<Descriptor>& manifests, const std::string& wanted) {
  std::vector<Descriptor> found;
  std::vector<std::string> all_names;
  std::set<std::string> digests;
  bool named = false;
  for (const Descriptor& each : manifests) {
    if (each.is_about_another()) continue;
    const auto names = names_of(each);
    named = named || !names.empty();
    if (!names.empty()) all_names.push_back(names.back());
    const bool meant = wanted.empty() || std::find(names.begin(), names.end(), wanted) != names.end() ||
                       each.digest == wanted;
    if (!meant) continue;
    found.push_back(each);
    digests.insert(each.digest);
  }
  if (digests.size() == 1) return found.front();
  if (found.empty() && wanted.empty()) return Error{ErrorCode::kOutOfRange, "there is no image in it", ""};
  // One image for several platforms that somebody has listed here rather than in an index.
  const bool platforms = !found.empty() && (!named || !wanted.empty());
  if (platforms) return choose_platform(found);
  return not_chosen(wanted, std::move(all_names));
}

Result<Plan> plan_of_manifest(ImageFiles& files, const Descriptor& descriptor) {
  const auto text = read_blob(files, descriptor, "image manifest");
  if (!text) return text.error();
  const auto manifest = parse_manifest(*text);
  if (!manifest) return manifest.error();
  const auto config_text = read_blob(files, manifest->config, "image config");
  if (!config_text) return config_text.error();
  auto config = parse_config(*config_text);
  if (!config) return config.error();
  if (auto right = check_platform(config->os, config->architecture); !right) return right.error();
  const bool told = !config->diff_ids.empty();
  if (told && config->diff_ids.size() != manifest->layers.size()) {
    return Error{ErrorCode::kOutOfRange,
                 fmt::format("image config: tells of {} layers, the manifest of {}", config->diff_ids.size(),
                             manifest->layers.size()),
                 ""};
  }
  Plan plan{descriptor.digest, "", std::move(config->image), {}};
  for (std::size_t i = 0; i < manifest->layers.size(); ++i) {
    const Descriptor& layer = manifest->layers[i];
    plan.layers.push_back({blob_path(layer.digest), layer.digest, layer.size_bytes,
                           told ? config->diff_ids[i] : std::string()});
  }
  return plan;
}

}  // namespace

Result<Plan> plan_of_layout(ImageFiles& files, const std::string& wanted) {
  const auto layout = read_document(files, "oci-layout");
  if (!layout) return layout.error();
  if (auto known = check_layout(*layout); !known) return known.error();
  const auto text = read_document(files, "index.json");
  if (!text) return text.error();
  auto manifests = parse_index(*text);
  if (!manifests) return manifests.error();
  auto chosen = choose_name(*manifests, wanted);
  if (!chosen) return chosen.error();
  const auto names = names_of(*chosen);
  for (int depth = 0; chosen->is_index(); ++depth) {
    if (depth == kMaxNesting) return Error{ErrorCode::kOutOfRange, "image index: nested too deeply", ""};
    const auto inner_text = read_blob(files, *chosen, "image index");
    if (!inner_text) return inner_text.error();
    const auto inner = parse_index(*inner_text);
    if (!inner) return inner.error();
    chosen = choose_platform(*inner);
    if (!chosen) return chosen.error();
  }
  if (!chosen->is_manifest()) {
    return Error{ErrorCode::kOutOfRange,
                 fmt::format("image index: has a manifest of the kind \"{}\", which tl does not know",
                             make_printable(chosen->media_type, kMaxShown)),
                 ""};
  }
  auto plan = plan_of_manifest(files, *chosen);
  if (plan && !names.empty()) plan->name = names.front();
  return plan;
}

}  // namespace tl::storage::oci
