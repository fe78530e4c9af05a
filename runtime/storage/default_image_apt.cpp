// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/default_image_apt.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/io.hpp"

namespace tl::storage {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaxFileBytes = std::size_t{1} << 20;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string trim(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// The fields of one deb822 paragraph, names in lower case; a continued field is one line.
using Fields = std::map<std::string, std::string>;

void add_source(const Fields& fields, std::vector<AptSource>& sources) {
  const auto get = [&fields](const char* name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : trim(found->second);
  };
  if (!contains(words_of(get("types")), "deb") || lower(get("enabled")) == "no") return;
  sources.push_back(AptSource{words_of(get("uris")), words_of(get("suites")), words_of(get("components")),
                              get("signed-by"), lower(get("trusted")) == "yes"});
}

// "[signed-by=/a trusted=yes] " in front of the address.
void take_options(const std::string& options, AptSource& source) {
  for (const auto& option : words_of(options)) {
    const std::size_t equals = option.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = lower(option.substr(0, equals));
    if (name == "signed-by") source.signed_by = option.substr(equals + 1);
    if (name == "trusted") source.trusted = option.substr(equals + 1) == "yes";
  }
}

bool is_fetchable(const std::string& uri) {
  constexpr std::array<std::string_view, 4> kSchemes = {"http://", "https://", "file:", "copy:"};
  return std::any_of(kSchemes.begin(), kSchemes.end(),
                     [&uri](std::string_view scheme) { return uri.compare(0, scheme.size(), scheme) == 0; });
}

// Without a keyring of its own only the address can tell: mirrors keep the archive in a folder of its name.
bool is_archive_address(const std::string& uri, const std::string& id) {
  std::istringstream parts(uri);
  for (std::string part; std::getline(parts, part, '/');) {
    if (part == id || part == id + "-security" || part == id + "-ports") return true;
  }
  return false;
}

bool is_own_keyring(const std::string& signed_by, const std::string& id) {
  const auto keyrings = words_of(signed_by);
  return std::all_of(keyrings.begin(), keyrings.end(), [&id](const std::string& keyring) {
    return keyring.front() == '/' &&
           fs::path(keyring).filename().string().compare(0, id.size() + 9, id + "-archive-") == 0;
  });
}

bool is_own_suite(const std::string& suite, const HostRelease& release) {
  for (const std::string& base : {release.codename, std::string("stable")}) {
    if (base == "stable" && release.id != "debian") continue;
    if (suite == base || suite == base + "-updates" || suite == base + "-security") return true;
  }
  return false;
}

bool is_own_component(const std::string& component, const std::string& id) {
  static const std::vector<std::string> kDebian = {"main", "contrib", "non-free", "non-free-firmware"};
  static const std::vector<std::string> kUbuntu = {"main", "restricted", "universe", "multiverse"};
  return contains(id == "debian" ? kDebian : kUbuntu, component);
}

template <typename Predicate>
std::vector<std::string> only(const std::vector<std::string>& list, Predicate keep) {
  std::vector<std::string> kept;
  std::copy_if(list.begin(), list.end(), std::back_inserter(kept), keep);
  return kept;
}

Result<std::vector<AptSource>> read_sources(const fs::path& file) {
  const auto text = read_file(AT_FDCWD, file, kMaxFileBytes);
  if (!text) return text.error();
  return file.extension() == ".sources" ? parse_deb822_sources(*text) : parse_sources_list(*text);
}

}  // namespace

Result<HostRelease> parse_host_release(std::string_view os_release) {
  std::istringstream lines{std::string(os_release)};
  std::map<std::string, std::string> values;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    std::string value = trim(line.substr(equals + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    values[line.substr(0, equals)] = value;
  }
  const std::string id = values["ID"];
  const std::string pretty = values["PRETTY_NAME"];
  if ((id == "debian" || id == "ubuntu") && !values["VERSION_CODENAME"].empty()) {
    return HostRelease{id, values["VERSION_CODENAME"], pretty};
  }
  if (!values["UBUNTU_CODENAME"].empty()) {
    return HostRelease{"ubuntu", values["UBUNTU_CODENAME"], "Ubuntu " + values["UBUNTU_CODENAME"]};
  }
  if (!values["DEBIAN_CODENAME"].empty()) {
    return HostRelease{"debian", values["DEBIAN_CODENAME"], "Debian " + values["DEBIAN_CODENAME"]};
  }
  return Error{
      ErrorCode::kHostLacks,
      fmt::format(
          "this host runs {}, not a release of Debian or Ubuntu that the default image could be made of",
          pretty.empty() ? "an unknown system" : pretty),
      "import an image with `tl sbx image import`"};
}

std::vector<AptSource> parse_sources_list(std::string_view text) {
  std::istringstream lines{std::string(text)};
  std::vector<AptSource> sources;
  for (std::string line; std::getline(lines, line);) {
    line = trim(line.substr(0, line.find('#')));
    AptSource source;
    const std::size_t open = line.find('[');
    const std::size_t close = line.find(']');
    if (open != std::string::npos && close != std::string::npos && open < close) {
      take_options(line.substr(open + 1, close - open - 1), source);
      line.erase(open, close - open + 1);
    }
    const auto words = words_of(line);
    if (words.size() < 3 || words[0] != "deb") continue;
    source.uris = {words[1]};
    source.suites = {words[2]};
    source.components.assign(words.begin() + 3, words.end());
    sources.push_back(std::move(source));
  }
  return sources;
}

std::vector<AptSource> parse_deb822_sources(std::string_view text) {
  std::istringstream lines{std::string(text)};
  std::vector<AptSource> sources;
  Fields fields;
  std::string current;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.front() == '#') continue;
    if (trim(line).empty()) {
      add_source(fields, sources);
      fields.clear();
      current.clear();
    } else if (line.front() == ' ' || line.front() == '\t') {
      if (!current.empty()) fields[current] += " " + trim(line);
    } else if (const std::size_t colon = line.find(':'); colon != std::string::npos) {
      current = lower(line.substr(0, colon));
      fields[current] = line.substr(colon + 1);
    }
  }
  add_source(fields, sources);
  return sources;
}

std::vector<AptSource> own_sources(const std::vector<AptSource>& sources, const HostRelease& release) {
  std::vector<AptSource> own;
  for (AptSource source : sources) {
    if (!is_own_keyring(source.signed_by, release.id)) continue;
    source.uris = only(source.uris, [&](const std::string& uri) {
      return is_fetchable(uri) && (!source.signed_by.empty() || is_archive_address(uri, release.id));
    });
    source.suites =
        only(source.suites, [&](const std::string& suite) { return is_own_suite(suite, release); });
    source.components =
        only(source.components, [&](const std::string& name) { return is_own_component(name, release.id); });
    if (!source.uris.empty() && !source.suites.empty() && !source.components.empty())
      own.push_back(std::move(source));
  }
  return own;
}

std::string format_deb822(const std::vector<AptSource>& sources) {
  std::string text;
  for (const auto& source : sources) {
    if (!text.empty()) text += "\n";
    text += fmt::format("Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\n", fmt::join(source.uris, " "),
                        fmt::join(source.suites, " "), fmt::join(source.components, " "));
    if (!source.signed_by.empty()) text += fmt::format("Signed-By: {}\n", source.signed_by);
    if (source.trusted) text += "Trusted: yes\n";
  }
  return text;
}

Result<std::string> host_apt_sources(const fs::path& apt_folder, const HostRelease& release) {
  std::vector<fs::path> files;
  std::error_code error;
  if (fs::exists(apt_folder / "sources.list", error)) files.push_back(apt_folder / "sources.list");
  fs::directory_iterator at(apt_folder / "sources.list.d", error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const auto extension = at->path().extension();
    if (extension == ".list" || extension == ".sources") files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  std::vector<AptSource> all;
  const std::string keyring = fmt::format("/usr/share/keyrings/{}-archive-keyring.gpg", release.id);
  for (const auto& file : files) {
    auto sources = read_sources(file);
    if (!sources) return sources.error();
    all.insert(all.end(), sources->begin(), sources->end());
  }
  auto own = own_sources(all, release);
  for (auto& source : own) {
    // apt's trusted keys are the host's, while this one comes with the image's own apt.
    if (source.signed_by.empty() && !source.trusted && fs::exists(keyring, error)) source.signed_by = keyring;
  }
  const bool has_release = std::any_of(own.begin(), own.end(), [&release](const AptSource& source) {
    return contains(source.suites, release.codename) || contains(source.suites, "stable");
  });
  if (!has_release) {
    return Error{
        ErrorCode::kHostLacks,
        fmt::format("no entry for {} {} in {}", release.id, release.codename, apt_folder.string()),
        fmt::format("add the {} archive to {}/sources.list, or import an image with `tl sbx image import`",
                    release.id, apt_folder.string())};
  }
  return format_deb822(own);
}

}  // namespace tl::storage
