// SPDX-License-Identifier: Apache-2.0
// What an image needs that has nothing else in it, linked statically:
//   hello            says who it is and where, and ends with 7
//   hello stat PATH… says what the files are: mode, owner, links
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "stat") == 0) {
    for (int i = 2; i < argc; ++i) {
      struct stat found;
      if (lstat(argv[i], &found) != 0) {
        printf("%s missing\n", argv[i]);
      } else {
        printf("%s %o %u:%u %lu\n", argv[i], found.st_mode, found.st_uid, found.st_gid,
               (unsigned long)found.st_nlink);
      }
    }
    return 0;
  }
  char where[4096];
  printf("hello from %u:%u in %s\n", getuid(), getgid(), getcwd(where, sizeof where));
  return 7;
}
