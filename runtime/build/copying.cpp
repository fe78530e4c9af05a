// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/copying.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "common/printable.hpp"
#include "runtime/build/archive_kind.hpp"
#include "runtime/build/archive_stream.hpp"
#include "runtime/build/copy_words.hpp"
#include "runtime/build/guest_scripts.hpp"
#include "runtime/build/spool.hpp"

namespace tl::build {
namespace {

using Source = BuildContext::Source;

constexpr std::size_t kShownBytes = 100;
constexpr std::size_t kLongestMode = 4;
constexpr std::uint64_t kMostBytes = std::uint64_t{102'400} << 20;  // the largest disk of a sandbox

Error wrong(std::string message) {
  return Error{ErrorCode::kOutOfRange, std::move(message), ""};
}

bool names_folder(const std::string& path) {
  return path.ends_with('/');
}

std::string without_slash(std::string path) {
  if (path.size() > 1 && names_folder(path)) path.pop_back();
  return path;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::optional<mode_t> mode_of(const CopyOrder& order) {
  if (order.mode.empty()) return std::nullopt;
  mode_t mode = 0;
  std::from_chars(order.mode.data(), order.mode.data() + order.mode.size(), mode, 8);
  return mode;
}

// The folder that is written to, and what the one file is called in it; nothing: by its own name.
struct Target {
  std::string folder, name;
};

Result<Target> target_of_file(const CopyOrder& order, Guest& to) {
  if (names_folder(order.destination)) return Target{without_slash(order.destination), ""};
  const auto kind = to.look(order.destination);
  if (!kind) return kind.error();
  if (*kind == Guest::Kind::kFolder) return Target{order.destination, ""};
  return Target{parent_of(order.destination), last_part(order.destination)};
}

Error needs_folder() {
  return wrong("several sources need a destination that ends with a slash");
}

// What is read from the descriptor, into the folder.
struct Unpacking {
  std::string folder;
  Owner makers;  // of folders that are made on the way
  enum class Top { kPlain, kGiven } top = Top::kPlain;
  std::string owner, mode;  // of all that is unpacked; empty: as in the archive
  std::string filter;
};

Guest::Script unpack_script(const Unpacking& unpacking, int fd) {
  return {
      kUnpackScript,
      {unpacking.folder, unpacking.makers.text(), unpacking.top == Unpacking::Top::kGiven ? "given" : "plain",
       unpacking.owner, unpacking.mode, unpacking.filter},
      fd};
}

// True when it was one.
Result<bool> unpack_archive(const CopyOrder& order, const BuildContext& context, const Source& source,
                            Guest& to, const Owner& owner) {
  const auto file = context.open_below(source.path);
  if (!file) return file.error();
  const auto filter = archive_filter(file->get());
  if (!filter) return filter.error();
  if (filter->empty()) return false;
  Unpacking unpacking{without_slash(order.destination), owner};
  if (!order.owner.empty()) unpacking.owner = owner.text();
  unpacking.mode = order.mode;
  unpacking.filter = *filter;
  const auto unpacked = to.script(unpack_script(unpacking, file->get()));
  if (unpacked) return true;
  if (unpacked.error().code == ErrorCode::kOutOfRange) return false;
  return unpacked.error().within("unpack " + make_printable(source.name, kShownBytes));
}

// Takes the archives out of the sources.
Result<void> unpack_archives(const CopyOrder& order, const BuildContext& context,
                             std::vector<Source>& sources, Guest& to, const Owner& owner) {
  for (auto each = sources.begin(); each != sources.end();) {
    if (each->kind != Source::Kind::kFile) {
      ++each;
      continue;
    }
    const auto unpacked = unpack_archive(order, context, *each, to, owner);
    if (!unpacked) return unpacked.error();
    each = *unpacked ? sources.erase(each) : each + 1;
  }
  return {};
}

}  // namespace

Result<CopyOrder> copy_order(const Instruction& instruction, const StageState& state, char escape) {
  CopyOrder order;
  if (instruction.keyword == "ADD") order.archives = CopyOrder::Archives::kUnpacked;
  for (const std::string& word : copy_words(instruction, escape)) {
    auto path = state.expanded(word, escape);
    if (!path) return path.error();
    if (path->empty()) return wrong("a source or the destination is empty");
    order.sources.push_back(*std::move(path));
  }
  order.destination = state.absolute(order.sources.back());
  order.sources.pop_back();
  if (order.archives == CopyOrder::Archives::kUnpacked &&
      std::any_of(order.sources.begin(), order.sources.end(), is_remote))
    return wrong("ADD of a URL is not supported");
  for (const Option& option : instruction.options) {
    auto value = state.expanded(option.value, escape);
    if (!value) return value.error();
    if (option.name == "chown") order.owner = *value;
    if (option.name == "chmod") order.mode = *value;
  }
  const bool is_octal = order.mode.find_first_not_of("01234567") == std::string::npos;
  if (!is_octal || order.mode.size() > kLongestMode)
    return wrong("--chmod takes an octal number, such as 755");
  return order;
}

Result<void> copy_from_context(const CopyOrder& order, const BuildContext& context, Guest& to,
                               const BuildWatch& watch) {
  std::vector<Source> sources;
  for (const std::string& word : order.sources) {
    auto found = context.find(word);
    if (!found) return found.error();
    std::move(found->begin(), found->end(), std::back_inserter(sources));
  }
  if (sources.size() > 1 && !names_folder(order.destination)) return needs_folder();
  Owner owner;
  if (!order.owner.empty()) {
    const auto resolved = to.resolve(order.owner);
    if (!resolved) return resolved.error();
    owner = *resolved;
  }
  if (order.archives == CopyOrder::Archives::kUnpacked) {
    if (auto done = unpack_archives(order, context, sources, to, owner); !done) return done;
    if (sources.empty()) return {};
  }

  Target target{without_slash(order.destination), ""};
  const bool one_folder = sources.size() == 1 && sources.front().kind == Source::Kind::kFolder;
  if (!one_folder && sources.size() == 1) {
    auto found = target_of_file(order, to);
    if (!found) return found.error();
    target = *std::move(found);
  }
  std::vector<Placed> placed;
  for (Source& source : sources) {
    std::string name = target.name.empty() ? source.name : target.name;
    placed.push_back({std::move(source), std::move(name)});
  }
  Unpacking unpacking{target.folder, owner};
  if (one_folder) unpacking.top = Unpacking::Top::kGiven;
  const auto archived =
      stream_archive([&](int fd) { return archive_context(context, placed, owner, mode_of(order), fd); },
                     [&](int fd) { return to.script(unpack_script(unpacking, fd)); });
  if (!archived) return archived.error();
  if (archived->left_out > 0) {
    watch.warn("devices, sockets and named pipes are left out, such as " +
               make_printable(archived->first_left_out, kShownBytes));
  }
  return {};
}

Result<void> copy_from_guest(const CopyOrder& order, Guest& from, Guest& to) {
  std::vector<std::string> patterns;
  for (const std::string& source : order.sources)
    patterns.push_back(source.starts_with('/') ? source : "/" + source);
  const auto kind = from.script({kFindScript, patterns});
  if (!kind) return kind.error();
  if (*kind == "many" && !names_folder(order.destination)) return needs_folder();
  Unpacking unpacking{without_slash(order.destination), {}};
  if (!order.owner.empty()) {
    const auto resolved = to.resolve(order.owner);
    if (!resolved) return resolved.error();
    unpacking.makers = *resolved;
    unpacking.owner = resolved->text();
  }
  unpacking.mode = order.mode;
  std::string name;
  if (*kind == "other") {
    auto target = target_of_file(order, to);
    if (!target) return target.error();
    unpacking.folder = target->folder;
    name = target->name;
  }
  if (*kind == "folder") unpacking.top = Unpacking::Top::kGiven;
  auto spool = Spool::create(kMostBytes);
  if (!spool) return spool.error();
  patterns.insert(patterns.begin(), name);
  const auto packed = from.script({kPackScript, patterns, -1, spool->writing_end()});
  const auto file = spool->finish();
  if (!file) return file.error();
  if (!packed) return packed.error();
  const auto unpacked = to.script(unpack_script(unpacking, *file));
  if (!unpacked) return unpacked.error();
  return {};
}

}  // namespace tl::build
