// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot/template_store.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/snapshot/manifest_json.hpp"

namespace tl::snapshot {
namespace {

using nlohmann::ordered_json;

constexpr const char* kFolder = "templates";
constexpr std::uint64_t kSchemaVersion = 1;

struct Manifest {
  std::uint64_t size_bytes = 0;
  std::string details;
};

Result<Manifest> parse(const std::string& key, std::string_view text) {
  const auto damaged = [&](std::string_view why) {
    return Error{ErrorCode::kFailure, fmt::format("template {}: damaged manifest.json: {}", key, why), ""};
  };
  try {
    const auto document = parse_manifest_json(text);
    if (document.at("schema_version") != kSchemaVersion) return damaged("its schema version is unknown");
    if (document.at("key") != key) return damaged("it is another's");
    const ordered_json& size = document.at("size_bytes");
    if (!size.is_number_unsigned()) return damaged("`size_bytes` is no size");
    return Manifest{size.get<std::uint64_t>(), document.at("details").dump()};
  } catch (const ordered_json::exception& error) {
    return damaged(error.what());
  }
}

std::string manifest_text(const std::string& key, const Manifest& manifest) {
  const ordered_json document = {{"schema_version", kSchemaVersion},
                                 {"key", key},
                                 {"size_bytes", manifest.size_bytes},
                                 {"details", parse_manifest_json(manifest.details)}};
  return document.dump(2) + "\n";
}

Error not_a_manifest(const ordered_json::exception& error) {
  return Error{ErrorCode::kOutOfRange, fmt::format("a template's manifest: {}", error.what()), ""};
}

struct Candidate {
  std::string key;
  std::int64_t last_used_ns = 0;
  std::uint64_t size_bytes = 0;
};

}  // namespace

Result<TemplateStore> TemplateStore::open(const std::filesystem::path& state_folder) {
  auto artefacts = ArtefactStore::open(state_folder / kFolder, "template");
  if (!artefacts) return artefacts.error();
  return TemplateStore(*std::move(artefacts));
}

Result<void> TemplateStore::commit(ArtefactDraft draft, const std::string& details) {
  try {
    const std::string text = manifest_text(draft.key(), {draft.allocated_bytes(), details});
    return std::move(draft).commit(text);
  } catch (const ordered_json::exception& error) {
    return not_a_manifest(error);
  }
}

Result<void> TemplateStore::amend(const std::string& key, const std::string& details) {
  const auto pin = artefacts_.pin(key);
  if (!pin) return pin.error();
  const auto manifest = parse(key, pin->manifest());
  if (!manifest) return manifest.error();
  try {
    return artefacts_.amend(*pin, manifest_text(key, {manifest->size_bytes, details}));
  } catch (const ordered_json::exception& error) {
    return not_a_manifest(error);
  }
}

Result<TemplateStore::Template> TemplateStore::find(const std::string& key) {
  auto pin = artefacts_.pin(key);
  if (!pin) return pin.error();
  auto manifest = parse(key, pin->manifest());
  if (!manifest) return manifest.error();
  if (auto touched = artefacts_.touch(*pin); !touched) return touched.error();
  return Template{*std::move(pin), std::move(manifest->details), manifest->size_bytes};
}

Result<std::size_t> TemplateStore::shrink_to(std::uint64_t max_bytes) {
  const auto keys = artefacts_.keys();
  if (!keys) return keys.error();
  std::vector<Candidate> candidates;
  std::uint64_t total = 0;
  for (const std::string& key : *keys) {
    const auto text = artefacts_.manifest(key);
    const auto used = artefacts_.last_used_ns(key);
    if (!text || !used) continue;  // removed meanwhile
    const auto manifest = parse(key, *text);
    // What is damaged is of no use to anybody, however large it is.
    candidates.push_back(manifest ? Candidate{key, *used, manifest->size_bytes} : Candidate{key, 0, 0});
    total += candidates.back().size_bytes;
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.last_used_ns < b.last_used_ns; });
  std::size_t gone = 0;
  for (const Candidate& candidate : candidates) {
    if (total <= max_bytes && candidate.last_used_ns != 0) break;
    const auto removed = artefacts_.remove(candidate.key);
    if (!removed && removed.error().code == ErrorCode::kConflict) continue;  // in use
    if (!removed && removed.error().code != ErrorCode::kNotFound) return removed.error();
    total -= candidate.size_bytes;
    gone += removed ? 1 : 0;
  }
  return gone;
}

}  // namespace tl::snapshot
