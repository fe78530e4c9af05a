// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/image_reference.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>

#include <fmt/format.h>

#include "common/printable.hpp"
#include "runtime/storage/image_name.hpp"

namespace tl::storage {
namespace {

constexpr std::size_t kMaxTextBytes = 4096;
constexpr std::size_t kMaxShown = 200;
constexpr std::size_t kMaxNameBytes = 100;  // with room for a tag
constexpr std::size_t kMaxTagBytes = 27;
constexpr std::array<std::string_view, 4> kFetched = {"docker://",
                                                      "docker-daemon:", "containers-storage:", "dir:"};
constexpr std::array<std::string_view, 3> kHere = {"oci:", "oci-archive:", "docker-archive:"};

bool exists(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0;
}

bool starts_as_registry(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:") != std::string_view::npos;
}

// Only what names may have, and no two slashes or stray signs at the ends.
std::string cleaned(std::string_view text, std::string_view also) {
  std::string result;
  for (const char c : text) {
    const auto lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool valid = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
                       std::string_view("._-").find(c) != std::string_view::npos ||
                       also.find(c) != std::string_view::npos;
    const char taken = valid ? (also.find(c) != std::string_view::npos ? c : lower) : '-';
    if (taken == '/' && (result.empty() || result.back() == '/')) continue;
    result.push_back(taken);
  }
  const std::size_t begin = result.find_first_not_of("._-/");
  if (begin == std::string::npos) return "";
  result = result.substr(begin, kMaxNameBytes);
  return result.substr(0, result.find_last_not_of("._-/") + 1);
}

}  // namespace

Result<ImageReference> parse_image_reference(const std::string& text) {
  const std::string shown = make_printable(text, kMaxShown);
  if (text.empty() || text.size() > kMaxTextBytes || text.find('\0') != std::string::npos) {
    return Error{ErrorCode::kOutOfRange, fmt::format("\"{}\" is no image, file or folder", shown), ""};
  }
  for (const std::string_view transport : kFetched) {
    if (!text.starts_with(transport)) continue;
    if (text.size() == transport.size())
      return Error{ErrorCode::kOutOfRange, fmt::format("\"{}\" says no image", shown),
                   "write docker://NAME:TAG"};
    return ImageReference{ImageReference::Place::kFetched, "", "", text};
  }
  std::string path = text;
  for (const std::string_view transport : kHere) {
    if (path.starts_with(transport)) {
      path.erase(0, transport.size());
      break;
    }
  }
  for (std::size_t end = path.size(); end != std::string::npos && end > 0; end = path.rfind(':', end - 1)) {
    const std::string beginning = path.substr(0, end);
    if (!exists(beginning)) continue;
    return ImageReference{ImageReference::Place::kHere, beginning,
                          end < path.size() ? path.substr(end + 1) : std::string(), ""};
  }
  return Error{ErrorCode::kNotFound, fmt::format("there is no file or folder \"{}\"", shown),
               "an image of a registry is written docker://NAME:TAG"};
}

std::string image_name_for(std::string_view name) {
  for (const std::string_view transport : kFetched) {
    if (name.starts_with(transport)) name.remove_prefix(transport.size());
  }
  name = name.substr(0, name.find('@'));
  const std::size_t slash = name.find('/');
  if (slash != std::string_view::npos && starts_as_registry(name.substr(0, slash)))
    name.remove_prefix(slash + 1);
  if (name.starts_with("library/")) name.remove_prefix(8);
  std::string_view tag;
  const std::size_t colon = name.rfind(':');
  if (colon != std::string_view::npos && name.find('/', colon) == std::string_view::npos) {
    tag = name.substr(colon + 1);
    name = name.substr(0, colon);
  }
  std::string result = cleaned(name, "/");
  if (result.empty()) result = "imported";
  std::string kept;
  for (const char c : tag.substr(0, kMaxTagBytes)) {
    const bool valid = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                       std::string_view("._-").find(c) != std::string_view::npos;
    kept.push_back(valid ? c : '-');
  }
  if (!kept.empty()) result += ":" + kept;
  return check_image_name(result) ? result : "imported";
}

std::string image_name_for_file(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  std::string name = std::filesystem::path(path).filename();
  for (const std::string_view ending : {".gz", ".xz", ".zst", ".tgz", ".txz", ".tar", ".oci"}) {
    if (name.size() > ending.size() && name.ends_with(ending)) name.resize(name.size() - ending.size());
  }
  const std::string result = cleaned(name, "");
  return check_image_name(result) ? result : "imported";
}

}  // namespace tl::storage
