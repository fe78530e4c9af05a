// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "runtime/sandbox/info.hpp"
#include "runtime/sandbox/spec.hpp"

namespace tl {

// The sandboxes of one state folder: what the command line, and any other caller in this process, works with.
// An interface, so that callers can be tested without a machine.
//
// Calls block until done and are made from one thread. Other processes may work on the same state folder at
// the same time. Wherever a sandbox is meant, `sandbox` is its ID or its name (kNotFound when there is none).
// Nothing is printed, except that exec() moves the command's bytes; signal handlers are the caller's, and
// SIGPIPE is expected to be ignored.
class Runtime {
 public:
  using Progress = std::function<void(std::string_view)>;  // a few words each, such as "starting the machine"

  // Finds the state folder and makes it when missing (mode 0700). Cheap: neither lists nor probes anything.
  static Result<std::unique_ptr<Runtime>> open(const RuntimeOptions& options);

  virtual ~Runtime() = default;

  // Starts a sandbox; with CreateWait::kReady returns when it takes commands. When it fails or is given up,
  // and when the caller dies before it returns, nothing is left behind. kOutOfRange, kConflict for a name in
  // use, kNotFound for an image, kHostLacks. `progress` may be empty.
  virtual Result<Created> create(const CreateRequest& request, const Progress& progress) = 0;

  virtual Result<SandboxList> list(ListFilter filter) = 0;
  virtual Result<SandboxInfo> describe(const std::string& sandbox) = 0;

  // Gives a live sandbox another name, or an ephemeral one its first. kConflict when the name is in use or
  // the sandbox is terminated; kOutOfRange for a malformed name.
  virtual Result<SandboxInfo> rename(const std::string& sandbox, const std::string& new_name) = 0;

  // Replaces whom a live sandbox may speak to: at once where it runs, for connections that exist too.
  // kOutOfRange, kConflict when it is terminated.
  virtual Result<SandboxInfo> set_network(const std::string& sandbox,
                                          const registry::NetworkPolicy& policy) = 0;

  // Puts a running sandbox with a name aside, its memory and processes as they are; success when it is
  // suspended already. kConflict for one without a name, or in another state. With kNoWait it is only begun.
  virtual Result<SandboxInfo> suspend(const std::string& sandbox, CreateWait wait) = 0;
  // The reverse, any number of times; success when it runs already. `signals` as in CreateRequest: given up,
  // it stays suspended.
  virtual Result<Resumed> resume(const std::string& sandbox, CreateWait wait, int signals,
                                 const Progress& progress) = 0;

  // Keeps what a running or suspended sandbox is now, for create() with CreateRequest::snapshot. The sandbox
  // goes on as it was. kConflict for a name that is taken.
  virtual Result<snapshot::SnapshotManifest> checkpoint(const std::string& sandbox,
                                                        const CheckpointRequest& request) = 0;
  virtual Result<SnapshotList> checkpoints() = 0;
  // By ID or name. kConflict while a sandbox that is not terminated was made from it.
  virtual Result<snapshot::SnapshotManifest> remove_checkpoint(const std::string& snapshot) = 0;
  // Warm copies of a running or suspended sandbox, each with an identity of its own. When one fails, none is
  // left.
  virtual Result<std::vector<Created>> copy(const std::string& sandbox, const CopyRequest& request,
                                            const Progress& progress) = 0;

  // Removes the records of terminated sandboxes, all templates that nobody is using, the layers kept from
  // fetching images, images without a name that nobody uses, and what was left half-made.
  virtual Result<Pruned> prune() = 0;

  // Runs a command in a sandbox, which is resumed first when it is suspended, and moves the descriptors 0
  // (when asked for), 1 and 2 of this process, or others (ExecOptions::channels). When nobody reads 1 or 2
  // any more (EPIPE) the command is hung up and the outcome is 128+SIGPIPE. An error means that the command's
  // fate is unknown or that it never started for a reason that is not the command's (126 and 127 are
  // outcomes).
  virtual Result<ExecOutcome> exec(const std::string& sandbox, const ExecOptions& options) = 0;

  // Copies a file, or a folder with all that is in it, into a sandbox, out of one or from one to another; a
  // suspended one is resumed first. The rule for names is that of cp(1); parents are made in sandboxes only.
  // What is copied belongs to the user at the destination; permissions, times, links and holes are kept. A
  // file is replaced at once when its copy is whole, so that whatever breaks a copy off leaves the old one.
  // The sandbox at the other end is not trusted. kNotFound for a sandbox, file or folder, kConflict for a
  // sandbox in the wrong state or what can not be replaced.
  virtual Result<FilesCopied> copy_files(const FileCopy& copy) = 0;
  // Passes connections on to a port inside, any number at a time, until a signal comes. An error when the
  // sandbox goes away meanwhile, kConflict when the port here is taken.
  virtual Result<void> tunnel(const std::string& sandbox, const TunnelRequest& request) = 0;

  // Holds ports of a sandbox open on this machine's 127.0.0.1 for as long as it runs, or holds them no longer
  // (kNotFound for one that was not). LiveInfo::ports says where they are.
  virtual Result<SandboxInfo> expose(const std::string& sandbox, const std::vector<std::uint32_t>& ports) = 0;
  virtual Result<SandboxInfo> unexpose(const std::string& sandbox,
                                       const std::vector<std::uint32_t>& ports) = 0;

  // The sessions of a sandbox, oldest first: commands that were given a terminal. They outlive their clients,
  // as well as a suspend.
  virtual Result<std::vector<SessionInfo>> sessions(const std::string& sandbox,
                                                    const ResumeFirst& resume) = 0;
  // As exec() with TerminalUse::kBothSides, to a session that is there, whose last output is shown again.
  // kNotFound when it is not.
  virtual Result<ExecOutcome> attach(const std::string& sandbox, std::int64_t session,
                                     const ResumeFirst& resume) = 0;
  // Hangs a session up (SIGHUP, then SIGKILL) and does not wait for its end. kNotFound as above.
  virtual Result<void> remove_session(const std::string& sandbox, std::int64_t session,
                                      const ResumeFirst& resume) = 0;

  // For clients that speak SSH, in place of exec(). The image needs an SSH server that is installed; it need
  // not run. Makes the state folder's key pair when it is missing; kHostLacks without OpenSSH's client here.
  virtual Result<SshAccess> ssh_access(const std::string& sandbox) = 0;
  // What proxy_command of that does: serves SSH on descriptors 0 and 1 until either side ends it.
  virtual Result<ExecOutcome> serve_ssh(const std::string& sandbox, const ResumeFirst& resume) = 0;

  // The processes that exec() has started and that are remembered: all that run, and the last 128 that have
  // ended, oldest first. A process is meant by its number, the first or the last, or by its name; of several
  // the youngest, one that runs before one that has ended. kNotFound when there is none.
  virtual Result<std::vector<ProcessRecord>> processes(const std::string& sandbox,
                                                       const ResumeFirst& resume) = 0;
  // Without a signal: ends it for good, SIGTERM and two seconds later SIGKILL to its group, and returns when
  // it has ended. With one: sends only that; a detached process is not started again after TERM, KILL, INT or
  // QUIT. kConflict when it has ended before.
  virtual Result<void> end_process(const std::string& sandbox, const std::string& process,
                                   std::optional<int> signal, const ResumeFirst& resume) = 0;
  // Starts a detached process anew, ending it first if it runs; its new number. kConflict for one that was
  // not detached, or whose name another has now.
  virtual Result<std::int64_t> restart_process(const std::string& sandbox, const std::string& process,
                                               const ResumeFirst& resume) = 0;
  // Gives the log of a detached process, over all its runs, to `take`, until that returns false, the log
  // ends, or a signal comes (resume.signals; no error). About a megabyte is kept. kConflict when the sandbox
  // is suspended meanwhile.
  using TakeLog = std::function<bool(const LogOutput&)>;
  virtual Result<void> logs(const std::string& sandbox, const std::string& process, const LogOptions& options,
                            const TakeLog& take, const ResumeFirst& resume) = 0;

  // Ends a live sandbox and frees its space; success when it was terminated before.
  virtual Result<SandboxInfo> terminate(const std::string& sandbox) = 0;

  virtual Result<std::vector<ImageInfo>> images() = 0;
  // Makes an image of an OCI layout, an archive, a root file system or what a registry has, without root, and
  // gives it a name, which it takes from another image if need be. Failed, given up or killed, it leaves
  // nothing behind. kNotFound, kOutOfRange for what cannot be taken, kHostLacks without skopeo or space.
  virtual Result<ImageDetails> import_image(const ImportRequest& request, const Progress& progress) = 0;
  virtual Result<ImageDetails> describe_image(const std::string& name) = 0;
  // Takes the name away and, with its last name, the image; kConflict while a sandbox that is not terminated
  // or a snapshot was made from that, and for images of the system.
  virtual Result<void> remove_image(const std::string& name) = 0;
  // How commands run in an image. kNotFound, kOutOfRange for what cannot be the name of one.
  virtual Result<storage::ImageConfig> image_config(const std::string& image) = 0;
  // Makes an image of a filesystem snapshot, which may be removed afterwards; one that was made of it before,
  // with the same config, only gets the name. A snapshot whose file system is not finished, as that of a
  // suspended sandbox, is finished by a sandbox that lives for the call. kNotFound for the snapshot,
  // kConflict for one of a running machine, kOutOfRange for the name, kHostLacks.
  virtual Result<ImageInfo> register_image(const ImageRegistration& request, const Progress& progress) = 0;
  // Makes an OCI image layout of an image, whole or not at all. kNotFound for the image and for the folder
  // above the path, kConflict when something is there, kOutOfRange for the tag, kHostLacks.
  virtual Result<ExportedImage> export_image(const ImageExport& request) = 0;

  // Looks at the host; may start a short-lived probe guest. An error means that looking failed; what is
  // missing on the host is in the report.
  virtual Result<HostReport> doctor() = 0;

 protected:
  Runtime() = default;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
};

}  // namespace tl
