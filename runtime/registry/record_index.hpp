// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/registry/document_folder.hpp"
#include "runtime/registry/record.hpp"

namespace tl::registry {

// A derived copy of many documents in one file, sandboxes/.index, because opening and parsing 10,000 of them
// takes about five times as long as asking for their stamps. An entry counts only while its document still
// has the stamp it was made from; a file that is missing, damaged, or of another version of tl is as good as
// empty. Deleting it harms nothing.
//
// Format, in the host's byte order: magic, digest of the rest (8 bytes each), then strings (4 bytes of length
// first): the version that wrote it, and one an entry: stamp, then the record's fields in the order of
// record_index.cpp.
class RecordIndex {
 public:
  RecordIndex(RecordIndex&&) = default;
  RecordIndex& operator=(RecordIndex&&) = default;

  // Never fails: trouble of any kind makes an empty index.
  static RecordIndex load(int dir_fd);
  // Replaces the file by the records and the stamps of their documents, of which there are as many; failing
  // is of no consequence. Documents that changed within the last second are left out, for file systems cannot
  // tell two changes within one tick of the clock apart.
  static void save(int dir_fd, const std::vector<FileStamp>& stamps,
                   const std::vector<SandboxRecord>& records);
  static bool is_too_fresh(const FileStamp& stamp);

  // What was stored for `id`, if it was made from a document with that stamp.
  [[nodiscard]] std::optional<SandboxRecord> find(const std::string& id, const FileStamp& stamp) const;

 private:
  RecordIndex() = default;
  struct Place {
    FileStamp stamp;
    std::string_view fields;  // in bytes_
  };
  std::vector<char> bytes_;                          // not a string: a moved one may take its bytes elsewhere
  std::unordered_map<std::uint64_t, Place> places_;  // by inode
};

}  // namespace tl::registry
