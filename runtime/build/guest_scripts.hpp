// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a build has done inside of a sandbox: scripts for any POSIX shell, with the tar of GNU or of busybox.
// Each ends with an exit code other than 0 and a complaint on stderr when it fails; the arguments are never
// part of the text.
namespace tl::build {

// Exit codes of their own.
inline constexpr int kNoSuchFile = 65;
inline constexpr int kNoArchive = 66;

// PATH → "folder", "other" or "nothing".
inline constexpr const char* kLookScript = R"script(
if [ -d "$1" ]; then echo folder; elif [ -e "$1" ] || [ -L "$1" ]; then echo other; else echo nothing; fi
)script";

// USER GROUP, either a name or a number, the group perhaps empty → "UID GID".
inline constexpr const char* kOwnerScript = R"script(
field() { # FILE NAME COLUMN
  while IFS=: read -r name x id group rest || [ -n "$name" ]; do
    if [ "$name" = "$2" ]; then
      if [ "$3" = 4 ]; then echo "$group"; else echo "$id"; fi
      return 0
    fi
  done <"$1"
  return 1
}
uid=$1 gid=$2
case $1 in
  *[!0-9]*)
    uid=$(field /etc/passwd "$1" 3) || { echo "there is no user $1" >&2; exit 1; }
    [ -n "$gid" ] || gid=$(field /etc/passwd "$1" 4)
    ;;
esac
case $gid in
  '') gid=$uid ;;
  *[!0-9]*) gid=$(field /etc/group "$2" 3) || { echo "there is no group $2" >&2; exit 1; } ;;
esac
echo "$uid $gid"
)script";

// OWNER FOLDER
inline constexpr const char* kFolderScript = R"script(
set -eu
umask 022
make() {
  if [ -d "$2" ]; then return 0; fi
  make "$1" "$(dirname -- "$2")"
  mkdir -- "$2"
  chown -- "$1" "$2"
}
make "$1" "$2"
)script";

// FOLDER FOLDERS_OWNER TOP OWNER MODE FILTER, and an archive on stdin that is unpacked into the folder, which
// is made when it is not there. TOP is "given" where a new folder is to be like the archive's top, else
// "plain"; a folder that is there stays as it is. OWNER and MODE, where not empty, are those of all that is
// unpacked. FILTER decompresses; with one, or with "cat", the archive may be none: then the exit code is 66
// and nothing is done.
inline constexpr const char* kUnpackScript = R"script(
set -eu
umask 022
folder=$1 makers=$2 top=$3 owner=$4 mode=$5 filter=$6
saved= staging=
trap 'rm -rf -- ${saved:+"$saved"} ${staging:+"$staging"}' EXIT
command -v tar >/dev/null || { echo 'there is no tar in the image, which COPY needs' >&2; exit 1; }
more=
if tar --version 2>/dev/null | grep -q GNU; then more='--numeric-owner --keep-directory-symlink --warning=no-timestamp'; fi
make() {
  if [ -d "$2" ]; then return 0; fi
  make "$1" "$(dirname -- "$2")"
  mkdir -- "$2"
  chown -- "$1" "$2"
}
if [ -n "$filter" ]; then
  command -v "$filter" >/dev/null || { echo "there is no $filter in the image, which ADD needs here" >&2; exit 1; }
  saved=$(mktemp /.tl-build-XXXXXX)
  cat >"$saved"
  if [ "$filter" = cat ]; then set --; else set -- -d; fi
  "$filter" "$@" <"$saved" 2>/dev/null | tar -tf - >/dev/null 2>&1 || exit 66
fi
if [ -d "$folder" ]; then top=plain; else make "$makers" "$folder"; fi
was=$(stat -c %u:%g "$folder")
bits=$(stat -c %a "$folder")
into=$folder
if [ -n "$owner$mode" ]; then
  staging=$(mktemp -d "${folder%/}/.tl-build-XXXXXX")
  chmod 755 "$staging"
  into=$staging
fi
if [ -n "$filter" ]; then
  "$filter" "$@" <"$saved" | tar -xpf - $more -C "$into"
else
  tar -xpf - $more -C "$into"
fi
if [ -n "$staging" ]; then
  if [ -n "$owner" ]; then chown -hR -- "$owner" "$staging"; fi
  if [ -n "$mode" ]; then chmod -R -- "$mode" "$staging"; fi
  tar -cf - -C "$staging" . | tar -xpf - $more -C "$folder"
fi
if [ "$top" = plain ]; then
  chown -- "$was" "$folder"
  chmod -- "$bits" "$folder"
fi
)script";

// PATTERN…, absolute → "folder" or "other" where one thing is meant, else "many".
inline constexpr const char* kFindScript = R"script(
count=0 kind=
IFS=
for pattern; do
  for each in $pattern; do
    if [ -d "$each" ]; then kind=folder; elif [ -e "$each" ] || [ -L "$each" ]; then kind=other; else
      echo "there is no $each there" >&2
      exit 65
    fi
    count=$((count + 1))
  done
done
if [ "$count" = 1 ]; then echo "$kind"; else echo many; fi
)script";

// NAME PATTERN…: an archive on stdout of what is meant: of a folder its contents, of anything else itself,
// under NAME unless that is empty. A symbolic link is followed.
inline constexpr const char* kPackScript = R"script(
set -eu
umask 022
name=$1
shift
command -v tar >/dev/null || { echo 'there is no tar in the image, which COPY --from needs' >&2; exit 1; }
more=
if tar --version 2>/dev/null | grep -q GNU; then more='--numeric-owner --one-file-system --sparse'; fi
IFS=
if [ $# = 1 ]; then
  set -- $1
  if [ $# = 1 ] && [ -d "$1" ]; then
    IFS=' '
    exec tar -cf - $more --exclude './.tl-build-*' -C "$1" .
  fi
fi
staging=$(mktemp -d /.tl-build-XXXXXX)
trap 'rm -rf -- "$staging"' EXIT
chmod 755 "$staging"
for pattern; do
  for each in $pattern; do
    if [ -d "$each" ]; then
      (IFS=' '; tar -cf - $more --exclude './.tl-build-*' -C "$each" .) | tar -xpf - -C "$staging"
    elif [ -e "$each" ]; then
      cp -pL -- "$each" "$staging/${name:-$(basename -- "$each")}"
    else
      cp -pP -- "$each" "$staging/${name:-$(basename -- "$each")}"
    fi
  done
done
IFS=' '
tar -cf - $more -C "$staging" .
)script";

}  // namespace tl::build
