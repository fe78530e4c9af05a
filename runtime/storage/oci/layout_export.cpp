// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/oci/layout_export.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "common/io.hpp"
#include "common/random.hpp"
#include "runtime/storage/archive_writer.hpp"

namespace tl::storage::oci {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::size_t kRandomLetters = 12;

enum class Form {
  kNewFolder,
  kEmptyFolder,  // is filled: somebody may be in it, or have mounted it
  kTar,
};

// A name of our own, and all that is under it, gone in the end.
class Draft {
 public:
  explicit Draft(const fs::path& folder)
      : path_(folder / (".tl-export." + random_base36(kRandomLetters) + ".tmp")) {}
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);  // follows no links
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

  [[nodiscard]] Result<void> make_folder() const {
    if (::mkdir(path_.c_str(), 0777) == 0) return {};
    return errno_error("make " + path_.string());
  }

  // Replaces nothing.
  [[nodiscard]] Result<void> become(const fs::path& to) const { return rename(path_, to); }

  // What is in the folder is in `to` then, or nothing of it. The document that makes a layout of it is last.
  [[nodiscard]] Result<void> pour_into(const fs::path& to) const {
    for (const char* name : kParts) {
      auto moved = rename(path_ / name, to / name);
      if (moved) continue;
      for (const char* undone : kParts) {
        if (undone == name) break;
        ::rename((to / undone).c_str(), (path_ / undone).c_str());
      }
      return moved;
    }
    return {};
  }

 private:
  static constexpr std::array<const char*, 3> kParts = {"blobs", "index.json", "oci-layout"};

  static Result<void> rename(const fs::path& from, const fs::path& to) {
    int done = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
    // Where the file system cannot do that; it was looked at before.
    if (done != 0 && errno == EINVAL) done = ::rename(from.c_str(), to.c_str());
    return done == 0 ? Result<void>() : errno_error("rename to " + to.string());
  }

  fs::path path_;
};

Result<void> sync_folder(const fs::path& path) {
  const auto folder = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (!folder) return folder.error();
  return ::fsync(folder->get()) == 0 ? Result<void>() : errno_error("sync " + path.string());
}

// Absolute, without links in what is there, so that its neighbour is on the same file system.
Result<fs::path> resolve(const fs::path& to) {
  std::error_code failed;
  fs::path path = fs::absolute(to, failed).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();  // "folder/"
  if (fs::exists(path, failed)) {
    path = fs::canonical(path, failed);
    return failed ? Result<fs::path>(errno_error(failed.value(), "look at " + to.string())) : path;
  }
  if (fs::is_directory(path.parent_path(), failed)) return path;
  return Error{ErrorCode::kNotFound, "there is no folder " + path.parent_path().string(), ""};
}

Result<Form> form_of(const fs::path& path, const fs::path& typed) {
  const bool tar = typed.extension() == ".tar";
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return errno_error("look at " + path.string());
    return tar ? Form::kTar : Form::kNewFolder;
  }
  if (tar || !S_ISDIR(status.st_mode))
    return Error{ErrorCode::kConflict, typed.string() + " is there already", "remove it, or name another"};
  std::error_code failed;
  const bool empty = fs::is_empty(path, failed);
  if (failed) return errno_error(failed.value(), "look at " + path.string());
  if (empty) return Form::kEmptyFolder;
  return Error{ErrorCode::kConflict, typed.string() + " is not empty", "name a folder that is new or empty"};
}

class TarOfLayout {
 public:
  TarOfLayout(fs::path folder, ArchiveWriter& writer, std::chrono::system_clock::time_point time,
              const LongWork& work)
      : folder_(std::move(folder)),
        writer_(writer),
        time_(std::chrono::system_clock::to_time_t(time)),
        work_(work) {}

  Result<void> run() {
    for (const char* folder : {"blobs", "blobs/sha256"}) {
      const ArchiveEntry entry = describe(folder, AE_IFDIR, 0);
      if (auto done = writer_.header(entry.get()); !done) return done;
    }
    std::vector<std::string> names = {"index.json", "oci-layout"};
    std::error_code failed;
    for (const auto& each : fs::directory_iterator(folder_ / "blobs/sha256", failed))
      names.push_back("blobs/sha256/" + each.path().filename().string());
    if (failed) return errno_error(failed.value(), "list " + folder_.string());
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
      if (auto done = add_file(name); !done) return done.error().within(name);
    }
    return writer_.close();
  }

 private:
  [[nodiscard]] ArchiveEntry describe(const std::string& name, unsigned type, std::uint64_t size) const {
    ArchiveEntry entry(archive_entry_new());
    archive_entry_copy_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), type);
    archive_entry_set_perm(entry.get(), type == AE_IFDIR ? 0755 : 0644);
    archive_entry_set_mtime(entry.get(), time_, 0);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
    return entry;
  }

  Result<void> add_file(const std::string& name) {
    const auto file = open_at(AT_FDCWD, folder_ / name, O_RDONLY | O_NOFOLLOW);
    if (!file) return file.error();
    struct stat status = {};
    if (::fstat(file->get(), &status) != 0) return errno_error("look at it");
    auto left = static_cast<std::uint64_t>(status.st_size);
    const ArchiveEntry entry = describe(name, AE_IFREG, left);
    if (auto done = writer_.header(entry.get()); !done) return done;
    while (left > 0) {
      if (auto going = work_.check(); !going) return going;
      const auto part = std::span(buffer_).first(std::min<std::uint64_t>(left, buffer_.size()));
      if (auto done = read_exact(file->get(), part); !done) return done;
      if (auto done = writer_.data(part); !done) return done;
      left -= part.size();
    }
    return {};
  }

  fs::path folder_;
  ArchiveWriter& writer_;
  std::time_t time_;
  const LongWork& work_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kBufferBytes);
};

Result<void> pack(const fs::path& folder, const fs::path& to, const Image& image, const LongWork& work) {
  const auto file = open_at(AT_FDCWD, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
  if (!file) return file.error();
  auto writer = ArchiveWriter::open(ArchiveWriter::Form::kPaxTar, [&file](std::span<const std::byte> bytes) {
    return write_all(file->get(), bytes);
  });
  if (!writer) return writer.error();
  if (auto packed = TarOfLayout(folder, **writer, image.manifest.created_at, work).run(); !packed)
    return packed;
  return ::fsync(file->get()) == 0 ? Result<void>() : errno_error("sync " + to.string());
}

}  // namespace

Result<WrittenLayout> export_layout(const Image& image, const std::string& tag, const fs::path& to,
                                    const LongWork& work) {
  if (auto valid = check_tag(tag); !valid) return valid.error();
  const auto path = resolve(to);
  if (!path) return path.error();
  const auto form = form_of(*path, to);
  if (!form) return form.error();
  const fs::path around = *form == Form::kEmptyFolder ? *path : path->parent_path();
  const Draft folder(around);
  if (auto made = folder.make_folder(); !made) return made.error();
  auto layout = write_layout(image, tag, folder.path(), work);
  if (!layout) return layout;
  Result<void> done;
  if (*form == Form::kTar) {
    const Draft archive(around);
    done = pack(folder.path(), archive.path(), image, work);
    if (done) done = archive.become(*path);
  } else {
    done = *form == Form::kNewFolder ? folder.become(*path) : folder.pour_into(*path);
  }
  if (done) done = sync_folder(around);
  if (!done) return done.error();
  return layout;
}

}  // namespace tl::storage::oci
