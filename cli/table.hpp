// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cli/terminal.hpp"

namespace tl::cli {

// Rows under a heading: aligned with spaces on a terminal, one tab between cells in a pipe. Control
// characters in cells, which would break either, are shown as '?'.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}

  // As many cells as there are headings.
  void add(std::vector<std::string> cells);
  [[nodiscard]] std::string text(Terminal terminal) const;

 private:
  [[nodiscard]] std::string aligned(Terminal terminal) const;
  [[nodiscard]] std::string tab_separated() const;

  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
};

// `text` with '?' for control characters; bytes that are not ASCII are left alone.
std::string printable(std::string_view text);

}  // namespace tl::cli
