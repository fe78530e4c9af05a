// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/nbd_handshake.hpp"

#include <array>
#include <string>
#include <vector>

#include "common/block_device.hpp"
#include "runtime/storage/nbd_wire.hpp"

namespace tl::storage::nbd {
namespace {

constexpr std::uint16_t kTransmissionFlags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
                                             NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES;
constexpr std::uint32_t kPreferredBlockBytes = 4096;
// A name may have 4096 bytes; nothing else that we know is longer.
constexpr std::uint32_t kMaxOptionBytes = 8192;
constexpr int kMaxOptions = 64;

Error violation(const std::string& what) {
  return Error{ErrorCode::kFailure, "NBD handshake: " + what, ""};
}

class Negotiation {
 public:
  Negotiation(int socket, std::uint64_t export_bytes) : socket_(socket), export_bytes_(export_bytes) {}

  Result<bool> run();

 private:
  enum class Next { kOption, kTransmission, kEnd };

  Result<Next> option();
  Result<Next> export_name(bool is_default);
  Result<Next> info(Option option, std::span<const std::byte> data);
  Result<Next> answer(std::uint32_t option, OptionReply type, std::span<const std::byte> data = {});

  int socket_;
  std::uint64_t export_bytes_;
  bool no_zeroes_ = false;
};

Result<bool> Negotiation::run() {
  Message greeting;
  greeting.put(kInitMagic).put(kOptionMagic);
  greeting.put(static_cast<std::uint16_t>(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES));
  if (auto sent = send(socket_, greeting.bytes()); !sent) return sent.error();
  std::array<std::byte, 4> answer{};
  auto got = receive(socket_, answer);
  if (!got) return got.error();
  if (!*got) return false;
  const auto flags = Reader(answer).get<std::uint32_t>();
  if ((flags & ~std::uint32_t{NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES}) != 0)
    return violation("unknown client flags");
  no_zeroes_ = (flags & NBD_FLAG_NO_ZEROES) != 0;
  for (int i = 0; i < kMaxOptions; ++i) {
    auto next = option();
    if (!next) return next.error();
    if (*next != Next::kOption) return *next == Next::kTransmission;
  }
  return violation("no end of options");
}

Result<Negotiation::Next> Negotiation::option() {
  std::array<std::byte, 16> header{};
  auto got = receive(socket_, header);
  if (!got) return got.error();
  if (!*got) return Next::kEnd;
  Reader reader(header);
  if (reader.get<std::uint64_t>() != kOptionMagic) return violation("bad option magic");
  const auto option = reader.get<std::uint32_t>();
  const auto length = reader.get<std::uint32_t>();
  if (length > kMaxOptionBytes) return violation("option of " + std::to_string(length) + " bytes");
  std::vector<std::byte> data(length);
  got = receive(socket_, data);
  if (!got) return got.error();
  if (!*got) return violation("the connection ended in the middle of an option");

  switch (option) {
    case NBD_OPT_EXPORT_NAME:
      return export_name(data.empty());
    case NBD_OPT_ABORT: {
      [[maybe_unused]] auto ignored = answer(option, NBD_REP_ACK);  // the client may have left already
      return Next::kEnd;
    }
    case NBD_OPT_LIST: {
      if (!data.empty()) return answer(option, NBD_REP_ERR_INVALID);
      Message entry;
      entry.put(std::uint32_t{0});  // length of the default export's name
      if (auto sent = answer(option, NBD_REP_SERVER, entry.bytes()); !sent) return sent;
      return answer(option, NBD_REP_ACK);
    }
    case NBD_OPT_INFO:
    case NBD_OPT_GO:
      return info(static_cast<Option>(option), data);
    default:
      return answer(option, NBD_REP_ERR_UNSUP);
  }
}

Result<Negotiation::Next> Negotiation::export_name(bool is_default) {
  if (!is_default) return violation("unknown export");  // this option has no error reply
  constexpr std::size_t kReservedBytes = 124;
  Message reply;
  reply.put(export_bytes_).put(kTransmissionFlags);
  if (!no_zeroes_) reply.put_zeroes(kReservedBytes);
  if (auto sent = send(socket_, reply.bytes()); !sent) return sent.error();
  return Next::kTransmission;
}

Result<Negotiation::Next> Negotiation::info(Option option, std::span<const std::byte> data) {
  Reader reader(data);
  const auto name = reader.take(reader.get<std::uint32_t>());
  const auto requests = reader.get<std::uint16_t>();
  reader.take(std::size_t{requests} * sizeof(std::uint16_t));
  if (!reader.ok() || !reader.at_end()) return answer(option, NBD_REP_ERR_INVALID);
  if (!name.empty()) return answer(option, NBD_REP_ERR_UNKNOWN);

  // Both are sent whatever was asked for, as the protocol allows.
  Message about_export;
  about_export.put(NBD_INFO_EXPORT).put(export_bytes_).put(kTransmissionFlags);
  if (auto sent = answer(option, NBD_REP_INFO, about_export.bytes()); !sent) return sent;
  Message about_blocks;
  about_blocks.put(NBD_INFO_BLOCK_SIZE).put(BlockDevice::kSectorBytes);
  about_blocks.put(kPreferredBlockBytes).put(kMaxBlockBytes);
  if (auto sent = answer(option, NBD_REP_INFO, about_blocks.bytes()); !sent) return sent;
  if (auto sent = answer(option, NBD_REP_ACK); !sent) return sent;
  return option == NBD_OPT_GO ? Next::kTransmission : Next::kOption;
}

Result<Negotiation::Next> Negotiation::answer(std::uint32_t option, OptionReply type,
                                              std::span<const std::byte> data) {
  Message reply;
  reply.put(kOptionReplyMagic).put(option).put(static_cast<std::uint32_t>(type));
  reply.put(static_cast<std::uint32_t>(data.size())).put(data);
  if (auto sent = send(socket_, reply.bytes()); !sent) return sent.error();
  return Next::kOption;
}

}  // namespace

Result<bool> negotiate(int socket, std::uint64_t export_bytes) {
  return Negotiation(socket, export_bytes).run();
}

}  // namespace tl::storage::nbd
