// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/storage/layered_disk_simulation.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kSector = 512;

Error dead() {
  return Error{ErrorCode::kFailure, "the host is dead", ""};
}

}  // namespace

class SimulatedFile final : public DiskFile {
 public:
  SimulatedFile(SimulatedHost& host, std::shared_ptr<SimulatedHost::File> file)
      : host_(host), file_(std::move(file)) {}

  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    if (offset + into.size() > file_->bytes) return Error{ErrorCode::kFailure, "read beyond the end", ""};
    for (std::uint64_t done = 0; done < into.size(); done += kSector) {
      const auto sector = file_->now.find((offset + done) / kSector);
      if (sector == file_->now.end()) {
        std::fill_n(into.begin() + static_cast<std::ptrdiff_t>(done), kSector, std::byte{0});
      } else {
        std::copy(sector->second.begin(), sector->second.end(),
                  into.begin() + static_cast<std::ptrdiff_t>(done));
      }
    }
    return {};
  }

  Result<void> write(std::uint64_t offset, std::span<const iovec> pieces) override {
    SimulatedHost::Change change{offset / kSector, 0, false, {}};
    for (const iovec& piece : pieces) {
      TL_CHECK(piece.iov_len % kSector == 0);
      for (std::size_t at = 0; at < piece.iov_len; at += kSector) {
        Sector sector;
        std::memcpy(sector.data(), static_cast<const std::byte*>(piece.iov_base) + at, kSector);
        change.contents.push_back(sector);
      }
    }
    change.count = change.contents.size();
    Result<void> done;
    if (host_.dead_) return dead();
    if (!host_.step()) done = dead();
    if (done && host_.used_bytes() + new_sectors(change) * kSector > host_.capacity_)
      done = errno_error(ENOSPC, "write");
    if (!done) {  // only the beginning arrives
      change.count = below(host_.random_, change.count + 1);
      change.contents.resize(change.count);
    }
    SimulatedHost::apply(file_->now, change, [] { return true; });
    for (std::uint64_t i = 0; i < change.count; ++i) file_->reserved.erase(change.first + i);
    file_->unsynced.push_back(std::move(change));
    return done;
  }

  Result<void> reserve(std::uint64_t offset, std::uint64_t length) override {
    if (!host_.step()) return dead();
    if (host_.used_bytes() + length > host_.capacity_) return errno_error(ENOSPC, "reserve");
    for (std::uint64_t i = offset / kSector; i < (offset + length) / kSector; ++i)
      if (file_->now.count(i) == 0) file_->reserved.insert(i);
    return {};
  }

  Result<void> punch(std::uint64_t offset, std::uint64_t length) override {
    if (!host_.step()) return dead();
    const SimulatedHost::Change change{offset / kSector, length / kSector, true, {}};
    SimulatedHost::apply(file_->now, change, [] { return true; });
    file_->unsynced.push_back(change);
    return {};
  }

  Result<void> sync() override {
    if (!host_.step()) return dead();
    ++host_.syncs_;
    if (std::exchange(host_.fail_sync_, false)) {
      file_->unsynced.clear();  // the kernel reports once, and takes the pages for clean
      return errno_error(EIO, "fdatasync");
    }
    file_->durable = file_->now;
    file_->unsynced.clear();
    return {};
  }

  Result<std::optional<Extent>> next_data(std::uint64_t offset) override {
    const auto found = file_->now.lower_bound(offset / kSector);
    if (found == file_->now.end()) return std::optional<Extent>();
    return std::optional(Extent{std::max(offset, found->first * kSector), (found->first + 1) * kSector});
  }

  Result<Size> size() override {
    std::uint64_t links = 0;
    for (const auto& [name, folder] : host_.folders_)
      for (const auto& [file_name, file] : folder.files) links += file == file_ ? 1 : 0;
    return Size{file_->bytes, (file_->now.size() + file_->reserved.size()) * kSector, links};
  }

  std::optional<std::uint64_t> free_space() override {
    if (!host_.tells_free_space_) return std::nullopt;
    return host_.capacity_ - std::min(host_.capacity_, host_.used_bytes());
  }

 private:
  [[nodiscard]] std::uint64_t new_sectors(const SimulatedHost::Change& change) const {
    std::uint64_t count = 0;
    for (std::uint64_t i = change.first; i < change.first + change.count; ++i)
      if (file_->now.count(i) == 0 && file_->reserved.count(i) == 0) ++count;
    return count;
  }

  SimulatedHost& host_;
  std::shared_ptr<SimulatedHost::File> file_;
};

class SimulatedFolder final : public DiskFolder {
 public:
  SimulatedFolder(SimulatedHost& host, SimulatedHost::Folder& folder) : host_(host), folder_(folder) {}

  Result<std::unique_ptr<DiskFile>> create_file(const std::string& name, std::uint64_t bytes) override {
    if (!host_.step()) return dead();
    auto file = std::make_shared<SimulatedHost::File>();
    file->bytes = bytes;
    TL_CHECK(folder_.files.emplace(name, file).second);
    return std::unique_ptr<DiskFile>(std::make_unique<SimulatedFile>(host_, std::move(file)));
  }

  Result<std::unique_ptr<DiskFile>> open_file(const std::string& name, FileAccess) override {
    const auto found = folder_.files.find(name);
    if (found == folder_.files.end()) return errno_error(ENOENT, "open " + name);
    return std::unique_ptr<DiskFile>(std::make_unique<SimulatedFile>(host_, found->second));
  }

  Result<void> share_file(const std::string& name, DiskFolder& to) override {
    if (!host_.step()) return dead();
    const auto found = folder_.files.find(name);
    if (found == folder_.files.end()) return errno_error(ENOENT, "link " + name);
    auto& target = dynamic_cast<SimulatedFolder&>(to).folder_;
    if (!target.files.emplace(name, found->second).second) return errno_error(EEXIST, "link " + name);
    return {};
  }

  Result<void> remove_file(const std::string& name) override {
    if (!host_.step()) return dead();
    folder_.files.erase(name);
    folder_.documents.erase(name);
    return {};
  }

  Result<std::vector<std::string>> file_names() override {
    std::vector<std::string> names;
    for (const auto& [name, file] : folder_.files) names.push_back(name);
    for (const auto& [name, text] : folder_.documents) names.push_back(name);
    return names;
  }

  Result<std::string> read_document(const std::string& name, std::size_t) override {
    const auto found = folder_.documents.find(name);
    if (found == folder_.documents.end()) return Error{ErrorCode::kNotFound, name, ""};
    return found->second;
  }

  Result<void> replace_document(const std::string& name, std::string_view text) override {
    if (host_.dead_) return dead();
    const bool survived = host_.step();
    if (survived || below(host_.random_, 2) == 0) {
      folder_.documents[name] = text;
      folder_.durable_files = folder_.files;
    }
    return survived ? Result<void>() : Result<void>(dead());
  }

 private:
  SimulatedHost& host_;
  SimulatedHost::Folder& folder_;
};

std::unique_ptr<DiskFolder> SimulatedHost::open_folder(const std::string& folder) {
  return std::make_unique<SimulatedFolder>(*this, folders_[folder]);
}

bool SimulatedHost::step() {
  if (steps_left_ == 0) dead_ = true;
  if (dead_) return false;
  if (steps_left_ != kForever) --steps_left_;
  return true;
}

void SimulatedHost::apply(Sectors& sectors, const Change& change, const std::function<bool()>& chosen) {
  for (std::uint64_t i = 0; i < change.count; ++i) {
    if (!chosen()) continue;
    if (change.punch) {
      sectors.erase(change.first + i);
    } else {
      sectors[change.first + i] = change.contents[i];
    }
  }
}

std::vector<std::shared_ptr<SimulatedHost::File>> SimulatedHost::all_files() const {
  std::vector<std::shared_ptr<File>> files;
  std::set<const File*> seen;
  const auto add = [&](const std::map<std::string, std::shared_ptr<File>>& named) {
    for (const auto& [name, file] : named)
      if (seen.insert(file.get()).second) files.push_back(file);
  };
  for (const auto& [name, folder] : folders_) {
    add(folder.files);
    add(folder.durable_files);
  }
  return files;
}

std::uint64_t SimulatedHost::used_bytes() const {
  std::set<const File*> files;
  for (const auto& [name, folder] : folders_)
    for (const auto& [file_name, file] : folder.files) files.insert(file.get());
  std::uint64_t sectors = 0;
  for (const File* file : files) sectors += file->now.size() + file->reserved.size();
  return sectors * kSector;
}

std::vector<std::string> SimulatedHost::names_in(const std::string& folder) const {
  std::vector<std::string> names;
  const auto found = folders_.find(folder);
  if (found == folders_.end()) return names;
  for (const auto& [name, file] : found->second.files) names.push_back(name);
  for (const auto& [name, text] : found->second.documents) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

void SimulatedHost::come_back_after_kill() {
  dead_ = false;
  steps_left_ = kForever;
}

void SimulatedHost::come_back_after_power_failure() {
  // Sometimes all or nothing of what was not synced survives, mostly a part.
  const std::uint64_t mood = below(random_, 4);
  for (const auto& file : all_files()) {
    for (const Change& change : file->unsynced)
      apply(file->durable, change, [&] { return mood == 0 || (mood > 1 && below(random_, 2) == 0); });
    file->now = file->durable;
    file->unsynced.clear();
    file->reserved.clear();
  }
  for (auto& [name, folder] : folders_) {
    const auto were = folder.files;
    for (const auto& [file_name, file] : were)
      if (folder.durable_files.count(file_name) == 0 && below(random_, 2) == 0) folder.files.erase(file_name);
    for (const auto& [file_name, file] : folder.durable_files)
      if (below(random_, 2) == 0) folder.files.emplace(file_name, file);
    folder.durable_files = folder.files;
  }
  come_back_after_kill();
}

}  // namespace tl::storage::test
