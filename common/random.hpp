// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tl {

// Fills from the kernel's random source (getrandom(2)); cannot fail on a kernel we run on.
void fill_random(std::span<std::byte> bytes);

// `length` characters of [0-9a-z], uniformly distributed.
std::string random_base36(std::size_t length);

}  // namespace tl
