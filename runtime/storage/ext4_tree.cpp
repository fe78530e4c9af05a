// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_tree.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace tl::storage {
namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::uint32_t kMaxNames = 65000;  // EXT4_LINK_MAX
constexpr std::size_t kNodeBytes = 256;     // what a node and its map entry roughly take

Error refused(std::string_view path, std::string_view why) {
  return Error{ErrorCode::kOutOfRange, fmt::format("{}: {}", path, why), ""};
}

// The components that mean something, ".." included, or why the path is refused.
Result<std::vector<std::string>> components_of(std::string_view path) {
  if (path.size() >= Ext4Tree::kMaxPathBytes) return refused(path.substr(0, 80), "path is too long");
  if (path.find('\0') != std::string_view::npos) return refused("path", "contains a NUL byte");
  std::vector<std::string> components;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view component = path.substr(begin, end - begin);
    begin = end + 1;
    if (component.empty() || component == ".") continue;
    if (component.size() > kMaxNameBytes)
      return refused(path.substr(0, 80), "a name is longer than 255 bytes");
    components.emplace_back(component);
  }
  return components;
}

Result<std::vector<std::string>> split(std::string_view path) {
  auto components = components_of(path);
  if (!components) return components;
  if (std::find(components->begin(), components->end(), "..") != components->end())
    return refused(path, "contains \"..\"");
  if (components->size() > Ext4Tree::kMaxDepth) return refused(path.substr(0, 80), "is too deep");
  return components;
}

std::size_t metadata_of(const Ext4Node& node) {
  std::size_t bytes = kNodeBytes;
  for (const auto& xattr : node.attributes.xattrs) bytes += xattr.name.size() + xattr.value.size() + 64;
  if (const auto* symlink = std::get_if<Ext4Symlink>(&node.content)) bytes += symlink->target.size();
  return bytes;
}

std::shared_ptr<Ext4Node> plain_directory() {
  auto node = std::make_shared<Ext4Node>();
  node->attributes.mode = 0755;
  return node;
}

}  // namespace

Ext4Tree::Ext4Tree(std::function<void(const Ext4File&)> released, Links links)
    : root_(plain_directory()), released_(std::move(released)), links_(links) {
  root_->names = 1;
}

Result<void> Ext4Tree::charge(std::size_t bytes) {
  metadata_bytes_ += bytes;
  if (metadata_bytes_ > kMaxMetadataBytes) return refused("contents", "too many names and attributes");
  return {};
}

Result<Ext4Tree::Place> Ext4Tree::locate(std::string_view path, MissingParents missing) {
  auto components = split(path);
  if (!components) return components.error();
  if (components->empty()) return Place{};
  std::string name = std::move(components->back());
  components->pop_back();
  auto parent = walk(path, *std::move(components), missing);
  if (!parent) return parent.error();
  return Place{*std::move(parent), std::move(name)};
}

// The folder at the end of `folders`; nullptr when one is missing and is to be left so.
Result<std::shared_ptr<Ext4Node>> Ext4Tree::walk(std::string_view path, std::vector<std::string> folders,
                                                 MissingParents missing) {
  std::reverse(folders.begin(), folders.end());  // what is left to do, the next one last
  std::vector<std::shared_ptr<Ext4Node>> way{root_};
  int links = 0;
  while (!folders.empty()) {
    const std::string name = std::move(folders.back());
    folders.pop_back();
    if (name == "..") {  // of a link
      if (way.size() > 1) way.pop_back();
      continue;
    }
    if (way.size() > kMaxDepth) return refused(path.substr(0, 80), "is too deep");
    auto& children = way.back()->directory()->children;
    auto child = children.find(name);
    if (child == children.end()) {
      if (missing == MissingParents::kLeave) return std::shared_ptr<Ext4Node>();
      if (auto made = attach(Place{way.back(), name}, plain_directory()); !made) return made.error();
      child = children.find(name);
    }
    const auto& node = child->second.node;
    if (const auto* link = std::get_if<Ext4Symlink>(&node->content)) {
      if (links_ == Links::kRefuse)
        return refused(path, fmt::format("goes through the symbolic link \"{}\"", name));
      if (++links > kMaxLinks) return refused(path, "goes through too many symbolic links, or in a circle");
      auto target = components_of(link->target);
      if (!target) return target.error();
      if (link->target.starts_with('/')) way.resize(1);
      folders.insert(folders.end(), target->rbegin(), target->rend());
      continue;
    }
    if (node->directory() == nullptr) return refused(path, fmt::format("\"{}\" is not a directory", name));
    way.push_back(node);
  }
  return std::move(way.back());
}

Result<void> Ext4Tree::attach(const Place& place, std::shared_ptr<Ext4Node> node) {
  if (auto charged = charge(kNodeBytes + place.name.size()); !charged) return charged;
  node->names += 1;  // first: what is replaced may hold the node's only other name
  detach(*place.parent, place.name);
  place.parent->directory()->children.emplace(place.name, Ext4Name{std::move(node), layer_});
  return {};
}

void Ext4Tree::detach(Ext4Node& parent, const std::string& name) {
  auto& siblings = parent.directory()->children;
  const auto found = siblings.find(name);
  if (found == siblings.end()) return;
  // Without recursion, so that a deep tree needs no deep stack.
  std::vector<std::shared_ptr<Ext4Node>> going{found->second.node};
  siblings.erase(found);
  while (!going.empty()) {
    const auto node = std::move(going.back());
    going.pop_back();
    node->names -= 1;
    if (auto* directory = node->directory()) {
      for (auto& child : directory->children) going.push_back(std::move(child.second.node));
      directory->children.clear();
    } else if (const auto* file = std::get_if<Ext4File>(&node->content);
               file != nullptr && node->names == 0) {
      released_(*file);
    }
  }
}

Result<void> Ext4Tree::put(std::string_view path, std::shared_ptr<Ext4Node> node) {
  if (auto charged = charge(metadata_of(*node)); !charged) return charged;
  auto place = locate(path, MissingParents::kMake);
  if (!place) return place.error();
  std::shared_ptr<Ext4Node> present = root_;
  if (place->parent) {
    auto& siblings = place->parent->directory()->children;
    const auto found = siblings.find(place->name);
    present = found == siblings.end() ? nullptr : found->second.node;
    if (present && present->directory() != nullptr && node->directory() != nullptr)
      found->second.layer = layer_;
  } else if (node->directory() == nullptr) {
    return refused(path, "the root must be a directory");
  }
  if (present && present->directory() != nullptr && node->directory() != nullptr) {
    present->attributes = std::move(node->attributes);
    return {};
  }
  return attach(*place, std::move(node));
}

Result<void> Ext4Tree::link(std::string_view path, std::string_view existing) {
  auto target = find(existing);
  if (!target) return target.error();
  if (!*target) return refused(path, fmt::format("hard link to \"{}\", which is not there", existing));
  if ((*target)->directory() != nullptr) return refused(path, "hard link to a directory");
  if ((*target)->names >= kMaxNames) return refused(path, "too many hard links to one file");
  auto place = locate(path, MissingParents::kMake);
  if (!place) return place.error();
  if (!place->parent) return refused(path, "the root must be a directory");
  auto& siblings = place->parent->directory()->children;
  const auto present = siblings.find(place->name);
  if (present != siblings.end() && present->second.node == *target) {
    present->second.layer = layer_;
    return {};
  }
  return attach(*place, *std::move(target));
}

Result<bool> Ext4Tree::remove(std::string_view path) {
  auto place = locate(path, MissingParents::kLeave);
  if (!place) return place.error();
  if (!place->parent) {
    if (place->name.empty()) return refused(path, "the root cannot be removed");
    return false;
  }
  if (place->parent->directory()->children.count(place->name) == 0) return false;
  detach(*place->parent, place->name);
  return true;
}

Result<std::shared_ptr<Ext4Node>> Ext4Tree::find(std::string_view path) {
  auto place = locate(path, MissingParents::kLeave);
  if (!place) return place.error();
  if (!place->parent) return place->name.empty() ? root_ : nullptr;
  const auto& siblings = place->parent->directory()->children;
  const auto found = siblings.find(place->name);
  return found == siblings.end() ? nullptr : found->second.node;
}

Result<void> Ext4Tree::hide(std::string_view path) {
  const auto place = locate(path, MissingParents::kLeave);
  if (!place) return place.error();
  if (place->parent) {
    hide_name(*place->parent, place->name);
  } else if (place->name.empty()) {
    return refused(path, "the root cannot be removed");
  }
  return {};
}

Result<void> Ext4Tree::hide_contents(std::string_view folder) {
  auto components = split(folder);
  if (!components) return components.error();
  const auto node = walk(folder, *std::move(components), MissingParents::kLeave);
  if (!node) return node.error();
  if (*node) hide_below(**node);
  return {};
}

// As deep as the tree, which is bounded.
void Ext4Tree::hide_below(Ext4Node& folder) {
  std::vector<std::string> names;
  for (const auto& [name, child] : folder.directory()->children) {
    if (child.layer != layer_ || child.node->directory() != nullptr) names.push_back(name);
  }
  for (const auto& name : names) hide_name(folder, name);
}

// A folder stays for what this layer has put below it.
void Ext4Tree::hide_name(Ext4Node& folder, const std::string& name) {
  auto& siblings = folder.directory()->children;
  const auto found = siblings.find(name);
  if (found == siblings.end()) return;
  auto* inner = found->second.node->directory();
  if (inner != nullptr) hide_below(*found->second.node);
  if (found->second.layer == layer_ || (inner != nullptr && !inner->children.empty())) return;
  detach(folder, name);
}

}  // namespace tl::storage
