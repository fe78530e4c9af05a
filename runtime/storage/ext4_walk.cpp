// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_walk.hpp"

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/printable.hpp"

namespace tl::storage {
namespace {

constexpr std::size_t kShownBytes = 200;  // of a path, in an error

class Walk {
 public:
  using Visit = std::function<Result<Ext4Step>(const Ext4Met&)>;
  Walk(Ext4Reader& reader, const Visit& visit) : reader_(reader), visit_(visit) {}

  Result<void> run() {
    if (auto done = meet(Ext4Reader::kRoot); !done) return done;
    while (!folders_.empty()) {
      Folder& top = folders_.back();
      if (top.next == top.children.size()) {
        folders_.pop_back();
        continue;
      }
      const Ext4Reader::Child& child = top.children[top.next++];
      path_.resize(top.path_length);
      if (!path_.empty()) path_ += '/';
      path_ += child.name;
      if (auto done = meet(child.inode); !done) return done;
    }
    return {};
  }

 private:
  struct Folder {
    std::vector<Ext4Reader::Child> children;
    std::size_t next = 0;
    std::size_t path_length = 0;
  };

  [[nodiscard]] Error wrong(std::string_view why) const {
    return Error{ErrorCode::kFailure, fmt::format("/{}: {}", make_printable(path_, kShownBytes), why), ""};
  }

  Result<void> meet(std::uint32_t number) {
    if (path_.size() > Ext4Tree::kMaxPathBytes || folders_.size() > Ext4Tree::kMaxDepth)
      return Error{ErrorCode::kOutOfRange, "the file system has a path that is too long or too deep", ""};
    const auto inode = reader_.inode(number);
    if (!inode) return wrong(inode.error().message);
    if (inode->is_folder()) return enter(*inode);
    if (number == Ext4Reader::kRoot) return wrong("the root is no folder");
    const auto known = first_names_.find(number);
    const auto step = visit_({path_, *inode, known == first_names_.end() ? nullptr : &known->second});
    if (!step) return step.error();
    if (*step == Ext4Step::kLeaveOut || inode->names < 2 || known != first_names_.end()) return {};
    names_bytes_ += path_.size();
    if (names_bytes_ > Ext4Tree::kMaxMetadataBytes)
      return Error{ErrorCode::kOutOfRange, "the file system has more hard links than tl takes", ""};
    first_names_.emplace(number, path_);
    return {};
  }

  Result<void> enter(const Ext4Reader::Inode& folder) {
    if (!met_.insert(folder.number).second) return wrong("a folder that is in two places");
    const auto step = visit_({path_, folder});
    if (!step) return step.error();
    if (*step == Ext4Step::kLeaveOut) return {};
    auto children = reader_.children(folder.number);
    if (!children) return wrong(children.error().message);
    folders_.push_back({*std::move(children), 0, path_.size()});
    return {};
  }

  Ext4Reader& reader_;
  const Visit& visit_;
  std::string path_;
  std::vector<Folder> folders_;  // from the root to where we are
  std::unordered_set<std::uint32_t> met_;
  std::unordered_map<std::uint32_t, std::string> first_names_;  // of files that claim more than one
  std::uint64_t names_bytes_ = 0;
};

}  // namespace

Result<void> walk_ext4(Ext4Reader& reader, const std::function<Result<Ext4Step>(const Ext4Met&)>& visit) {
  return Walk(reader, visit).run();
}

}  // namespace tl::storage
