// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/layer_files.hpp"

#include <algorithm>
#include <utility>

#include "runtime/storage/cluster_map_format.hpp"
#include "runtime/storage/disk_manifest.hpp"

namespace tl::storage {
namespace {

bool belongs_to_disks(const std::string& name) {
  const std::string temp_prefix = "." + std::string(DiskManifest::kFileName) + ".";
  return name.rfind("delta-", 0) == 0 || name.rfind(temp_prefix, 0) == 0;
}

// A link has the contents of its file, which may never have been synced: a lazy disk syncs nothing.
Result<void> share_file(DiskFolder& folder, const std::string& name, DiskFolder& to) {
  if (auto shared = folder.share_file(name, to); !shared) return shared;
  auto file = to.open_file(name, FileAccess::kRead);
  if (!file) return file.error();
  return (*file)->sync();
}

Result<void> check_unshared(DiskFile& file, const std::string& name) {
  auto size = file.size();
  if (!size) return size.error();
  if (size->links <= 1) return {};
  return Error{ErrorCode::kFailure, name + " is to be written to and belongs to another folder as well", ""};
}

}  // namespace

std::string LayerFiles::data_name(const std::string& id) {
  return "delta-" + id + ".data";
}
std::string LayerFiles::map_name(const std::string& id) {
  return "delta-" + id + ".map";
}

Result<LayerFiles> LayerFiles::create(DiskFolder& folder, const std::string& id, std::uint64_t device_bytes) {
  auto data = folder.create_file(data_name(id), device_bytes);
  if (!data) return data.error();
  auto map = folder.create_file(map_name(id), map_file_bytes(device_bytes));
  if (!map) {
    [[maybe_unused]] auto ignored = folder.remove_file(data_name(id));
    return map.error();
  }
  return LayerFiles{*std::move(data), *std::move(map)};
}

Result<LayerFiles> LayerFiles::open(DiskFolder& folder, const std::string& id, FileAccess access) {
  auto map = folder.open_file(map_name(id), access);
  if (!map) return map.error();
  auto data = folder.open_file(data_name(id), access);
  if (!data) return data.error();
  if (access == FileAccess::kReadWrite) {
    if (auto alone = check_unshared(**map, map_name(id)); !alone) return alone.error();
    if (auto alone = check_unshared(**data, data_name(id)); !alone) return alone.error();
  }
  return LayerFiles{*std::move(data), *std::move(map)};
}

Result<void> LayerFiles::share(DiskFolder& folder, const std::string& id, DiskFolder& to) {
  Result<void> shared = share_file(folder, data_name(id), to);
  if (shared) shared = share_file(folder, map_name(id), to);
  if (!shared) remove(to, id);
  return shared;
}

void LayerFiles::remove(DiskFolder& folder, const std::string& id) {
  [[maybe_unused]] auto ignored = folder.remove_file(data_name(id));
  ignored = folder.remove_file(map_name(id));
}

void LayerFiles::remove_others(DiskFolder& folder, const std::vector<std::string>& kept) {
  auto names = folder.file_names();
  if (!names) return;
  for (const std::string& name : *names) {
    const bool is_kept = std::any_of(kept.begin(), kept.end(), [&](const std::string& id) {
      return name == data_name(id) || name == map_name(id);
    });
    if (!is_kept && belongs_to_disks(name)) [[maybe_unused]]
      auto ignored = folder.remove_file(name);
  }
}

}  // namespace tl::storage
