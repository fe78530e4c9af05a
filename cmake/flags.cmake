# SPDX-License-Identifier: Apache-2.0
# tl_language: what every program of the project is compiled with, in the guest as on the host.
# tl_flags:    the same plus what only host programs take (sanitizers).

add_library(tl_language INTERFACE)
target_compile_features(tl_language INTERFACE cxx_std_20)
target_include_directories(tl_language INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(
  tl_language INTERFACE TL_VERSION="${PROJECT_VERSION}" _GNU_SOURCE FMT_HEADER_ONLY=1
                        ASIO_STANDALONE ASIO_NO_DEPRECATED)
target_compile_options(
  tl_language
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-missing-field-initializers
            -ffunction-sections -fdata-sections -fno-plt
            $<$<CXX_COMPILER_ID:GNU>:-fcoroutines>)
# g++ 12 takes what it inlined of std::string and of Asio's coroutine frames for mistakes that are not there
# (GCC bugs 105651 and 109224 among them).
target_compile_options(tl_language INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-mismatched-new-delete>)
if(TL_WERROR)
  target_compile_options(tl_language INTERFACE -Werror)
endif()

add_library(tl_flags INTERFACE)
target_link_libraries(tl_flags INTERFACE tl_language Threads::Threads)
if(TL_SANITIZE)
  target_compile_options(tl_flags INTERFACE -fsanitize=${TL_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(tl_flags INTERFACE -fsanitize=${TL_SANITIZE})
endif()
if(TL_STATIC)
  target_link_options(tl_flags INTERFACE -static)
endif()
target_link_options(tl_flags INTERFACE -Wl,--gc-sections)
