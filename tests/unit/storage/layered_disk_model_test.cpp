// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>

#include "runtime/storage/layered_disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/storage/layered_disk_simulation.hpp"
#include "tests/unit/storage/layered_disk_support.hpp"

namespace tl::storage::test {
namespace {

constexpr std::uint64_t kSectorBytes = BlockDevice::kSectorBytes;
constexpr std::uint64_t kDeviceBytes = 64 * kMiB;  // a little more than one map page describes
constexpr std::uint64_t kBaseBytes = 600 * kKiB + kSectorBytes;
constexpr std::uint64_t kMaxRequestSectors = 300;

// Requests crowd around three places, so that they meet each other often.
std::uint64_t pick_offset(Random& random) {
  constexpr std::uint64_t kPlaces[] = {0, kBaseBytes - 128 * kKiB,
                                       std::uint64_t{kClustersPerMapPage} * kClusterBytes - 256 * kKiB};
  return kPlaces[below(random, 3)] / kSectorBytes * kSectorBytes + below(random, 1024) * kSectorBytes;
}

using Opener = std::function<std::unique_ptr<DiskFolder>()>;

void run_requests(std::uint64_t seed, int requests, const Opener& open_folder) {
  INFO("seed " << seed);
  Random random(seed);
  TempFolder temp;
  const DiskBase base = make_base(temp, kBaseBytes);
  auto disk = must(LayeredDisk::create(open_folder(), {base, kDeviceBytes, 4 * kDeviceBytes}));
  Bytes model = pattern(kBaseBytes, 1);
  model.resize(kDeviceBytes);
  std::unique_ptr<Flattening> flattening;

  for (int i = 0; i < requests; ++i) {
    const std::uint64_t offset = pick_offset(random);
    const std::uint64_t most = std::min((kDeviceBytes - offset) / kSectorBytes, kMaxRequestSectors);
    const std::uint64_t length = (1 + below(random, most)) * kSectorBytes;
    const auto at = model.begin() + static_cast<std::ptrdiff_t>(offset);
    const std::uint64_t kind = below(random, 100);
    if (kind < 40) {
      const Bytes written = pattern(length, random());
      std::copy(written.begin(), written.end(), at);
      write_at(*disk, offset, written);
    } else if (kind < 60) {
      std::fill_n(at, length, std::byte{0});
      must(kind < 50 ? disk->discard(offset, length) : disk->write_zeroes(offset, length));
    } else if (kind < 97) {
      const Bytes found = read_at(*disk, offset, length);
      if (!std::equal(found.begin(), found.end(), at))
        FAIL("request " << i << " reads something else at " << offset);
    } else if (kind < 98) {
      must(disk->flush());
    } else if (kind < 99) {
      must(disk->flush());
      disk.reset();
      flattening.reset();
      disk = must(LayeredDisk::open(open_folder(), base));
    } else {
      REQUIRE(disk->freeze().has_value());
      // Layers are merged between requests and put in their place a while later.
      if (flattening != nullptr) must(disk->install(std::move(flattening)));
      if (auto plan = disk->plan_flattening()) flattening = *std::move(plan);
      if (flattening != nullptr) must(flattening->merge());
    }
  }
  CHECK((read_at(*disk, 0, kDeviceBytes) == model));
  must(disk->flush());
  disk.reset();
  disk = must(LayeredDisk::open(open_folder(), base));
  CHECK((read_at(*disk, 0, kDeviceBytes) == model));
}

}  // namespace

TEST_CASE("a long row of random requests leaves the disk as it leaves a plain array") {
  const std::uint64_t seed = GENERATE(1, 2, 3);
  SimulatedHost host(seed);
  run_requests(seed, 1500, [&] { return host.open_folder(); });
}

TEST_CASE("a row of random requests on real files leaves the disk as it leaves a plain array") {
  TempFolder temp;
  run_requests(4, 300, [&] {
    auto folder = open_host_folder(temp.path());
    REQUIRE(folder.has_value());
    return std::move(*folder);
  });
}

}  // namespace tl::storage::test
