// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_builder.hpp"

#include <utility>

#include "runtime/storage/ext4_writer.hpp"

namespace tl::storage {
namespace {

std::shared_ptr<Ext4Node> node_of(Ext4Attributes attributes, decltype(Ext4Node::content) content) {
  auto node = std::make_shared<Ext4Node>();
  node->attributes = std::move(attributes);
  node->content = std::move(content);
  return node;
}

}  // namespace

Result<std::unique_ptr<Ext4Builder>> Ext4Builder::create(const std::string& path, const Options& options) {
  auto volume = Ext4Volume::create(path, options.size_mib, options.label);
  if (!volume) return volume.error();
  return std::unique_ptr<Ext4Builder>(new Ext4Builder(*std::move(volume), options.links));
}

Ext4Builder::Ext4Builder(Ext4Volume volume, Ext4Tree::Links links)
    : volume_(std::move(volume)),
      stream_(volume_),
      tree_([this](const Ext4File& file) { volume_.release(file.extents); }, links) {}

Result<void> Ext4Builder::add_directory(std::string_view path, Ext4Attributes attributes) {
  return tree_.put(path, node_of(std::move(attributes), Ext4Directory{}));
}

Result<void> Ext4Builder::add_symlink(std::string_view path, std::string_view target,
                                      Ext4Attributes attributes) {
  return tree_.put(path, node_of(std::move(attributes), Ext4Symlink{std::string(target)}));
}

Result<void> Ext4Builder::add_special(std::string_view path, const Ext4Special& special,
                                      Ext4Attributes attributes) {
  return tree_.put(path, node_of(std::move(attributes), special));
}

Result<void> Ext4Builder::add_hard_link(std::string_view path, std::string_view existing) {
  return tree_.link(path, existing);
}

Result<bool> Ext4Builder::remove(std::string_view path) {
  return tree_.remove(path);
}

Result<bool> Ext4Builder::has(std::string_view path) {
  const auto found = tree_.find(path);
  if (!found) return found.error();
  return *found != nullptr;
}

Result<void> Ext4Builder::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  return stream_.write(offset, bytes);
}

Result<void> Ext4Builder::add_file(std::string_view path, std::uint64_t size_bytes,
                                   Ext4Attributes attributes) {
  auto file = stream_.finish(size_bytes);
  if (!file) return file.error().within(path);
  return tree_.put(path, node_of(std::move(attributes), *std::move(file)));
}

Result<void> Ext4Builder::finish() {
  // e2fsck wants it there, owned by root and closed to others, whatever the contents brought.
  Ext4Attributes closed;
  closed.mode = 0700;
  if (auto put = tree_.put("lost+found", node_of(std::move(closed), Ext4Directory{})); !put) return put;
  if (auto written = write_tree(volume_, tree_); !written) return written;
  return volume_.close();
}

}  // namespace tl::storage
