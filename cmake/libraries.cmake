# SPDX-License-Identifier: Apache-2.0
# Debian's libraries that have no CMake package. Linked as archives when tl is one static executable
# (so that a process starts without relocating a dozen shared objects), else as shared objects.

function(tl_system_library target header)
  add_library(${target} INTERFACE)
  find_path(${target}_INCLUDE ${header} REQUIRED)
  target_include_directories(${target} SYSTEM INTERFACE ${${target}_INCLUDE})
  foreach(name IN LISTS ARGN)
    if(TL_STATIC)
      find_library(${target}_${name} NAMES lib${name}.a REQUIRED)
    else()
      find_library(${target}_${name} NAMES ${name} REQUIRED)
    endif()
    target_link_libraries(${target} INTERFACE ${${target}_${name}})
  endforeach()
endfunction()

tl_system_library(lib_nghttp2 nghttp2/nghttp2.h nghttp2)
tl_system_library(lib_archive archive.h archive)
if(TL_STATIC)
  # What Debian's archive of libarchive leaves to be linked; the shared object brings it along.
  tl_system_library(lib_nettle nettle/nettle-types.h nettle)
  target_link_libraries(lib_archive INTERFACE lib_nettle)
endif()
tl_system_library(lib_compression zlib.h z zstd lzma bz2)
tl_system_library(lib_ext2fs ext2fs/ext2fs.h ext2fs com_err)
tl_system_library(lib_crypto openssl/evp.h crypto)
find_path(ASIO_INCLUDE asio.hpp REQUIRED)
