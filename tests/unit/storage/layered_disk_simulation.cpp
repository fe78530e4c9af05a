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
    return Size{file_->bytes, (file_->now.size() + file_->reserved.size()) * kSector};
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
  explicit SimulatedFolder(SimulatedHost& host) : host_(host) {}

  Result<std::unique_ptr<DiskFile>> create_file(const std::string& name, std::uint64_t bytes) override {
    if (!host_.step()) return dead();
    auto file = std::make_shared<SimulatedHost::File>();
    file->bytes = bytes;
    TL_CHECK(host_.files_.emplace(name, file).second);
    return std::unique_ptr<DiskFile>(std::make_unique<SimulatedFile>(host_, std::move(file)));
  }

  Result<std::unique_ptr<DiskFile>> open_file(const std::string& name, FileAccess) override {
    const auto found = host_.files_.find(name);
    if (found == host_.files_.end()) return errno_error(ENOENT, "open " + name);
    return std::unique_ptr<DiskFile>(std::make_unique<SimulatedFile>(host_, found->second));
  }

  Result<void> remove_file(const std::string& name) override {
    if (!host_.step()) return dead();
    host_.files_.erase(name);
    host_.documents_.erase(name);
    return {};
  }

  Result<std::vector<std::string>> file_names() override {
    std::vector<std::string> names;
    for (const auto& [name, file] : host_.files_) names.push_back(name);
    return names;
  }

  Result<std::string> read_document(const std::string& name, std::size_t) override {
    const auto found = host_.documents_.find(name);
    if (found == host_.documents_.end()) return Error{ErrorCode::kNotFound, name, ""};
    return found->second;
  }

  Result<void> replace_document(const std::string& name, std::string_view text) override {
    if (host_.dead_) return dead();
    const bool survived = host_.step();
    if (survived || below(host_.random_, 2) == 0) host_.documents_[name] = text;
    return survived ? Result<void>() : Result<void>(dead());
  }

 private:
  SimulatedHost& host_;
};

std::unique_ptr<DiskFolder> SimulatedHost::open_folder() {
  return std::make_unique<SimulatedFolder>(*this);
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

std::uint64_t SimulatedHost::used_bytes() const {
  std::uint64_t sectors = 0;
  for (const auto& [name, file] : files_) sectors += file->now.size() + file->reserved.size();
  return sectors * kSector;
}

void SimulatedHost::come_back_after_kill() {
  dead_ = false;
  steps_left_ = kForever;
}

void SimulatedHost::come_back_after_power_failure() {
  // Sometimes all or nothing of what was not synced survives, mostly a part.
  const std::uint64_t mood = below(random_, 4);
  for (auto& [name, file] : files_) {
    for (const Change& change : file->unsynced)
      apply(file->durable, change, [&] { return mood == 0 || (mood > 1 && below(random_, 2) == 0); });
    file->now = file->durable;
    file->unsynced.clear();
    file->reserved.clear();
  }
  come_back_after_kill();
}

}  // namespace tl::storage::test
