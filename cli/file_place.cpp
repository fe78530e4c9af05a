// SPDX-License-Identifier: Apache-2.0
#include "cli/file_place.hpp"

namespace tl::cli {

Result<FilePlace> parse_file_place(const std::string& word) {
  if (word.empty()) return Error{ErrorCode::kOutOfRange, "an empty path names nothing", ""};
  const std::size_t colon = word.find_first_of(":/");
  if (colon == std::string::npos || colon == 0 || word[colon] == '/') return FilePlace{{}, word};
  return FilePlace{word.substr(0, colon), word.substr(colon + 1)};
}

}  // namespace tl::cli
