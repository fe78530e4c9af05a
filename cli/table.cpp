// SPDX-License-Identifier: Apache-2.0
#include "cli/table.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "common/check.hpp"

namespace tl::cli {
namespace {

// Columns on a terminal: UTF-8 continuation bytes take none. Good enough for what is listed, which is ASCII
// but for quotes of a guest's.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result(text);
  std::replace_if(
      result.begin(), result.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return result;
}

void Table::add(std::vector<std::string> cells) {
  TL_CHECK(cells.size() == headings_.size());
  for (auto& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::text(Terminal terminal) const {
  return terminal.is_terminal() ? aligned(terminal) : tab_separated();
}

std::string Table::aligned(Terminal terminal) const {
  std::vector<std::size_t> widths;
  for (const auto& heading : headings_) widths.push_back(width_of(heading));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  const auto line = [&widths](const std::vector<std::string>& cells) {
    std::string result;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      result += cells[i];
      if (i + 1 < cells.size()) result.append(widths[i] + 2 - width_of(cells[i]), ' ');
    }
    return result;
  };
  std::string result = terminal.bold(line(headings_)) + "\n";
  for (const auto& row : rows_) result += line(row) + "\n";
  return result;
}

std::string Table::tab_separated() const {
  std::string result;
  const auto add_line = [&result](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) result.append(i == 0 ? "" : "\t").append(cells[i]);
    result += "\n";
  };
  add_line(headings_);
  for (const auto& row : rows_) add_line(row);
  return result;
}

}  // namespace tl::cli
