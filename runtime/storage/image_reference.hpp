// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "common/result.hpp"

namespace tl::storage {

// What somebody who imports an image has typed, taken apart: a file or folder here, perhaps with the name of
// one image in it after a colon, or an image that skopeo can get.
struct ImageReference {
  enum class Place { kHere, kFetched };
  Place place = Place::kHere;
  std::string path;     // kHere
  std::string wanted;   // kHere: "TAG" or "REPOSITORY:TAG"; empty: the only one
  std::string address;  // kFetched: as skopeo takes it, "docker://alpine:3"
};

// "oci:", "oci-archive:" and "docker-archive:" are in front of paths here, other transports of skopeo's are
// for it. Colons may be part of a path: the longest beginning that exists is meant. kNotFound when there is
// none, kOutOfRange for text that is empty or no address.
Result<ImageReference> parse_image_reference(const std::string& text);

// A valid name for an image that is called `name` where it comes from: without the registry, "docker.io" and
// all that names may not have. "imported" when nothing is left.
std::string image_name_for(std::string_view name);
// The same from the name of a file or folder, without its endings (".tar.gz").
std::string image_name_for_file(std::string_view path);

}  // namespace tl::storage
