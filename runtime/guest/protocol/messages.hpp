// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/result.hpp"
#include "runtime/guest/protocol/detachment.hpp"

// The messages between host and agent as plain data, and their CBOR (RFC 8949) form. Strings are bytes:
// arguments, environment and paths need not be UTF-8. Decoders bound depth and size and take every byte as
// hostile. PROTOCOL.md lists the requests; these are their paths. process_messages.hpp has those about
// processes.
namespace tl::guest {

inline constexpr const char* kExecPath = "/v1/exec";                        // frames, see frame.hpp
inline constexpr const char* kAttachPath = "/v1/terminals/attach";          // frames
inline constexpr const char* kTerminalsPath = "/v1/terminals/list";         // empty → CBOR TerminalList
inline constexpr const char* kRemoveTerminalPath = "/v1/terminals/remove";  // CBOR TerminalId → empty
inline constexpr const char* kConfigurePath = "/v1/configure";  // CBOR Configuration → CBOR ConfigureReport
inline constexpr const char* kMetricsPath = "/v1/metrics";      // empty → CBOR Metrics
inline constexpr const char* kFreezePath = "/v1/freeze";        // CBOR FreezeRequest → empty
inline constexpr const char* kThawPath = "/v1/thaw";            // empty → empty
inline constexpr const char* kWriteBackPath = "/v1/write-back";  // empty → empty
inline constexpr const char* kQuiescePath = "/v1/quiesce";       // empty → empty
inline constexpr const char* kReleasePath = "/v1/release";       // empty → empty
inline constexpr const char* kConnectPath = "/v1/connect/";      // with a port behind it; bytes of TCP
inline constexpr const char* kFilesPath = "/v1/files";  // frames, see frame.hpp; starts a FilesRequest

struct TerminalSize {
  std::uint16_t rows = 24, columns = 80;  // 1 to 65535
  bool operator==(const TerminalSize&) const = default;
};

struct ExecRequest {
  std::vector<std::string> argv;  // at least one; argv[0] is looked up in PATH of `environment`
  std::vector<std::pair<std::string, std::string>>
      environment;                // in this order, later wins; on top of HOME, USER, LOGNAME, SHELL, PATH
  std::string working_directory;  // empty: the user's home
  std::string user;               // NAME, UID or UID:GID; empty: root
  bool stdin_stream = false;      // else stdin is /dev/null
  std::optional<std::chrono::milliseconds> timeout;  // then TERM to the group, KILL after kKillGrace
  // Then all three descriptors are a terminal of this size, which outlives the client: a session.
  std::optional<TerminalSize> terminal;
  // Then stdin is /dev/null, the output goes to a log, and the exchange ends when the command has started.
  // With neither a stdin stream, nor a timeout, nor a terminal.
  std::optional<Detachment> detach;
  bool listed = true;  // false: it is the host's own, and no business of ps
};
inline constexpr std::chrono::milliseconds kKillGrace{2000};

struct ExecStarted {
  std::int64_t pid = 0;  // in the guest; also the number of the process group and session
};

struct ExecExit {
  enum class Kind { kExited, kSignaled, kTimedOut };
  Kind kind = Kind::kExited;
  int value = 0;  // exit code 0–255 or signal number 1–64; for kTimedOut the same as if it had not been timed
};

struct ExecFailure {
  enum class Kind { kNotFound, kNotExecutable, kNoSuchUser, kNoSuchDirectory, kNameTaken, kOther };
  Kind kind = Kind::kOther;
  std::string message;  // "exec foo: No such file or directory"
};

// A session that goes on whether or not somebody looks at it. Its number is that of its first process.
struct TerminalId {
  std::int64_t session = 0;
};

struct AttachRequest {
  std::int64_t session = 0;
  TerminalSize size;  // of the terminal that comes
};

struct TerminalInfo {
  std::int64_t session = 0;
  std::string command;  // the words with spaces between them, at most kMaxShownCommand bytes of them
  std::chrono::nanoseconds started{};  // by the guest's wall clock, since the epoch
  std::uint64_t clients = 0;
  TerminalSize size;
};
inline constexpr std::size_t kMaxShownCommand = 256;

struct TerminalList {
  std::vector<TerminalInfo> terminals;  // by number; at most kMaxTerminals
};
inline constexpr std::size_t kMaxTerminals = 128;

// A session without clients is hung up after this time, by the guest's monotonic clock.
inline constexpr std::chrono::milliseconds kTerminalLease{300'000};

// One end of a copy: the agent's own program, run as a command is, as the user. kPut takes the copy from its
// stdin, and then prints how many bytes of contents there were; kGet prints the copy. What it cannot do ends
// it with the number of an ErrorCode and a sentence on stderr; a sentence there beside success is a warning.
struct FilesRequest {
  enum class Operation { kPut, kGet };
  // A tar archive of a file or folder (files/pack.hpp), or one file's bytes (files/byte_stream.hpp; in chunks
  // for kPut).
  enum class Form { kArchive, kBytes };
  Operation operation = Operation::kGet;
  Form form = Form::kArchive;
  std::string path;               // relative to the working directory; empty is that
  std::string name;               // kPut: what it is called in a folder that is there (files/landing.hpp)
  std::string working_directory;  // as in ExecRequest
  std::string user;               // as in ExecRequest
};

// What a guest was before it is configured, when it has not just booted.
enum class Restored {
  kResumed,  // the same sandbox, which goes on
  kCopied,   // another sandbox at the same moment
  kFresh     // a template, of which this is to be a new sandbox
};

// The guest's one network card. Bytes are in network order.
struct NetworkSetup {
  struct Subnet {
    std::string address;  // 4 or 16 bytes
    unsigned bits = 0;    // of the prefix
    std::string gateway;  // as long as the address
    bool operator==(const Subnet&) const = default;
  };
  std::string mac;                     // 6 bytes
  std::vector<Subnet> subnets;         // at most 8
  std::vector<std::string> resolvers;  // addresses as text, for /etc/resolv.conf; at most 3
  bool operator==(const NetworkSetup&) const = default;
};

// What makes this guest this sandbox; sent once after boot and after each restore, before anything else runs.
struct Configuration {
  std::string hostname;
  std::chrono::nanoseconds wall_clock{};  // since the epoch
  std::vector<std::byte> entropy;         // 32 to 512 bytes for the kernel's random pool
  std::uint64_t disk_mib = 0;             // the root file system grows to this; 0 leaves it
  std::string machine_id;                 // 32 lowercase hex digits, for /etc/machine-id
  std::optional<Restored> restored;       // none: it has booted
  std::optional<NetworkSetup> network;    // none: its network is left alone
};

struct ConfigureReport {
  std::string error;  // empty: the sandbox is ready
};

// The root file system stands still for at most so long: 1 ms to kMaxFreezeLease.
struct FreezeRequest {
  std::chrono::milliseconds lease{};
};
inline constexpr std::chrono::milliseconds kMaxFreezeLease{60'000};

// How long a quiesced guest waits for a configuration or a release, by its own monotonic clock, which does
// not run while the machine does not.
inline constexpr std::chrono::milliseconds kQuiesceLease{30'000};

struct Metrics {
  std::uint64_t memory_total_bytes = 0;
  std::uint64_t memory_available_bytes = 0;
  std::uint64_t disk_total_bytes = 0;
  std::uint64_t disk_free_bytes = 0;
  std::uint64_t processes = 0;
  double load_1min = 0;
  std::chrono::milliseconds uptime{};
};

template <typename Message>
std::vector<std::byte> encode(const Message& message);
// kOutOfRange names the field that is missing or wrong. Unknown fields are ignored.
template <typename Message>
Result<Message> decode(std::span<const std::byte> bytes);

// One form for each message and nothing else. process_messages.hpp uses it too.
#define TL_GUEST_MESSAGE(Message)                        \
  template <>                                            \
  std::vector<std::byte> encode(const Message& message); \
  template <>                                            \
  Result<Message> decode<Message>(std::span<const std::byte> bytes)
TL_GUEST_MESSAGE(ExecRequest);
TL_GUEST_MESSAGE(FilesRequest);
TL_GUEST_MESSAGE(ExecStarted);
TL_GUEST_MESSAGE(ExecExit);
TL_GUEST_MESSAGE(ExecFailure);
TL_GUEST_MESSAGE(TerminalId);
TL_GUEST_MESSAGE(AttachRequest);
TL_GUEST_MESSAGE(TerminalList);
TL_GUEST_MESSAGE(Configuration);
TL_GUEST_MESSAGE(ConfigureReport);
TL_GUEST_MESSAGE(FreezeRequest);
TL_GUEST_MESSAGE(Metrics);

}  // namespace tl::guest
