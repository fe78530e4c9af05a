// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/import_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "common/io.hpp"
#include "common/printable.hpp"
#include "common/sha256.hpp"
#include "runtime/storage/decompression.hpp"
#include "runtime/storage/folder_import.hpp"
#include "runtime/storage/image_reference.hpp"
#include "runtime/storage/oci/apply.hpp"
#include "runtime/storage/oci/tar_files.hpp"
#include "runtime/storage/tar_import.hpp"

namespace tl::storage {
namespace {

// What layers may unpack to: several times the disk, for one may replace what another has brought.
constexpr std::uint64_t kDisksOfLayers = 4;
constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr std::size_t kMaxShown = 200;

class Layers final : public ImportSource {
 public:
  Layers(Origin origin, std::unique_ptr<oci::ImageFiles> files, oci::Plan plan)
      : ImportSource(std::move(origin)), files_(std::move(files)), plan_(std::move(plan)) {}

  Result<void> fill(Ext4Builder& builder, const ImportWatch& watch) override {
    UnpackingBudget budget{kDisksOfLayers * builder.size_bytes()};
    return oci::apply(builder, *files_, plan_, budget, watch);
  }

 private:
  std::unique_ptr<oci::ImageFiles> files_;
  oci::Plan plan_;
};

class Archive final : public ImportSource {
 public:
  Archive(Origin origin, UniqueFd file, std::uint64_t size_bytes)
      : ImportSource(std::move(origin)), file_(std::move(file)), size_bytes_(size_bytes) {}

  Result<void> fill(Ext4Builder& builder, const ImportWatch& watch) override {
    if (::lseek(file_.get(), 0, SEEK_SET) != 0) return errno_error("seek in the archive");
    const auto source = watched(source_of_fd(file_.get()), watch, "unpacking", size_bytes_);
    const auto added = add_tar(builder, source);
    return added ? Result<void>() : added.error();
  }

 private:
  UniqueFd file_;
  std::uint64_t size_bytes_;
};

class Folder final : public ImportSource {
 public:
  Folder(Origin origin, UniqueFd folder, FolderOwners owners)
      : ImportSource(std::move(origin)), folder_(std::move(folder)), owners_(owners) {}

  Result<void> fill(Ext4Builder& builder, const ImportWatch& watch) override {
    return add_folder(builder, folder_.get(), owners_, watch);
  }

 private:
  UniqueFd folder_;
  FolderOwners owners_;
};

Error nothing_to_choose(const std::string& wanted) {
  return Error{ErrorCode::kOutOfRange,
               fmt::format("it is a root file system and has no image \"{}\" in it",
                           make_printable(wanted, kMaxShown)),
               "leave out what is behind the colon"};
}

std::string name_of(const std::string& path, const oci::Plan& plan, const std::string& wanted) {
  // A tag alone, as the names in most layouts are, is not much of a name.
  if (plan.name.find_first_of(":/") != std::string::npos) return image_name_for(plan.name);
  const std::string tag = wanted.empty() ? plan.name : wanted;
  const std::string name = image_name_for_file(path);
  return tag.empty() || tag == "latest" ? name : image_name_for(name + ":" + tag);
}

// ----- what is in a file or folder

Result<std::unique_ptr<ImportSource>> open_layers(std::unique_ptr<oci::ImageFiles> files,
                                                  Result<oci::Plan> plan, const std::string& path,
                                                  const std::string& wanted) {
  if (!plan) return plan.error();
  std::string name = name_of(path, *plan, wanted);
  return layered_source(std::move(files), *std::move(plan), path, std::move(name));
}

bool is_saved(oci::ImageFiles& files) {
  const auto text = oci::read_document(files, "manifest.json");
  if (!text) return false;
  const std::size_t first = text->find_first_not_of(" \t\r\n");
  return first != std::string::npos && (*text)[first] == '[' && text->find("\"Layers\"") != std::string::npos;
}

bool is_there(const UniqueFd& folder, const char* name) {
  struct stat status = {};
  return ::fstatat(folder.get(), name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<std::unique_ptr<ImportSource>> open_folder(UniqueFd folder, const std::string& path,
                                                  const std::string& wanted, const ImportWatch& watch) {
  if (is_there(folder, "oci-layout") && is_there(folder, "index.json")) {
    auto files = std::make_unique<oci::FolderFiles>(std::move(folder));
    auto plan = oci::plan_of_layout(*files, wanted);
    return open_layers(std::move(files), std::move(plan), path, wanted);
  }
  if (!wanted.empty()) return nothing_to_choose(wanted);
  const auto owners = ::geteuid() == 0 ? FolderOwners::kAsTheyAre : FolderOwners::kOursAreRoots;
  watch.tell("looking through the folder");
  auto digest = digest_of_folder(folder.get(), owners, watch);
  if (!digest) return digest.error();
  return std::unique_ptr<ImportSource>(std::make_unique<Folder>(
      ImportSource::Origin{"folder", *std::move(digest), path, image_name_for_file(path), {}},
      std::move(folder), owners));
}

Result<UniqueFd> unnamed_file(const std::filesystem::path& folder) {
  UniqueFd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file) return file;
  // A file system that has none of these: with a name for a moment.
  std::string path = folder / ".unpacking-XXXXXX";
  file.reset(::mkostemp(path.data(), O_CLOEXEC));
  if (!file) return errno_error("make a file in " + folder.string());
  ::unlink(path.c_str());
  return file;
}

struct Contents {
  UniqueFd file;  // not compressed
  std::uint64_t size_bytes = 0;
  std::string digest;  // of the file as it was given
};

// Reads the file once, for its digest, and undoes its compression on the way.
Result<Contents> contents_of(UniqueFd file, const std::filesystem::path& scratch, std::uint64_t disk_bytes,
                             const ImportWatch& watch) {
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) return errno_error("stat");
  std::array<std::byte, 6> beginning{};
  const ssize_t got = ::pread(file.get(), beginning.data(), beginning.size(), 0);
  if (got < 0) return errno_error("read");
  const bool compressed = looks_compressed(std::span(beginning).first(static_cast<std::size_t>(got)));
  auto sha = std::make_shared<Sha256>();
  const ByteSource digesting = [sha, read = source_of_fd(file.get())](std::span<std::byte> into) {
    auto count = read(into);
    if (count) sha->update(into.first(*count));
    return count;
  };
  ByteSource source = watched(digesting, watch, "reading", static_cast<std::uint64_t>(status.st_size));
  UnpackingBudget budget{disk_bytes};
  UniqueFd unpacked;
  if (compressed) {
    source = decompressed(std::move(source), budget);
    auto made = unnamed_file(scratch);
    if (!made) return made.error();
    unpacked = *std::move(made);
  }
  std::vector<std::byte> buffer(kReadBytes);
  std::uint64_t size = 0;
  for (;;) {
    const auto count = source(buffer);
    if (!count) return count.error();
    if (*count == 0) break;
    size += *count;
    if (!compressed) continue;
    if (auto written = write_all(unpacked.get(), std::span<const std::byte>(buffer).first(*count)); !written)
      return written.error().within("unpack the archive");
  }
  return Contents{compressed ? std::move(unpacked) : std::move(file), size, "sha256:" + sha->finish()};
}

Result<std::unique_ptr<ImportSource>> open_archive(const std::string& path, const std::string& wanted,
                                                   Contents contents) {
  auto copy = duplicate(contents.file);
  if (!copy) return copy.error();
  auto files = oci::TarFiles::open(*std::move(copy));
  // A root file system may have any number of files; what is wrong with it is told when it is unpacked.
  if (files && (*files)->open("oci-layout") && (*files)->open("index.json")) {
    auto plan = oci::plan_of_layout(**files, wanted);
    return open_layers(*std::move(files), std::move(plan), path, wanted);
  }
  if (files && is_saved(**files)) {
    auto plan = oci::plan_of_saved(**files, wanted);
    return open_layers(*std::move(files), std::move(plan), path, wanted);
  }
  if (!wanted.empty()) return nothing_to_choose(wanted);
  ImportSource::Origin origin{"archive", contents.digest, path, image_name_for_file(path), {}};
  return std::unique_ptr<ImportSource>(
      std::make_unique<Archive>(std::move(origin), std::move(contents.file), contents.size_bytes));
}

}  // namespace

Result<std::unique_ptr<ImportSource>> open_import_source(const std::string& path, const std::string& wanted,
                                                         const std::filesystem::path& scratch,
                                                         std::uint64_t disk_bytes, const ImportWatch& watch) {
  // The path is the user's own, and may be a link to what is meant.
  auto opened = open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!opened) return opened.error();
  struct stat status = {};
  if (::fstat(opened->get(), &status) != 0) return errno_error("stat " + path);
  if (S_ISDIR(status.st_mode)) return open_folder(*std::move(opened), path, wanted, watch);
  if (!S_ISREG(status.st_mode))
    return Error{ErrorCode::kOutOfRange, path + " is neither a file nor a folder", ""};
  auto contents = contents_of(*std::move(opened), scratch, disk_bytes, watch);
  if (!contents) return contents.error();
  return open_archive(path, wanted, *std::move(contents));
}

std::unique_ptr<ImportSource> layered_source(std::unique_ptr<oci::ImageFiles> files, oci::Plan plan,
                                             std::string source, std::string name) {
  ImportSource::Origin origin{"layers", plan.digest, std::move(source), std::move(name), plan.config};
  return std::make_unique<Layers>(std::move(origin), std::move(files), std::move(plan));
}

}  // namespace tl::storage
