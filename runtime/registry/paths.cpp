// SPDX-License-Identifier: Apache-2.0
#include "runtime/registry/paths.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.hpp"
#include "common/io.hpp"
#include "common/random.hpp"
#include "runtime/registry/schema.hpp"

namespace tl::registry {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxSchemaBytes = 4096;
constexpr const char* kChooseAnother = "choose another folder with `tl --home DIR` or the variable TL_HOME";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

Error trouble(const fs::path& path, std::string_view why) {
  return Error{ErrorCode::kFailure, fmt::format("state folder {}: {}", path.string(), why), kChooseAnother};
}

Error errno_trouble(const fs::path& path, int number) {
  return errno_error(number, "state folder " + path.string()).with_hint(kChooseAnother);
}

Result<void> make_missing_folders(int dir_fd, const fs::path& path) {
  fs::path done;
  for (const fs::path& part : path) {
    done /= part;
    if (::mkdirat(dir_fd, done.c_str(), 0700) == 0) continue;
    const int number = errno;
    // Not EEXIST alone: a parent that is there may be on a read-only file system or not be ours.
    struct stat status {};
    if (::fstatat(dir_fd, done.c_str(), &status, 0) == 0) continue;
    return errno_error(number, "make folder " + done.string());
  }
  return {};
}

bool has_nothing_in_it(const fs::path& path) {
  std::error_code ec;
  return fs::is_empty(path, ec) && !ec;
}

// Whoever may write here can put his own documents and sockets in the place of ours.
Result<void> close_to_others(const fs::path& path, int fd, mode_t mode) {
  if ((mode & 022) == 0) return {};
  if (!has_nothing_in_it(path)) {
    return Error{ErrorCode::kFailure,
                 fmt::format("state folder {}: other users may write to it", path.string()),
                 fmt::format("`chmod go-w {}`, or {}", path.string(), kChooseAnother)};
  }
  if (::fchmod(fd, 0700) != 0) return errno_trouble(path, errno);
  return {};
}

}  // namespace

fs::path work_path(const fs::path& home, const std::string& id) {
  return home / layout::kWork / id;
}

Result<fs::path> StateFolder::locate(const std::string& chosen) {
  fs::path place = chosen;
  if (place.empty()) place = variable("TL_HOME");
  if (place.empty()) {
    const fs::path state_home = variable("XDG_STATE_HOME");
    const fs::path home = variable("HOME");
    if (state_home.is_absolute()) {  // the XDG specification has a relative one ignored
      place = state_home / "tl";
    } else if (!home.empty()) {
      place = home / ".local/state/tl";
    }
  }
  if (place.empty()) {
    return Error{ErrorCode::kFailure, "no place for the state folder: HOME is not set", kChooseAnother};
  }
  std::error_code ec;
  fs::path absolute = fs::absolute(place, ec).lexically_normal();
  if (ec) return errno_trouble(place, ec.value());
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  return absolute;
}

Result<StateFolder> StateFolder::open(const std::string& chosen) {
  auto path = locate(chosen);
  if (!path) return path.error();
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  int raw = ::open(path->c_str(), kFlags);
  if (raw < 0 && errno == ENOENT) {
    if (auto made = make_missing_folders(AT_FDCWD, *path); !made) {
      return made.error().within("state folder " + path->string()).with_hint(kChooseAnother);
    }
    raw = ::open(path->c_str(), kFlags);
  }
  if (raw < 0) return errno_trouble(*path, errno);
  StateFolder folder(*std::move(path), UniqueFd(raw));

  struct stat status {};
  if (::fstat(raw, &status) != 0) return errno_trouble(folder.path_, errno);
  if (status.st_uid != ::geteuid()) {
    return trouble(folder.path_,
                   fmt::format("it belongs to user {}, not to you ({})", status.st_uid, ::geteuid()));
  }
  if (::faccessat(raw, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) return errno_trouble(folder.path_, errno);
  if (auto closed = close_to_others(folder.path_, raw, status.st_mode); !closed) return closed.error();
  if (auto checked = folder.check_schema(); !checked) return checked.error();
  return folder;
}

Result<void> StateFolder::check_schema() const {
  const UniqueFd fd(open_raw(layout::kSchemaFile, O_RDONLY | O_NONBLOCK));
  if (!fd && errno != ENOENT) return errno_trouble(path_ / layout::kSchemaFile, errno);
  if (fd) {
    const auto text = read_regular(fd.get(), kMaxSchemaBytes);
    const auto document = nlohmann::json::parse(text ? *text : "", nullptr, false);
    const auto field = document.is_object() ? document.find("schema") : document.end();
    std::optional<SchemaVersion> version;
    if (field != document.end() && field->is_string()) {
      version = SchemaVersion::parse(field->get_ref<const std::string&>());
    }
    if (version && version->major_version > kSchema.major_version) {
      return Error{ErrorCode::kFailure,
                   fmt::format("state folder {}: written by a newer tl (schema {}, this one knows {})",
                               path_.string(), version->text(), kSchema.text()),
                   fmt::format("use the newer tl, or {}", kChooseAnother)};
    }
    if (version) return {};
    // The documents carry their own versions, so a damaged one here is no reason to refuse them all.
    if (auto damaged = make_folder(layout::kDamaged); damaged) {
      const std::string aside = std::string(layout::kSchemaFile) + "." + random_base36(8);
      ::renameat(fd_.get(), layout::kSchemaFile, damaged->get(), aside.c_str());
    }
  }
  const std::string text = nlohmann::json{{"schema", kSchema.text()}}.dump() + "\n";
  if (auto written = replace_file(fd_.get(), layout::kSchemaFile, text); !written) {
    return written.error().within("state folder " + path_.string()).with_hint(kChooseAnother);
  }
  return {};
}

int StateFolder::open_raw(const std::string& relative, int flags) const {
  int fd = -1;
  do fd = ::openat(fd_.get(), relative.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, 0600);
  while (fd < 0 && errno == EINTR);
  return fd;
}

Result<UniqueFd> StateFolder::open_file(const std::string& relative, int flags) const {
  UniqueFd fd(open_raw(relative, flags));
  if (!fd) return errno_trouble(path_ / relative, errno);
  return fd;
}

Result<UniqueFd> StateFolder::make_folder(const std::string& relative) const {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  UniqueFd fd(open_raw(relative, kFlags));
  if (fd || errno != ENOENT) {
    if (!fd) return errno_trouble(path_ / relative, errno);
    return fd;
  }
  if (auto made = make_missing_folders(fd_.get(), relative); !made) {
    return made.error().within("state folder " + path_.string()).with_hint(kChooseAnother);
  }
  return open_file(relative, kFlags);
}

}  // namespace tl::registry
