// SPDX-License-Identifier: Apache-2.0
// A way for SSH clients: an SSH server that is started for one connection, at the far end of an exec. So it
// need not run, takes no port, and whoever may use the sandbox may log in: the state folder has a key pair of
// its own, of which the server is told as it starts. Nothing is written into the sandbox but host keys where
// it has none.
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "common/child_process.hpp"
#include "common/data_folders.hpp"
#include "common/file_lock.hpp"
#include "common/io.hpp"
#include "runtime/sandbox/liveness.hpp"
#include "runtime/sandbox/local_runtime.hpp"
#include "runtime/storage/image_store.hpp"

namespace tl {
namespace {

constexpr const char* kFolder = "ssh";
constexpr const char* kPrivateKey = "id_ed25519";
constexpr const char* kPublicKey = "id_ed25519.pub";
constexpr const char* kNewKey = "new";
constexpr std::size_t kMaxKeyBytes = 4096;

// sh; $1 is the public key. AuthorizedKeysCommand of sshd_config(5) is a program of root's, its words are
// split at spaces.
constexpr const char* kServer = R"(server=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v sshd) || {
  echo 'there is no SSH server in this sandbox: install openssh-server in it' >&2
  exit 127
}
for echo in /bin/echo /usr/bin/echo; do [ ! -x $echo ] || break; done
mkdir -p /run/sshd && chmod 0755 /run/sshd
ls /etc/ssh/ssh_host_*_key >/dev/null 2>&1 || ssh-keygen -A >/dev/null || exit 125
exec "$server" -i -q -o PubkeyAuthentication=yes -o PermitRootLogin=prohibit-password \
  -o "AuthorizedKeysCommand=$echo $1" -o AuthorizedKeysCommandUser=root
)";

Result<void> make_key_pair(int folder, const std::filesystem::path& path) {
  for (const auto& name : {std::string(kNewKey), fmt::format("{}.pub", kNewKey)}) {
    if (::unlinkat(folder, name.c_str(), 0) != 0 && errno != ENOENT) return errno_error("remove " + name);
  }
  auto program = ChildProcess::spawn(
      {.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tl-sbx", "-f", path / kNewKey}});
  if (!program) {
    return Error{program.error().code, program.error().message, "install OpenSSH's client: openssh-client"};
  }
  const auto ended = program->wait();
  if (!ended) return ended.error();
  if (!ended->success()) return Error{ErrorCode::kFailure, "ssh-keygen " + ended->describe(), ""};
  // The private one last: where it is, both are.
  for (const auto& [made, name] :
       {std::pair{fmt::format("{}.pub", kNewKey), kPublicKey}, {std::string(kNewKey), kPrivateKey}}) {
    if (::renameat(folder, made.c_str(), folder, name) != 0)
      return errno_error(fmt::format("rename {}", made));
  }
  return {};
}

struct KeyPair {
  std::filesystem::path private_key;
  std::string public_key;  // one line without its end
};

Result<KeyPair> key_pair_of(const registry::StateFolder& home) {
  const auto folder = home.make_folder(kFolder);
  if (!folder) return folder.error();
  const std::filesystem::path path = home.path() / kFolder;
  const auto lock = FileLock::acquire(folder->get(), "lock");
  if (!lock) return lock.error();
  if (::faccessat(folder->get(), kPrivateKey, F_OK, 0) != 0) {
    if (auto made = make_key_pair(folder->get(), path); !made)
      return made.error().within("make a key pair for SSH");
  }
  auto key = read_file(folder->get(), kPublicKey, kMaxKeyBytes);
  if (!key) return key.error();
  key->erase(key->find_last_not_of(" \r\n") + 1);
  return KeyPair{path / kPrivateKey, *std::move(key)};
}

}  // namespace

Result<SshAccess> LocalRuntime::ssh_access(const std::string& sandbox) {
  const auto record = registry_.find(sandbox);
  if (!record) return record.error();
  if (record->status == registry::SandboxState::kTerminated) return not_live(*record);
  const auto keys = key_pair_of(registry_.folder());
  if (!keys) return keys.error();
  const auto store = storage::ImageStore::open(registry_.folder().path(), data_folders());
  if (!store) return store.error();
  const auto image = store->find_digest(record->image_digest);
  if (!image) return image.error();
  std::error_code failed;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return errno_error(failed.value(), "find tl");

  SshAccess access;
  access.host = handle(*record);
  // "USER:GROUP" of an image is no name to log in by.
  access.user = image->manifest.config.user.substr(0, image->manifest.config.user.find(':'));
  if (access.user.empty() || access.user == "0") access.user = "root";
  access.identity = keys->private_key;
  access.proxy_command = {program, "--home", registry_.folder().path(), "sbx", "ssh", "--proxy", access.host};
  return access;
}

Result<ExecOutcome> LocalRuntime::serve_ssh(const std::string& sandbox, const ResumeFirst& how) {
  const auto keys = key_pair_of(registry_.folder());
  if (!keys) return keys.error();
  ExecOptions options;
  options.command = {"/bin/sh", "-c", kServer, "sshd", keys->public_key};
  options.working_directory = "/";
  options.user = "0";
  options.stdin_mode = StdinMode::kForward;
  options.signals = how.signals;
  options.progress = how.progress;
  return exec(sandbox, options);
}

}  // namespace tl
