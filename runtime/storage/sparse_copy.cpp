// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/sparse_copy.hpp"

#include <algorithm>
#include <vector>

namespace tl::storage {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

}  // namespace

Result<void> copy_sparse(DiskFile& from, DiskFile& to) {
  std::vector<std::byte> buffer(kBufferBytes);
  for (std::uint64_t next = 0;;) {
    auto data = from.next_data(next);
    if (!data) return data.error();
    if (!data->has_value()) return {};
    for (next = (*data)->begin; next < (*data)->end;) {
      const auto length = std::min<std::uint64_t>(buffer.size(), (*data)->end - next);
      const auto part = std::span(buffer).first(length);
      if (auto read = from.read(next, part); !read) return read;
      const iovec piece{part.data(), part.size()};
      if (auto written = to.write(next, std::span(&piece, 1)); !written) return written;
      next += length;
    }
  }
}

}  // namespace tl::storage
