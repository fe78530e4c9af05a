// SPDX-License-Identifier: Apache-2.0
#include "runtime/build/context_archive.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <utility>

#include <archive.h>
#include <archive_entry.h>

#include "common/printable.hpp"
#include "common/unique_fd.hpp"

namespace tl::build {
namespace {

constexpr std::size_t kBuffer = 256 * 1024;
constexpr int kBlock = 64 * 1024;  // what libarchive hands out at a time
constexpr std::size_t kShownBytes = 300;
constexpr mode_t kAllBits = 07777;

// A folder on the way: where it is in the context and in the archive.
struct Visit {
  std::string path, name;
};

std::string child(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

class Archiver {
 public:
  Archiver(const BuildContext& context, const Owner& owner, std::optional<mode_t> mode, int fd)
      : context_(context),
        owner_(owner),
        mode_(mode),
        fd_(fd),
        writer_(archive_write_new(), &archive_write_free),
        entry_(archive_entry_new(), &archive_entry_free),
        buffer_(kBuffer) {}

  Result<Archived> run(const std::vector<Placed>& placed) {
    const auto done = add_all(placed);
    if (done) return archived_;
    // Freeing the writer ends the archive as if it were whole: none of that is to be seen.
    discard_ = true;
    if (!reader_gone_) return done.error();
    archived_.complete = false;
    return archived_;
  }

 private:
  Result<void> add_all(const std::vector<Placed>& placed) {
    archive* writer = writer_.get();
    archive_write_set_format_pax(writer);
    // Names are bytes, in whatever locale.
    auto ready = check(archive_write_set_format_option(writer, "pax", "hdrcharset", "BINARY"));
    if (!ready) return ready;
    archive_write_set_bytes_per_block(writer, kBlock);
    archive_write_set_bytes_in_last_block(writer, 1);
    ready = check(archive_write_open(writer, this, nullptr, take, nullptr));
    if (!ready) return ready;
    for (const Placed& each : placed) {
      auto added = each.source.kind == BuildContext::Source::Kind::kFolder ? add_tree(each.source.path)
                                                                           : add(each.source.path, each.name);
      if (!added) return added;
    }
    return check(archive_write_close(writer));
  }

  // Never fails for libarchive, which would not free what it has: check() tells.
  static la_ssize_t take(archive*, void* self, const void* bytes, std::size_t length) {
    auto& archiver = *static_cast<Archiver*>(self);
    if (archiver.discard_) return static_cast<la_ssize_t>(length);
    ssize_t written = 0;
    do written = ::write(archiver.fd_, bytes, length);
    while (written < 0 && errno == EINTR);
    if (written >= 0) return written;
    archiver.reader_gone_ = errno == EPIPE;
    archiver.write_error_ = errno_error("write");
    archiver.discard_ = true;
    return static_cast<la_ssize_t>(length);
  }

  Result<void> check(la_ssize_t status) {
    if (write_error_) return *write_error_;
    if (status >= ARCHIVE_WARN) return {};
    const char* why = archive_error_string(writer_.get());
    return Error{ErrorCode::kFailure, std::string("archive: ") + (why != nullptr ? why : "no reason given"),
                 ""};
  }

  Result<void> add_tree(const std::string& top) {
    // The last one is the next: what is in a folder comes before what is beside it.
    std::vector<Visit> pending = {{top, ""}};
    made_.clear();
    while (!pending.empty()) {
      const Visit folder = std::move(pending.back());
      pending.pop_back();
      if (!is_left_out(folder.path)) {
        if (auto made = add_folders(top, folder.name); !made) return made;
      }
      const auto names = context_.names_in(folder.path);
      if (!names) return names.error();
      std::vector<Visit> below;
      for (const std::string& name : *names) {
        const Visit next{child(folder.path, name), child(folder.name, name)};
        const auto status = context_.status(next.path);
        if (!status) return status.error();
        const bool left_out = is_left_out(next.path);
        if (S_ISDIR(status->st_mode)) {
          if (!left_out || context_.ignore().has_exceptions()) below.push_back(next);
          continue;
        }
        if (left_out) continue;
        if (auto made = add_folders(top, folder.name); !made) return made;
        if (auto added = add(next.path, next.name); !added) return added;
      }
      std::move(below.rbegin(), below.rend(), std::back_inserter(pending));
    }
    return {};
  }

  [[nodiscard]] bool is_left_out(const std::string& path) const {
    return !path.empty() && context_.ignore().leaves_out(path);
  }

  // A folder and those above it, once. They come when something in them does, for an exception may be in one
  // that is left out itself.
  Result<void> add_folders(const std::string& top, const std::string& name) {
    if (!made_.insert(name).second) return {};
    if (!name.empty()) {
      const std::size_t slash = name.rfind('/');
      auto above = add_folders(top, slash == std::string::npos ? "" : name.substr(0, slash));
      if (!above) return above;
    }
    const std::string path = name.empty() ? top : child(top, name);
    const auto status = context_.status(path);
    if (!status) return status.error();
    describe(*status, name.empty() ? "." : name);
    return check(archive_write_header(writer_.get(), entry_.get()));
  }

  Result<void> add(const std::string& path, const std::string& name) {
    const auto status = context_.status(path);
    if (!status) return status.error();
    if (S_ISREG(status->st_mode)) return add_file(path, name);
    if (S_ISLNK(status->st_mode)) {
      const auto target = context_.link_target(path);
      if (!target) return target.error();
      describe(*status, name);
      archive_entry_set_symlink(entry_.get(), target->c_str());
      return check(archive_write_header(writer_.get(), entry_.get()));
    }
    if (archived_.left_out++ == 0) archived_.first_left_out = path;
    return {};
  }

  void describe(const struct stat& status, const std::string& name) {
    archive_entry* entry = archive_entry_clear(entry_.get());
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, status.st_mode & S_IFMT);
    const bool is_link = S_ISLNK(status.st_mode);
    archive_entry_set_perm(entry, mode_ && !is_link ? *mode_ : status.st_mode & kAllBits);
    archive_entry_set_uid(entry, owner_.uid);
    archive_entry_set_gid(entry, owner_.gid);
    archive_entry_set_mtime(entry, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    archive_entry_set_size(entry, S_ISREG(status.st_mode) ? status.st_size : 0);
  }

  Result<void> add_file(const std::string& path, const std::string& name) {
    const auto file = context_.open_below(path);
    if (!file) return file.error();
    struct stat status {};
    if (::fstat(file->get(), &status) != 0)
      return errno_error("look at " + make_printable(path, kShownBytes));
    describe(status, name);
    if (auto begun = check(archive_write_header(writer_.get(), entry_.get())); !begun) return begun;
    for (std::int64_t left = status.st_size; left > 0;) {
      const auto wanted = std::min<std::size_t>(buffer_.size(), static_cast<std::size_t>(left));
      const ssize_t n = ::read(file->get(), buffer_.data(), wanted);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("read " + make_printable(path, kShownBytes));
      if (n == 0)
        return Error{ErrorCode::kFailure,
                     make_printable(path, kShownBytes) + " became shorter while it was read", ""};
      if (auto put = check(archive_write_data(writer_.get(), buffer_.data(), static_cast<std::size_t>(n)));
          !put)
        return put;
      left -= n;
    }
    return {};
  }

  const BuildContext& context_;
  Owner owner_;
  std::optional<mode_t> mode_;
  int fd_;
  std::unique_ptr<archive, int (*)(archive*)> writer_;
  std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry_;
  std::vector<char> buffer_;
  std::set<std::string> made_;  // folders of the tree that are in the archive
  Archived archived_;
  std::optional<Error> write_error_;
  bool discard_ = false;
  bool reader_gone_ = false;
};

}  // namespace

Result<Archived> archive_context(const BuildContext& context, const std::vector<Placed>& placed,
                                 const Owner& owner, std::optional<mode_t> mode, int fd) {
  return Archiver(context, owner, mode, fd).run(placed);
}

}  // namespace tl::build
