// SPDX-License-Identifier: Apache-2.0
#include "cli/image_view.hpp"

#include <nlohmann/json.hpp>

#include "common/time.hpp"

namespace tl::cli {

nlohmann::ordered_json image_json(const ImageInfo& image) {
  return {{"name", image.name},
          {"digest", image.digest},
          {"size_bytes", image.size_bytes},
          {"description", image.description},
          {"created_at", format_utc(image.created_at)}};
}

}  // namespace tl::cli
