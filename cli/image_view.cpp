// SPDX-License-Identifier: Apache-2.0
#include "cli/image_view.hpp"

#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/age.hpp"
#include "cli/table.hpp"
#include "common/time.hpp"

namespace tl::cli {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string result;
  for (const auto& word : words) result += (result.empty() ? "" : " ") + word;
  return result;
}

}  // namespace

nlohmann::ordered_json image_json(const ImageInfo& image) {
  return {{"name", image.name},
          {"digest", image.digest},
          {"size_bytes", image.size_bytes},
          {"description", image.description},
          {"created_at", format_utc(image.created_at)}};
}

nlohmann::ordered_json image_json(const ImageDetails& details) {
  auto json = image_json(details.image);
  json["source_digest"] = details.source_digest.empty() ? nlohmann::ordered_json(nullptr)
                                                        : nlohmann::ordered_json(details.source_digest);
  json["architecture"] = details.architecture;
  json["used_bytes"] = details.used_bytes;
  json["disk_mb"] = details.disk_mb;
  json["config"] = {{"env", details.env},
                    {"working_dir", details.working_dir},
                    {"user", details.user},
                    {"entrypoint", details.entrypoint},
                    {"cmd", details.cmd}};
  json["sandboxes"] = details.sandboxes;
  json["snapshots"] = details.snapshots;
  return json;
}

std::string image_details(const ImageDetails& details, std::chrono::system_clock::time_point now) {
  std::string text;
  const auto add = [&text](std::string_view label, std::string_view value) {
    if (!value.empty()) text += fmt::format("{:<17}{}\n", fmt::format("{}:", label), printable(value));
  };
  add("Name", details.image.name);
  add("Digest", details.image.digest);
  add("Source", details.image.description);
  add("Source digest", details.source_digest);
  add("Architecture", details.architecture);
  add("Disk", fmt::format("{} MB", details.disk_mb));
  add("Used", size(details.used_bytes));
  add("Created", age(details.image.created_at, now));
  for (const auto& variable : details.env) add("Env", variable);
  add("Working folder", details.working_dir);
  add("User", details.user);
  add("Entrypoint", joined(details.entrypoint));
  add("Command", joined(details.cmd));
  add("Sandboxes", joined(details.sandboxes));
  add("Snapshots", joined(details.snapshots));
  return text;
}

}  // namespace tl::cli
