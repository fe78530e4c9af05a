// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/ext4_tar.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/printable.hpp"
#include "runtime/storage/tar_acl.hpp"

namespace tl::storage {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::size_t kShownBytes = 200;  // of a path, in an error
constexpr std::size_t kZeroesBytes = std::size_t{16} << 20;
// A hole costs nothing on the disk, and yet we have to count through it.
constexpr std::uint64_t kMostInHoles = std::uint64_t{1} << 46;
constexpr std::size_t kMostPieces = std::size_t{1} << 20;  // of a sparse file

unsigned type_of(Ext4Special::Kind kind) {
  switch (kind) {
    case Ext4Special::Kind::kCharDevice:
      return AE_IFCHR;
    case Ext4Special::Kind::kBlockDevice:
      return AE_IFBLK;
    case Ext4Special::Kind::kFifo:
      return AE_IFIFO;
    case Ext4Special::Kind::kSocket:
      break;
  }
  return AE_IFSOCK;
}

// The parts of a file that have data, in bytes.
struct Piece {
  std::uint64_t begin, end;
  std::uint64_t physical;
};

class TarExport {
 public:
  TarExport(Ext4Reader& reader, ArchiveWriter& writer, const LongWork& work)
      : reader_(reader), writer_(writer), work_(work), buffer_(kBufferBytes), zeroes_(kZeroesBytes) {}

  Result<void> add(const Ext4Met& met) {
    if (auto going = work_.check(); !going) return going;
    const ArchiveEntry owned = describe(met);
    archive_entry* entry = owned.get();
    if (met.first_name != nullptr) {
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_size(entry, 0);
      archive_entry_copy_hardlink(entry, met.first_name->c_str());
      return writer_.header(entry);
    }
    if (const auto* file = std::get_if<Ext4File>(&met.inode.content)) return add_file(entry, *file);
    if (const auto* link = std::get_if<Ext4Symlink>(&met.inode.content)) {
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_copy_symlink(entry, link->target.c_str());
    } else if (const auto* special = std::get_if<Ext4Special>(&met.inode.content)) {
      archive_entry_set_filetype(entry, type_of(special->kind));
      archive_entry_set_rdevmajor(entry, special->major);
      archive_entry_set_rdevminor(entry, special->minor);
    } else {
      archive_entry_set_filetype(entry, AE_IFDIR);
    }
    return writer_.header(entry);
  }

 private:
  static ArchiveEntry describe(const Ext4Met& met) {
    ArchiveEntry owned(archive_entry_new());
    archive_entry* entry = owned.get();
    const Ext4Attributes& attributes = met.inode.attributes;
    archive_entry_copy_pathname(entry, met.path.empty() ? "." : met.path.c_str());
    archive_entry_set_perm(entry, attributes.mode);
    archive_entry_set_uid(entry, attributes.uid);
    archive_entry_set_gid(entry, attributes.gid);
    archive_entry_set_mtime(entry, attributes.mtime_seconds, attributes.mtime_nanoseconds);
    archive_entry_set_size(entry, 0);
    if (met.first_name != nullptr) return owned;
    for (const auto& xattr : attributes.xattrs) {
      if (add_posix_acl(entry, xattr)) continue;
      archive_entry_xattr_add_entry(entry, xattr.name.c_str(), xattr.value.data(), xattr.value.size());
    }
    return owned;
  }

  [[nodiscard]] std::vector<Piece> pieces_of(const Ext4File& file) const {
    const std::uint64_t block = reader_.block_bytes();
    std::vector<Piece> pieces;
    pieces.reserve(file.extents.size());
    for (const Ext4Extent& extent : file.extents) {
      pieces.push_back({extent.logical * block,
                        std::min((extent.logical + extent.count) * block, file.size_bytes), extent.physical});
    }
    return pieces;
  }

  // Says which parts are no holes, unless all of it is.
  static void describe_pieces(archive_entry* entry, const std::vector<Piece>& pieces, std::uint64_t size) {
    if (pieces.empty()) {
      if (size > 0) archive_entry_sparse_add_entry(entry, 0, 0);
      return;
    }
    std::uint64_t data = 0;
    for (const Piece& piece : pieces) data += piece.end - piece.begin;
    if (data == size) return;
    Piece run = pieces.front();
    const auto add = [entry](const Piece& each) {
      archive_entry_sparse_add_entry(entry, static_cast<la_int64_t>(each.begin),
                                     static_cast<la_int64_t>(each.end - each.begin));
    };
    for (const Piece& piece : std::span(pieces).subspan(1)) {
      if (piece.begin == run.end) {
        run.end = piece.end;
        continue;
      }
      add(run);
      run = piece;
    }
    add(run);
  }

  Result<void> add_file(archive_entry* entry, const Ext4File& file) {
    const std::vector<Piece> pieces = pieces_of(file);
    if (auto counted = count(pieces, file.size_bytes); !counted) return counted;
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_size(entry, static_cast<la_int64_t>(file.size_bytes));
    describe_pieces(entry, pieces, file.size_bytes);
    if (auto written = writer_.header(entry); !written) return written;
    std::uint64_t at = 0;
    for (const Piece& piece : pieces) {
      if (auto written = write_hole(piece.begin - at); !written) return written;
      if (auto written = write_piece(piece); !written) return written;
      at = piece.end;
    }
    return write_hole(file.size_bytes - at);
  }

  Result<void> count(const std::vector<Piece>& pieces, std::uint64_t size) {
    std::uint64_t data = 0;
    for (const Piece& piece : pieces) data += piece.end - piece.begin;
    data_ += data;
    holes_ += size - data;
    if (data_ > reader_.size_bytes() || holes_ > kMostInHoles || pieces.size() > kMostPieces)
      return Error{ErrorCode::kFailure, "the file system says that its files have more data than it can hold",
                   ""};
    return {};
  }

  Result<void> write_hole(std::uint64_t length) {
    while (length > 0) {
      const auto part = std::span(zeroes_).first(std::min<std::uint64_t>(length, zeroes_.size()));
      if (auto written = writer_.data(part); !written) return written;
      length -= part.size();
    }
    return {};
  }

  Result<void> write_piece(const Piece& piece) {
    const std::uint64_t block = reader_.block_bytes();
    std::uint64_t physical = piece.physical;
    for (std::uint64_t at = piece.begin; at < piece.end;) {
      if (auto going = work_.check(); !going) return going;
      const std::uint64_t wanted = std::min<std::uint64_t>(piece.end - at, buffer_.size());
      const auto blocks = std::span(buffer_).first((wanted + block - 1) / block * block);
      if (auto read = reader_.read(physical, blocks); !read) return read;
      if (auto written = writer_.data(blocks.first(wanted)); !written) return written;
      at += wanted;
      physical += blocks.size() / block;
      work_.tell(told_ += wanted);
    }
    return {};
  }

  Ext4Reader& reader_;
  ArchiveWriter& writer_;
  const LongWork& work_;
  std::vector<std::byte> buffer_;  // a multiple of any block size
  std::vector<std::byte> zeroes_;
  std::uint64_t data_ = 0;
  std::uint64_t holes_ = 0;
  std::uint64_t told_ = 0;
};

bool is_socket(const Ext4Met& met) {
  const auto* special = std::get_if<Ext4Special>(&met.inode.content);
  return special != nullptr && special->kind == Ext4Special::Kind::kSocket;
}

}  // namespace

Result<void> write_tar(Ext4Reader& reader, const LeaveOut& leave_out, const ByteSink& sink,
                       const LongWork& work) {
  auto writer = ArchiveWriter::open(ArchiveWriter::Form::kPaxTar, sink);
  if (!writer) return writer.error();
  TarExport tar(reader, **writer, work);
  auto walked = walk_ext4(reader, [&](const Ext4Met& met) -> Result<Ext4Step> {
    if (is_socket(met) || leave_out(met)) return Ext4Step::kLeaveOut;
    if (auto added = tar.add(met); !added)
      return added.error().within(met.path.empty() ? "/" : make_printable(met.path, kShownBytes));
    return Ext4Step::kGoOn;
  });
  if (!walked) return walked;
  return (*writer)->close();
}

}  // namespace tl::storage
