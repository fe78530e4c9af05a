// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/file_lock.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::snapshot {

// A folder in the making: its maker holds an exclusive flock on it, so that nobody sweeps it. Unless it is
// committed, it is removed with the object; when the process ends without that, by the next sweep. Given to
// one thread at a time.
class ArtefactDraft {
 public:
  ArtefactDraft(ArtefactDraft&& other) noexcept = default;
  ArtefactDraft& operator=(ArtefactDraft&&) = delete;
  ~ArtefactDraft();

  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] int fd() const { return folder_.get(); }

  // What its files take on the host, those that it shares with others included.
  [[nodiscard]] std::uint64_t allocated_bytes() const;

  // Writes the manifest, durably: from now on the artefact is there, for everybody. The files themselves have
  // been synced by who wrote them.
  Result<void> commit(std::string_view manifest) &&;

 private:
  friend class ArtefactStore;
  ArtefactDraft(std::string key, std::filesystem::path path, UniqueFd folder)
      : key_(std::move(key)), path_(std::move(path)), folder_(std::move(folder)) {}

  std::string key_;
  std::filesystem::path path_;
  UniqueFd folder_;  // empty: committed or moved from
};

// An artefact that nobody removes while this object lives: a shared flock. For linking its files to another
// folder, after which it may go.
class ArtefactPin {
 public:
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] int fd() const { return folder_.get(); }
  [[nodiscard]] const std::string& manifest() const { return manifest_; }

 private:
  friend class ArtefactStore;
  ArtefactPin(std::filesystem::path path, UniqueFd folder, std::string manifest)
      : path_(std::move(path)), folder_(std::move(folder)), manifest_(std::move(manifest)) {}

  std::filesystem::path path_;
  UniqueFd folder_;
  std::string manifest_;
};

// Folders that are written once, found by a key, and removed as a whole: <folder>/<key>/ with manifest.json,
// which is written last and removed first, so that a folder without one is half-made or half-gone. What
// stands in a manifest is its owner's business (SnapshotStore, TemplateStore). Any number of processes; an
// object is for one thread at a time.
class ArtefactStore {
 public:
  static constexpr const char* kManifestFile = "manifest.json";
  static constexpr std::size_t kMaxManifestBytes = std::size_t{1} << 20;

  // Makes the folder (mode 0700) when missing. `noun` is what errors call an artefact.
  static Result<ArtefactStore> open(const std::filesystem::path& folder, std::string noun);

  // [0-9a-z], then up to 127 of [0-9a-z:._-].
  [[nodiscard]] static bool is_key(std::string_view text);

  // kConflict when it is there, or somebody is making it right now; kOutOfRange for what is no key. What a
  // dead maker left is removed first.
  Result<ArtefactDraft> begin(const std::string& key);

  // Of what is committed, in no order. Damaged ones too: a key says nothing about the manifest.
  [[nodiscard]] Result<std::vector<std::string>> keys() const;
  // kNotFound when there is none.
  [[nodiscard]] Result<std::string> manifest(const std::string& key) const;
  // kNotFound when there is none or it is just being removed.
  [[nodiscard]] Result<ArtefactPin> pin(const std::string& key) const;

  // Another manifest, not durably: after a power failure it may be the old one, or damaged.
  Result<void> amend(const ArtefactPin& pin, std::string_view manifest) const;

  // kNotFound when there is none, kConflict while somebody has it pinned.
  Result<void> remove(const std::string& key);
  // Removes what is without a manifest and in nobody's hands. Returns how many.
  Result<std::size_t> sweep();

  // When the artefact was last used, and that it is now: the manifest's mtime, in nanoseconds.
  [[nodiscard]] Result<std::int64_t> last_used_ns(const std::string& key) const;
  Result<void> touch(const ArtefactPin& pin) const;

  // Held by those who compare manifests with each other before they commit, and for a moment by begin() and
  // sweep().
  [[nodiscard]] Result<FileLock> lock() const;

 private:
  ArtefactStore(std::filesystem::path path, UniqueFd folder, std::string noun)
      : path_(std::move(path)), folder_(std::move(folder)), noun_(std::move(noun)) {}
  [[nodiscard]] Result<std::vector<std::string>> entries() const;
  [[nodiscard]] Error not_found(const std::string& key) const;
  [[nodiscard]] Error conflict(const std::string& key, std::string_view why) const;
  // The folder of `key` with that flock(2) on it; nothing when there is none or the lock is another's.
  [[nodiscard]] Result<std::optional<UniqueFd>> lock_folder(const std::string& key, int operation) const;

  std::filesystem::path path_;
  UniqueFd folder_;
  std::string noun_;
};

}  // namespace tl::snapshot
