// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/atomic_file.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::registry {

// Tells one state of a file from every other: a replacement has another inode, a write in place another
// change time.
struct FileStamp {
  std::uint64_t inode = 0;
  std::int64_t changed_ns = 0;
  std::uint64_t size = 0;
  bool operator==(const FileStamp&) const = default;
};

// The bytes of a document as found, or why they can be none.
struct RawDocument {
  FileStamp stamp;
  std::string text;
  std::string flaw;  // "it is not a regular file"; then there is no text
};

// sandboxes/ and damaged/: documents as bytes, under the ID of their sandbox. Writes are made with the record
// lock held; reads need none, for a document is only ever replaced as a whole.
class DocumentFolder {
 public:
  DocumentFolder(UniqueFd sandboxes, std::filesystem::path state_folder)
      : sandboxes_(std::move(sandboxes)), path_(std::move(state_folder)) {}

  // A temp file that an interrupted write left, or that a write is about to rename.
  struct TempFile {
    std::string name;
    std::string id;  // whose document; empty: the index
  };
  struct Contents {
    std::vector<std::string> ids;  // of the documents
    std::vector<TempFile> temp_files;
  };
  [[nodiscard]] Result<Contents> contents() const;

  [[nodiscard]] Result<RawDocument> read(const std::string& id) const;  // kNotFound when there is none
  // Less work than read(); kNotFound when there is none.
  [[nodiscard]] Result<FileStamp> stamp(const std::string& id) const;
  [[nodiscard]] bool exists(const std::string& id) const;

  Result<void> write(const std::string& id, std::string_view text, Durability durability) const;
  Result<void> remove(const std::string& id) const;
  void remove_temp_file(const std::string& name) const;

  // Moves the document to damaged/ beside a file with the reason, and tells where it is now.
  Result<std::filesystem::path> set_aside(const std::string& id, const std::string& reason) const;
  [[nodiscard]] bool was_set_aside(const std::string& id) const;

  [[nodiscard]] std::filesystem::path path_of(const std::string& id) const;
  [[nodiscard]] int fd() const { return sandboxes_.get(); }

 private:
  [[nodiscard]] Result<UniqueFd> open_damaged() const;

  UniqueFd sandboxes_;
  std::filesystem::path path_;
};

// kNotFound, for an ID that nobody has.
Error no_such_sandbox(const std::string& id);

// The names in a folder without those of the folder itself and its parent, in no order.
Result<std::vector<std::string>> folder_entries(int dir_fd);

}  // namespace tl::registry
