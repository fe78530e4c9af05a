// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/apply.hpp"

#include <utility>

#include <fmt/format.h>

#include "runtime/storage/oci/digest.hpp"
#include "runtime/storage/tar_import.hpp"

namespace tl::storage::oci {
namespace {

Result<void> apply_layer(Ext4Builder& builder, ImageFiles& files, const Plan::Layer& layer,
                         UnpackingBudget& budget, const ImportWatch& watch, const std::string& called) {
  auto file = files.open(layer.path);
  if (!file) return file.error();
  ByteSource source = watched(std::move(file->source), watch, called, file->size_bytes);
  if (layer.digest) {
    source = layer.size_bytes ? verified(std::move(source), *layer.digest, *layer.size_bytes, "its blob")
                              : verified(std::move(source), *layer.digest, "its blob");
  }
  source = decompressed(std::move(source), budget);
  if (!layer.diff_id.empty()) source = verified(std::move(source), layer.diff_id, "its contents");
  builder.begin_layer();
  const auto added = add_tar(builder, source, Whiteouts::kHide);
  if (!added) return added.error();
  return {};
}

}  // namespace

Result<void> apply(Ext4Builder& builder, ImageFiles& files, const Plan& plan, UnpackingBudget& budget,
                   const ImportWatch& watch) {
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const std::string called = fmt::format("layer {} of {}", i + 1, plan.layers.size());
    watch.tell(called);
    if (auto applied = apply_layer(builder, files, plan.layers[i], budget, watch, called); !applied)
      return applied.error().within(called);
  }
  return {};
}

}  // namespace tl::storage::oci
