// SPDX-License-Identifier: Apache-2.0
#include "runtime/storage/image_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <map>
#include <optional>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.hpp"
#include "common/file_lock.hpp"
#include "common/io.hpp"
#include "runtime/storage/image_name.hpp"

namespace tl::storage {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRootFile = "root.ext4";
constexpr const char* kManifestFile = "manifest.json";
constexpr std::string_view kFolderPrefix = "sha256-";
constexpr std::size_t kMaxManifestBytes = std::size_t{1} << 20;
constexpr std::uint64_t kBytesOfStatBlock = 512;
constexpr std::time_t kStaleAfterSeconds = 3600;

#if defined(__x86_64__)
constexpr const char* kArchitecture = "amd64";
#elif defined(__aarch64__)
constexpr const char* kArchitecture = "arm64";
#endif

std::string folder_name(const std::string& digest) {
  std::string name = digest;  // "sha256:<hex>"
  name[kFolderPrefix.size() - 1] = '-';
  return name;
}

Error damaged(std::string_view what, std::string_view why) {
  return Error{ErrorCode::kFailure, fmt::format("image {} is damaged: {}", what, why),
               "remove it with `tl sbx image rm` and make it again"};
}

Error no_such_image(std::string_view name) {
  // Nobody has to ask for the default image: without it, it is the machine that lacks something.
  if (name == kDefaultImageName) {
    return Error{ErrorCode::kHostLacks, "there is no default image",
                 "make one with ./dev build, or install tl with ./dev install"};
  }
  return Error{ErrorCode::kNotFound, fmt::format("there is no image \"{}\"", name), "see `tl sbx image ls`"};
}

// Names in a folder, sorted; none when there is no such folder.
std::vector<std::string> entries_of(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error))
    names.push_back(at->path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

Result<UniqueFd> open_folder(const fs::path& path) {
  return open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
}

Result<void> sync_folder(const fs::path& path) {
  const auto folder = open_folder(path);
  if (!folder) return folder.error();
  if (::fsync(folder->get()) != 0) return errno_error("sync " + path.string());
  return {};
}

Result<std::optional<std::string>> read_if_there(const fs::path& path) {
  const auto file = open_at(AT_FDCWD, path, O_RDONLY);
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::optional<std::string>();
  if (!file) return file.error();
  auto text = read_regular(file->get(), kMaxManifestBytes);
  if (!text) return text.error().within(path.string());
  return std::optional(*std::move(text));
}

// The image of `digest` under one root; nullopt when it has none, or a half-made one.
Result<std::optional<Image>> load(const fs::path& images, const std::string& digest) {
  const fs::path folder = images / folder_name(digest);
  const auto text = read_if_there(folder / kManifestFile);
  if (!text) return text.error();
  if (!*text) return std::optional<Image>();
  auto manifest = parse_image_manifest(**text);
  if (!manifest) return damaged(digest, manifest.error().message);
  if (manifest->digest != digest) return damaged(digest, "its manifest is another image's");
  const fs::path root = folder / kRootFile;
  struct stat status = {};
  if (::stat(root.c_str(), &status) != 0 ||
      static_cast<std::uint64_t>(status.st_size) != manifest->size_bytes) {
    return damaged(digest, "its file system is missing or cut off");
  }
  return std::optional(Image{"", root, *std::move(manifest)});
}

// What a name stands for under one root; nullopt when it has no such name.
Result<std::optional<std::string>> digest_of_name(const fs::path& images, const std::string& name) {
  const auto text = read_if_there(images / "names" / image_name_to_file(name));
  if (!text) return text.error();
  if (!*text) return std::optional<std::string>();
  const auto json = nlohmann::json::parse(**text, nullptr, false);
  if (!json.is_object() || !json.contains("digest") || !json["digest"].is_string()) {
    return damaged(name, "its name is unreadable");
  }
  auto digest = json["digest"].get<std::string>();
  if (!is_image_digest(digest)) return damaged(name, "its name is unreadable");
  return std::optional(std::move(digest));
}

// An unreadable name counts: it may be.
bool has_other_name(const fs::path& images, const std::string& name, const std::string& digest) {
  for (const auto& file : entries_of(images / "names")) {
    const auto other = image_name_from_file(file);
    if (!other || *other == name) continue;
    const auto others = digest_of_name(images, *other);
    if (!others || *others == digest) return true;
  }
  return false;
}

// Without its manifest it is half-made from the first moment on.
Result<void> remove_image(const fs::path& folder) {
  std::error_code error;
  fs::remove(folder / kManifestFile, error);
  if (!error) fs::remove_all(folder, error);
  if (error) return errno_error(error.value(), "remove " + folder.string());
  return {};
}

Result<void> make_folders(const fs::path& images) {
  std::error_code error;
  for (const char* name : {"names", "locks"}) {
    fs::create_directories(images / name, error);
    if (error) return errno_error(error.value(), "make " + (images / name).string());
  }
  return {};
}

// What can be said of the finished file; it becomes read-only and durable.
Result<ImageManifest> seal(const fs::path& root_file, const ImageStore::Recipe& recipe) {
  const auto file = open_at(AT_FDCWD, root_file, O_RDONLY);
  if (!file) return file.error();
  if (::fchmod(file->get(), 0444) != 0) return errno_error("chmod " + root_file.string());
  if (::fsync(file->get()) != 0) return errno_error("sync " + root_file.string());
  struct stat status = {};
  if (::fstat(file->get(), &status) != 0) return errno_error("stat " + root_file.string());
  return ImageManifest{.digest = recipe.digest,
                       .source = recipe.source,
                       .source_digest = recipe.source_digest,
                       .architecture = kArchitecture,
                       .size_bytes = static_cast<std::uint64_t>(status.st_size),
                       .used_bytes = static_cast<std::uint64_t>(status.st_blocks) * kBytesOfStatBlock,
                       .disk_mib = recipe.disk_mib,
                       .created_at = std::chrono::system_clock::now(),
                       .config = recipe.config};
}

Result<void> build_in(const fs::path& folder, const ImageStore::Recipe& recipe,
                      const ImageStore::Build& build) {
  if (auto built = build(folder / kRootFile); !built) return built;
  const auto manifest = seal(folder / kRootFile, recipe);
  if (!manifest) return manifest.error();
  const auto opened = open_folder(folder);
  if (!opened) return opened.error();
  if (auto written = replace_file(opened->get(), kManifestFile, to_json(*manifest)); !written) return written;
  return sync_folder(folder.parent_path());
}

}  // namespace

Result<ImageStore> ImageStore::open(const fs::path& root, std::vector<fs::path> system_roots) {
  std::vector<fs::path> roots{root / "images"};
  for (const auto& system : system_roots) roots.push_back(system / "images");
  return ImageStore(std::move(roots));
}

Result<void> ImageStore::open_for_writing() {
  if (names_) return {};
  if (auto made = make_folders(own()); !made) return made.error().within("image store");
  auto locks = open_folder(own() / "locks");
  if (!locks) return locks.error().within("image store");
  auto names = open_folder(own() / "names");
  if (!names) return names.error().within("image store");
  locks_ = *std::move(locks);
  names_ = *std::move(names);
  return {};
}

Result<Image> ImageStore::add(const std::string& name, const Recipe& recipe, const Build& build) {
  TL_CHECK(is_image_digest(recipe.digest));
  if (auto valid = check_image_name(name); !valid) return valid.error();
  if (auto swept = sweep(); !swept) return swept.error();  // opens for writing
  const auto lock = FileLock::acquire(locks_.get(), folder_name(recipe.digest));
  if (!lock) return lock.error();
  auto image = find_digest(recipe.digest);
  if (!image) image = make(name, recipe, build);
  if (!image) return image;
  image->name = name;
  if (auto named = set_name(name, recipe.digest); !named) return named.error();
  return image;
}

Result<Image> ImageStore::make(const std::string& name, const Recipe& recipe, const Build& build) {
  const std::string doing = fmt::format("make image \"{}\"", name);
  const fs::path folder = own() / folder_name(recipe.digest);
  if (auto removed = remove_image(folder); !removed) return removed.error().within(doing);
  if (::mkdir(folder.c_str(), 0755) != 0) return errno_error("make " + folder.string());
  if (auto built = build_in(folder, recipe, build); !built) {
    [[maybe_unused]] const auto removed = remove_image(folder);  // else the next sweep does it
    return built.error().within(doing);
  }
  return find_digest(recipe.digest);
}

Result<void> ImageStore::set_name(const std::string& name, const std::string& digest) {
  const nlohmann::ordered_json json = {{"schema_version", 1}, {"digest", digest}};
  return replace_file(names_.get(), image_name_to_file(name), json.dump() + "\n");
}

Result<Image> ImageStore::find_digest(const std::string& digest) const {
  if (!is_image_digest(digest)) return no_such_image(digest);
  std::optional<Error> trouble;
  for (const auto& images : roots_) {
    auto image = load(images, digest);
    if (image && *image) return **std::move(image);
    if (!image && !trouble) trouble = image.error();  // perhaps another root has it whole
  }
  return trouble ? *trouble : no_such_image(digest);
}

Result<Image> ImageStore::find(const std::string& name) const {
  if (auto valid = check_image_name(name); !valid) return valid.error();
  for (const auto& images : roots_) {
    const auto digest = digest_of_name(images, name);
    if (!digest) return digest.error();
    if (!*digest) continue;
    auto image = find_digest(**digest);
    if (!image && image.error().code == ErrorCode::kNotFound) return damaged(name, "its contents are gone");
    if (image) image->name = name;
    return image;
  }
  return no_such_image(name);
}

Result<ImageStore::Listing> ImageStore::list() const {
  std::map<std::string, Result<Image>> found;
  for (const auto& images : roots_) {
    for (const auto& file : entries_of(images / "names")) {
      const auto name = image_name_from_file(file);
      if (name && found.find(*name) == found.end()) found.emplace(*name, find(*name));
    }
  }
  Listing listing;
  for (auto& [name, image] : found) {
    if (image) {
      listing.images.push_back(*std::move(image));
    } else if (image.error().code != ErrorCode::kNotFound) {  // not found: removed since we saw the name
      listing.problems.push_back(image.error().message);
    }
  }
  return listing;
}

Result<void> ImageStore::remove(const std::string& name, const InUse& in_use) {
  if (auto valid = check_image_name(name); !valid) return valid;
  if (auto opened = open_for_writing(); !opened) return opened;
  const auto digest = digest_of_name(own(), name);
  if (!digest) return drop_name(name);  // unreadable, so nobody can say whose it was
  if (!*digest) {
    const auto elsewhere = find(name);
    if (!elsewhere) return elsewhere.error();
    return Error{ErrorCode::kConflict, fmt::format("image \"{}\" belongs to the system", name),
                 fmt::format("it lies in {}", elsewhere->root_file.parent_path().string())};
  }
  const auto lock = FileLock::acquire(locks_.get(), folder_name(**digest));
  if (!lock) return lock.error();
  const auto now = digest_of_name(own(), name);
  if (!now || *now != *digest) {
    return Error{ErrorCode::kConflict, fmt::format("image \"{}\" is being replaced", name), "try again"};
  }
  if (has_other_name(own(), name, **digest)) return drop_name(name);
  if (in_use(**digest)) {
    return Error{ErrorCode::kConflict, fmt::format("image \"{}\" is used by a sandbox or snapshot", name),
                 ""};
  }
  if (auto dropped = drop_name(name); !dropped) return dropped;
  return remove_image(own() / folder_name(**digest));
}

Result<std::size_t> ImageStore::remove_nameless(const InUse& in_use) {
  if (auto opened = open_for_writing(); !opened) return opened.error();
  std::size_t count = 0;
  for (const auto& entry : entries_of(own())) {
    std::string digest = entry;  // "sha256-<hex>"
    if (entry.starts_with(kFolderPrefix)) digest[kFolderPrefix.size() - 1] = ':';
    if (!is_image_digest(digest) || has_other_name(own(), "", digest)) continue;
    // Whoever makes an image holds its lock until it has its name.
    const auto lock = FileLock::try_acquire(locks_.get(), entry);
    if (!lock) return lock.error();
    if (!*lock || has_other_name(own(), "", digest) || in_use(digest)) continue;
    if (auto removed = remove_image(own() / entry); !removed) return removed.error();
    ++count;
  }
  return count;
}

Result<void> ImageStore::drop_name(const std::string& name) {
  if (::unlinkat(names_.get(), image_name_to_file(name).c_str(), 0) != 0)
    return errno_error("remove " + name);
  if (::fsync(names_.get()) != 0) return errno_error("sync names of images");
  return {};
}

Result<std::size_t> ImageStore::sweep() {
  if (auto opened = open_for_writing(); !opened) return opened.error();
  std::size_t count = 0;
  for (const auto& entry : entries_of(own())) {
    if (entry.compare(0, kFolderPrefix.size(), kFolderPrefix) != 0) continue;
    const fs::path folder = own() / entry;
    // Looked at again under the lock: it may have been finished in between.
    if (::access((folder / kManifestFile).c_str(), F_OK) == 0) continue;
    const auto lock = FileLock::try_acquire(locks_.get(), entry);
    if (!lock) return lock.error();
    if (!*lock || ::access((folder / kManifestFile).c_str(), F_OK) == 0) continue;
    if (auto removed = remove_image(folder); !removed) return removed.error();
    ++count;
  }
  for (const auto& entry : entries_of(own() / "names")) {
    struct stat status = {};
    if (entry.front() != '.' || ::fstatat(names_.get(), entry.c_str(), &status, 0) != 0) continue;
    // A young one is about to be renamed by somebody.
    if (::time(nullptr) - status.st_mtime < kStaleAfterSeconds) continue;
    if (::unlinkat(names_.get(), entry.c_str(), 0) == 0) ++count;
  }
  return count;
}

}  // namespace tl::storage
