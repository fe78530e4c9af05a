// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tl::monitor {

// The program that `tl --monitor …` is: owns one sandbox from its start to its end. Started by Launch only.
// Returns the exit code of the process.
int main(int argc, char** argv);

}  // namespace tl::monitor
