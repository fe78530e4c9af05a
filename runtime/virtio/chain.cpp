// SPDX-License-Identifier: Apache-2.0
#include "runtime/virtio/chain.hpp"

#include <algorithm>
#include <cstring>

namespace tl::virtio {
namespace {

using Buffers = std::vector<std::span<std::byte>>;

std::size_t bytes_from(const Buffers& buffers, std::size_t next) {
  std::size_t bytes = 0;
  for (std::size_t i = next; i < buffers.size(); ++i) bytes += buffers[i].size();
  return bytes;
}

// Walks over the buffers in pieces that are in one buffer each. `copy` gets a piece and where it lies in the
// caller's bytes.
template <typename Copy>
std::size_t walk(Buffers& buffers, std::size_t& next, std::size_t wanted, const Copy& copy) {
  std::size_t done = 0;
  while (done < wanted && next < buffers.size()) {
    std::span<std::byte>& buffer = buffers[next];
    const std::size_t piece = std::min(buffer.size(), wanted - done);
    copy(buffer.first(piece), done);
    buffer = buffer.subspan(piece);
    done += piece;
    if (buffer.empty()) ++next;
  }
  return done;
}

}  // namespace

std::size_t ChainReader::read(std::span<std::byte> into) {
  return walk(left_, next_, into.size(), [&](std::span<const std::byte> piece, std::size_t at) {
    std::memcpy(into.data() + at, piece.data(), piece.size());
  });
}

std::size_t ChainReader::remaining() const {
  return bytes_from(left_, next_);
}

std::size_t ChainWriter::write(std::span<const std::byte> from) {
  const std::size_t done = walk(left_, next_, from.size(), [&](std::span<std::byte> piece, std::size_t at) {
    std::memcpy(piece.data(), from.data() + at, piece.size());
  });
  written_ += static_cast<std::uint32_t>(done);
  return done;
}

std::size_t ChainWriter::remaining() const {
  return bytes_from(left_, next_);
}

}  // namespace tl::virtio
