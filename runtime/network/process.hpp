// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a monitor and its network process agree on. The process is a program of its own, `tl-net`, because
// libslirp comes as a shared object only and tl is linked statically; tl carries it as data (program.hpp).
//
// Control messages, over a socket that keeps them apart: to the process Rules as text (rules.hpp), and back,
// one for each, kAccepted, or what is wrong with them. Rules hold when the answer is there. The process ends
// with the socket.
namespace tl::network {

inline constexpr int kCableFd = 3;
inline constexpr int kControlFd = 4;
inline constexpr int kProgramFd = 5;
inline constexpr const char* kAccepted = "accepted";
inline constexpr unsigned kMostControlBytes = 192 * 1024;

}  // namespace tl::network
