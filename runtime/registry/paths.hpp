// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace tl::registry {

// What stands where in the state folder. All folders have mode 0700.
namespace layout {
inline constexpr const char* kSchemaFile = "schema";    // version of the folder as a whole
inline constexpr const char* kSandboxes = "sandboxes";  // <id>.json, one document a sandbox; .index, derived
inline constexpr const char* kNames = "names";          // <name>, a symbolic link whose target is the ID
inline constexpr const char* kLocks = "locks";          // lock files, never deleted
inline constexpr const char* kWork = "work";            // <id>/, gone when the sandbox is Terminated
inline constexpr const char* kDamaged = "damaged";      // documents set aside, each with a .reason
inline constexpr const char* kImages = "images";        // the image store's
inline constexpr const char* kTemplates = "templates";  // kept states of freshly booted machines
// In work/<id>/:
inline constexpr const char* kLifeLock = "alive";
inline constexpr const char* kControlSocket = "control.sock";
inline constexpr const char* kMonitorLog = "monitor.log";
inline constexpr const char* kConsoleLog = "console.log";
inline constexpr const char* kDisk = "disk";
inline constexpr const char* kMachine = "machine";    // a saved machine: snapshot/FORMAT.md
inline constexpr const char* kEmulator = "emulator";  // in there: machine/process_image/FORMAT.md
}  // namespace layout

// The work folder of a sandbox under the state folder `home`.
[[nodiscard]] std::filesystem::path work_path(const std::filesystem::path& home, const std::string& id);

// The folder under which everything that this user's sandboxes are made of lives, open. Each failure to get
// at it is an error that says which folder and how to choose another. Any thread.
class StateFolder {
 public:
  // Where it is: `chosen` (the --home argument; empty: none), else $TL_HOME, else $XDG_STATE_HOME/tl, else
  // $HOME/.local/state/tl. Always absolute.
  static Result<std::filesystem::path> locate(const std::string& chosen);

  // Opens it; made with its parents (mode 0700) when missing. Refused: something that is not a folder, not
  // ours, open to writing by others, not accessible, or written by a program with a later major schema
  // version.
  static Result<StateFolder> open(const std::string& chosen = "");

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

  // The one door to what lies inside. `relative` has no "..", its last component may be no symbolic link; a
  // file that O_CREAT makes has mode 0600.
  [[nodiscard]] Result<UniqueFd> open_file(const std::string& relative, int flags) const;
  // A folder inside, made with its parents (mode 0700) when missing.
  [[nodiscard]] Result<UniqueFd> make_folder(const std::string& relative) const;

 private:
  StateFolder(std::filesystem::path path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Result<void> check_schema() const;
  // The descriptor, or -1 with errno.
  [[nodiscard]] int open_raw(const std::string& relative, int flags) const;

  std::filesystem::path path_;
  UniqueFd fd_;
};

}  // namespace tl::registry
