// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/apply.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "runtime/storage/oci/digest.hpp"
#include "runtime/storage/tar_import.hpp"

namespace tl::storage::oci {
namespace {

constexpr std::uint64_t kTarBlock = 512;
constexpr std::size_t kEndMark = 2 * kTarBlock;

// Some writers leave out what comes after the last file: the rest of its block, and the end mark. That a
// layer is whole its digest says, so we are the ones to end it.
ByteSource completed(ByteSource source) {
  return [source = std::move(source), count = std::uint64_t{0},
          missing = std::optional<std::size_t>()](std::span<std::byte> into) mutable -> Result<std::size_t> {
    if (!missing) {
      const auto got = source(into);
      if (!got || *got > 0) {
        if (got) count += *got;
        return got;
      }
      missing = static_cast<std::size_t>((kTarBlock - count % kTarBlock) % kTarBlock + kEndMark);
    }
    const std::size_t given = std::min(*missing, into.size());
    std::fill_n(into.begin(), given, std::byte{0});
    *missing -= given;
    return given;
  };
}

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
  const auto added = add_tar(builder, completed(std::move(source)), Whiteouts::kHide);
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
