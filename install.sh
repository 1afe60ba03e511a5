#!/bin/sh
# shellcheck disable=SC2317 # what traps call looks unreachable
#
# Installs, upgrades and removes drover on Linux and macOS. `sh install.sh --help` says how; docs/operations/install.md
# says what is written where.
#
# Rules of this file, kept by test/install:
#   I1 A part of it does nothing. Everything stands in one pair of braces, of which a shell runs nothing before it has read
#      the closing one, at the very end. Functions alone are not enough: a definition of `undo_unit` that is cut in its
#      name is a call of `undo`. So a download cut at any byte changes nothing.
#   I2 At every instant the old or the new executable is in its place. Both come there by one rename, nothing is moved
#      away first, and the old one is kept until the new one has proved itself.
#   I3 "is installed" is said once, after the last thing that can fail. Every other end goes through `undo`.
#   I4 Whatever can hang is ended after a limit.
#   I5 It writes only what its receipt lists, so that --uninstall leaves nothing.
# It is POSIX sh without `local`: variables of a function begin with its name where they could meet others.

{

# Filled in by build/stamp-installer.ts; a copy from the repository knows no server and no key.
stamped_base_url=''
stamped_root_keys=''

# What a hung command may cost, in seconds: a download of 60 MB on a slow line, a build on a small board.
download_limit=1800
build_limit=3600
selftest_limit=180
service_limit=120
short_limit=20
# Small files of a release: a list of ten files, a manifest. More is an attack or a page of a proxy.
small_file_bytes=1048576
# Room asked for besides the files themselves.
spare_kib=8192

usage() {
  cat <<'HELP'
Usage: sh install.sh [OPTIONS]
Installs drover, or upgrades it in place. As root: below /usr/local, as a service of its own user. Otherwise: below
~/.local, as a service of yours. In containers and CI, and on macOS, without a service.

  --base-url URL       Where releases lie: URL/CHANNEL/, URL/VERSION/, or one release at URL itself
  --offline FILE       Install from a file (drover-TARGET or drover-TARGET.gz) or a release folder; no network
  --from-source        Build the clone that this script lies in, and install that
  --version VERSION    This version instead of the newest of the channel; also the way back to an older one
  --channel NAME       Channel of releases (default: stable)
  --target TARGET      Do not look at the host: linux-x64, linux-x64-baseline, linux-x64-musl, linux-arm64,
                       linux-arm64-musl, darwin-arm64, darwin-x64
  --prefix DIR         Put the executable into DIR/bin
  --system, --user     Install for the host, or for you alone (default: by whether you are root)
  --no-service         Only the executable
  --join TOKEN@URL     Join the fleet of the hub at URL once drover is ready
  --root-key FILE      Public key (PEM, Ed25519) that must have certified the key of the release
  --require-signature  Fail where the signature cannot be checked
  --root DIR           Take DIR for / in everything that is read and written (images, tests)
  --uninstall          Remove what was installed; the state and the configuration stay
  --purge              With --uninstall: remove those too, and the user drover
  --dry-run            Print what would be done, and change nothing
  --quiet              Print warnings and errors only
  --help               Print this

Every option can be given as a variable: --base-url as DROVER_INSTALL_BASE_URL, --no-service as
DROVER_INSTALL_NO_SERVICE=1, and so on. DROVER_INSTALL_READY_SECONDS (90) is how long the service may take to be ready.
DROVER_INSTALL_LIMIT_SECONDS replaces every limit on a single step (downloads 1800, selftest 180, others 20 to 120).
http_proxy, https_proxy and no_proxy are honoured, in capitals too.

Exit codes:
  0  installed, upgraded, already there, removed, or the plan printed
  1  a step failed; what was there before is there again
  2  the command line is wrong; nothing was done
  3  drover does not run on this host, or a program that is needed is missing
  4  the release could not be fetched
  5  the release was refused: size, hash, signature, expired, or older than what is installed
  6  the new executable does not work on this host; what was there before is there again
  7  no room, or a folder that cannot be written
  8  the service did not become ready; what was there before is there again
  9  what was there before could not be put back wholly; the message says what to do
 10  another installation is running
130, 143  interrupted; what was there before is there again
HELP
}

# ---- words -----------------------------------------------------------------------------------------------------------

say() { [ "$quiet" = yes ] || printf '%s\n' "$*"; }
warn() { printf 'install.sh: %s\n' "$*" >&2; }

# fail CODE WHAT [NEXT]: the end of a run that did not succeed. `on_exit` puts things back.
fail() {
  warn "$2"
  [ -z "${3-}" ] || printf '  next: %s\n' "$3" >&2
  exit "$1"
}

have() { command -v "$1" >/dev/null 2>&1; }

is_yes() {
  case $1 in 1 | yes | true | on) return 0 ;; *) return 1 ;; esac
}

# ---- limits ----------------------------------------------------------------------------------------------------------

# limited SECONDS COMMAND...: its exit code; more than 128 when it took longer and was ended. Not every host has a
# program for this.
# The command runs in the background, where it cannot read the rest of a piped script, and where a signal to this shell
# is answered at once instead of after the command.
limited() {
  limited_seconds=$1
  shift
  "$@" </dev/null &
  limited_pid=$!
  # It is not told when the command has ended but looks for itself: a signal would find it, in bash, before it has let
  # go of the traps of this shell.
  (
    trap - EXIT HUP INT TERM
    limited_count=0
    while [ "$limited_count" -lt "$limited_seconds" ]; do
      sleep 1 || exit 0
      kill -0 "$limited_pid" || exit 0
      limited_count=$((limited_count + 1))
    done
    kill -TERM "$limited_pid"
    sleep 2
    kill -KILL "$limited_pid"
  ) </dev/null >/dev/null 2>&1 &
  wait "$limited_pid"
  limited_code=$?
  limited_pid=''
  return "$limited_code"
}

# capture SECONDS COMMAND...: as `limited`, with both outputs in $captured.
capture() {
  limited "$@" >"$work/output" 2>&1
  capture_code=$?
  captured=$(cat "$work/output" 2>/dev/null)
  return "$capture_code"
}

# ---- options ---------------------------------------------------------------------------------------------------------

read_options() {
  base_url=${DROVER_INSTALL_BASE_URL:-$stamped_base_url}
  offline=${DROVER_INSTALL_OFFLINE:-}
  from_source=${DROVER_INSTALL_FROM_SOURCE:-no}
  version=${DROVER_INSTALL_VERSION:-}
  channel=${DROVER_INSTALL_CHANNEL:-}
  target=${DROVER_INSTALL_TARGET:-}
  prefix=${DROVER_INSTALL_PREFIX:-}
  scope=''
  if is_yes "${DROVER_INSTALL_SYSTEM:-no}"; then scope=system; fi
  if is_yes "${DROVER_INSTALL_USER:-no}"; then scope=user; fi
  no_service=${DROVER_INSTALL_NO_SERVICE:-no}
  join=${DROVER_INSTALL_JOIN:-}
  root_key_file=${DROVER_INSTALL_ROOT_KEY:-}
  require_signature=${DROVER_INSTALL_REQUIRE_SIGNATURE:-no}
  root=${DROVER_INSTALL_ROOT:-}
  uninstall=${DROVER_INSTALL_UNINSTALL:-no}
  purge=${DROVER_INSTALL_PURGE:-no}
  dry_run=${DROVER_INSTALL_DRY_RUN:-no}
  quiet=no
  if is_yes "${DROVER_INSTALL_QUIET:-no}"; then quiet=yes; fi
  ready_seconds=${DROVER_INSTALL_READY_SECONDS:-90}
  while [ $# -gt 0 ]; do
    case $1 in
      --*=*)
        option_value=${1#*=}
        option_name=${1%%=*}
        shift
        set -- "$option_name" "$option_value" "$@"
        ;;
    esac
    case $1 in
      --base-url | --offline | --version | --channel | --target | --prefix | --join | --root-key | --root)
        if [ $# -lt 2 ] || [ -z "$2" ]; then fail 2 "$1 needs a value" "sh install.sh --help"; fi
        ;;
    esac
    case $1 in
      --base-url) base_url=$2 && shift ;;
      --offline) offline=$2 && shift ;;
      --version) version=$2 && shift ;;
      --channel) channel=$2 && shift ;;
      --target) target=$2 && shift ;;
      --prefix) prefix=$2 && shift ;;
      --join) join=$2 && shift ;;
      --root-key) root_key_file=$2 && shift ;;
      --root) root=$2 && shift ;;
      --from-source) from_source=yes ;;
      --system) scope=system ;;
      --user) scope=user ;;
      --no-service) no_service=yes ;;
      --require-signature) require_signature=yes ;;
      --uninstall) uninstall=yes ;;
      --purge) purge=yes ;;
      --dry-run) dry_run=yes ;;
      --quiet) quiet=yes ;;
      --help | -h)
        usage
        exit 0
        ;;
      *) fail 2 "there is no option $1" "sh install.sh --help" ;;
    esac
    shift
  done
  version=${version#v}
}

# plain WHAT VALUE: refuses characters that would need quoting in a unit file, a path or an address.
plain() {
  case $2 in
    *[!A-Za-z0-9/._+@:,=~-]*) fail 2 "$1 may hold letters, digits and / . _ + @ : , = ~ - only: $2" ;;
  esac
}

check_options() {
  if is_yes "$purge" && ! is_yes "$uninstall"; then fail 2 "--purge belongs to --uninstall"; fi
  case $ready_seconds in '' | *[!0-9]*) fail 2 "DROVER_INSTALL_READY_SECONDS must be a number of seconds" ;; esac
  plain --version "$version"
  plain --channel "$channel"
  case "$version$channel" in */* | *..*) fail 2 "--version and --channel are plain names" ;; esac
  limit_seconds=${DROVER_INSTALL_LIMIT_SECONDS:-}
  case $limit_seconds in
    '') ;;
    *[!0-9]*) fail 2 "DROVER_INSTALL_LIMIT_SECONDS must be a number of seconds" ;;
    *)
      download_limit=$limit_seconds
      build_limit=$limit_seconds
      selftest_limit=$limit_seconds
      service_limit=$limit_seconds
      short_limit=$limit_seconds
      ;;
  esac
  case $root in '' | /*) ;; *) fail 2 "--root must begin with /" ;; esac
  root=${root%/}
  if is_yes "$uninstall"; then return 0; fi
  check_options_sources=0
  if is_yes "$from_source"; then check_options_sources=$((check_options_sources + 1)); fi
  if [ -n "$offline" ]; then check_options_sources=$((check_options_sources + 1)); fi
  if [ "$check_options_sources" = 2 ]; then fail 2 "--offline and --from-source exclude each other"; fi
  if [ "$check_options_sources" = 0 ]; then
    [ -n "$base_url" ] || fail 2 "where is drover to come from? This copy of the script knows no server" \
      "give --base-url URL, --offline FILE, or --from-source in a clone"
    plain --base-url "$base_url"
    base_url=${base_url%/}
    case $base_url in
      https://* | http://127.0.0.1 | http://127.0.0.1[:/]* | http://localhost | http://localhost[:/]*) ;;
      # Whoever is on the way can change everything that plain http carries, the hashes too.
      http://*) require_signature=plain-http ;;
      *) fail 2 "--base-url must begin with https:// or http://: $base_url" ;;
    esac
  fi
  root_key=''
  if [ -n "$root_key_file" ]; then
    bare_key "$(cat "$root_key_file" 2>"$null")" || fail 2 "$root_key_file holds no Ed25519 public key in PEM"
    root_key=$key
  fi
  if [ "$check_options_sources" = 0 ] && [ "$require_signature" = plain-http ]; then
    require_signature=yes
    [ -n "$root_key$stamped_root_keys" ] ||
      fail 5 "what comes over plain http must be signed, and no root key is known" \
        "give an https address, or --root-key FILE"
  fi
  if [ -n "$join" ]; then
    case $join in
      ?*@http://?* | ?*@https://?*) ;;
      *) fail 2 "--join takes TOKEN@URL, with a URL of http or https" ;;
    esac
  fi
}

# ---- the host --------------------------------------------------------------------------------------------------------

detect_target() {
  uname_system=$(uname -s) || fail 3 "uname does not work here, so the kind of host is unknown" "give --target"
  uname_machine=$(uname -m) || fail 3 "uname does not work here, so the kind of host is unknown" "give --target"
  proc=$root/proc
  [ -e "$proc/self" ] || proc=/proc
  case $uname_system in
    Linux)
      # Bun, which drover is made with, does not start without it.
      [ -e "$proc/self" ] || fail 3 "/proc is not mounted, and drover cannot start without it" \
        "mount -t proc proc /proc"
      ;;
    Darwin) ;;
    *) fail 3 "drover is not built for $uname_system" "on Windows, use the executable drover.exe of a release" ;;
  esac
  if [ -n "$target" ]; then
    case $target in
      linux-x64 | linux-x64-baseline | linux-x64-musl | linux-arm64 | linux-arm64-musl | darwin-arm64 | darwin-x64) ;;
      *) fail 2 "there is no target $target" "sh install.sh --help names them" ;;
    esac
    return 0
  fi
  case $uname_machine in
    x86_64 | amd64) detect_arch=x64 ;;
    aarch64 | arm64) detect_arch=arm64 ;;
    *) fail 3 "drover is built for x64 and arm64, and this host is $uname_machine" ;;
  esac
  if [ "$uname_system" = Darwin ]; then
    # Under Rosetta uname says x86_64 on an ARM machine.
    if [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" = 1 ]; then detect_arch=arm64; fi
    target=darwin-$detect_arch
    return 0
  fi
  if [ "$(getconf LONG_BIT 2>/dev/null)" = 32 ]; then
    fail 3 "the kernel has 64 bits, but the system above it has 32; drover needs 64"
  fi
  target=linux-$detect_arch
  detect_libc
}

# Adds -musl or -baseline, and refuses what the executable could only crash on.
detect_libc() {
  detect_musl=no
  # A glibc host can have musl installed beside it, so the loader of glibc decides first.
  if [ ! -e "$root/lib64/ld-linux-x86-64.so.2" ] && [ ! -e "$root/lib/ld-linux-aarch64.so.1" ]; then
    for detect_loader in "$root"/lib/ld-musl-*.so.1; do
      if [ -e "$detect_loader" ]; then detect_musl=yes; fi
    done
  fi
  detect_avx2=yes
  if [ "$detect_arch" = x64 ] && [ -r "$proc/cpuinfo" ]; then
    detect_avx2=no
    if grep -q '[[:space:]]avx2' "$proc/cpuinfo" 2>/dev/null; then detect_avx2=yes; fi
  fi
  if [ "$detect_musl" = yes ]; then
    target=$target-musl
    [ "$detect_avx2" = yes ] || fail 3 "this processor has no AVX2, and drover for musl needs it" \
      "use a distribution with glibc on this host"
    for detect_library in "$root"/usr/lib/libstdc++.so.6 "$root"/usr/lib/libgcc_s.so.1; do
      [ -e "$detect_library" ] || fail 3 "$detect_library is missing" "apk add libstdc++ libgcc"
    done
    return 0
  fi
  if [ "$detect_avx2" = no ]; then target=$target-baseline; fi
  detect_glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null)
  case $detect_glibc in
    'glibc 2.'[0-9] | 'glibc 2.'[0-9].* | 'glibc 2.1'[0-7] | 'glibc 2.1'[0-7].*)
      fail 3 "drover needs glibc 2.18 or newer, and this host has ${detect_glibc#glibc }"
      ;;
  esac
}

# Where everything goes. Paths are those that the installed system sees; "$root" comes before them when touched.
detect_places() {
  if [ -z "$scope" ]; then
    if [ "$(id -u 2>/dev/null)" = 0 ]; then scope=system; else scope=user; fi
  fi
  if [ "$scope" = system ]; then
    prefix=${prefix:-/usr/local}
    state_dir=/var/lib/drover
    config_dir=/etc/drover
  else
    case ${HOME:-} in /*) ;; *) fail 2 "HOME is not set, so there is nowhere to install to" \
      "give --system as root, or set HOME" ;; esac
    prefix=${prefix:-$HOME/.local}
    state_dir=${XDG_STATE_HOME:-$HOME/.local/state}/drover
    config_dir=${XDG_CONFIG_HOME:-$HOME/.config}/drover
  fi
  case $prefix in /*) ;; *) prefix=$(pwd)/$prefix ;; esac
  prefix=${prefix%/}
  plain "the prefix" "$prefix"
  plain "the state folder" "$state_dir"
  bin_dir=$prefix/bin
  bin=$bin_dir/drover
  receipt=$prefix/share/drover/install-receipt
  # Beside the executable, hence on its file system: a rename from here is atomic.
  work=$root$bin_dir/.drover-install
}

# systemd, openrc or none, and where its file lies.
detect_service() {
  service=none
  service_why=''
  unit=''
  if is_yes "$no_service"; then
    service_why="--no-service was given"
  elif [ "$uname_system" = Darwin ]; then
    service_why="drover sets up no service on macOS"
  elif [ -e "$root/.dockerenv" ] || [ -e "$root/run/.containerenv" ] || [ -n "${container:-}" ]; then
    service_why="this is a container: let its command be $bin up"
  elif [ -n "${CI:-}" ] && [ "${CI:-}" != false ]; then
    service_why="this is continuous integration"
  elif [ -d "$root/run/systemd/system" ] && have systemctl; then
    service=systemd
  elif [ "$scope" = system ] && have rc-service && have rc-update && [ -d "$root/run/openrc" ]; then
    service=openrc
  else
    service_why="neither systemd nor OpenRC runs here"
  fi
  case $service/$scope in
    systemd/system) unit=/etc/systemd/system/drover.service ;;
    systemd/user) unit=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user/drover.service ;;
    openrc/*) unit=/etc/init.d/drover ;;
  esac
  plain "the unit file" "$unit"
  [ "$service/$scope" = systemd/user ] || return 0
  if [ -z "${XDG_RUNTIME_DIR:-}" ] && [ -d "/run/user/$(id -u)" ]; then
    XDG_RUNTIME_DIR=/run/user/$(id -u)
    export XDG_RUNTIME_DIR
  fi
  limited "$short_limit" systemctl --user show-environment >/dev/null 2>&1 && return 0
  if is_yes "$uninstall"; then return 0; fi
  if [ -e "$root$unit" ]; then
    is_yes "$dry_run" ||
      fail 8 "$unit is installed, but systemd does not answer for this user, so drover could not be restarted" \
      "log in as this user (not through su), or give --no-service to replace the executable alone"
  fi
  service=none
  unit=''
  service_why="systemd does not answer for this user (log in as the user, not through su)"
}

# ---- files -----------------------------------------------------------------------------------------------------------

# make_folder PATH [MODE]: with its parents. What was made is remembered, the outermost first.
make_folder() {
  make_folder_path=''
  make_folder_rest=${1#/}/
  while [ -n "$make_folder_rest" ]; do
    make_folder_path=$make_folder_path/${make_folder_rest%%/*}
    make_folder_rest=${make_folder_rest#*/}
    if [ -d "$root$make_folder_path" ]; then continue; fi
    make_folder_mode=755
    if [ -z "$make_folder_rest" ]; then make_folder_mode=${2:-755}; fi
    made_dirs=$made_dirs$make_folder_path$newline
    remember_folders
    mkdir -m "$make_folder_mode" "$root$make_folder_path" 2>"$null" || [ -d "$root$make_folder_path" ] ||
      fail 7 "the folder $root$make_folder_path cannot be made" "$(room_hint)"
  done
}

# For the next run, should this one be killed.
remember_folders() {
  if [ "$phase" = preparing ]; then return 0; fi
  printf '%s' "$made_dirs" >"$work/made" || fail 7 "$root$bin_dir cannot be written" "$(room_hint)"
}

room_hint() {
  if [ "$scope" = system ]; then
    echo "run it as root, or look for room with df -h, or give --prefix"
  else
    echo "look at who may write there, and for room with df -h; or give --prefix"
  fi
}

# remove_folders LIST: those of the list (outermost first) that are empty now, innermost first.
remove_folders() {
  remove_folders_reversed=''
  while IFS= read -r remove_folders_dir; do
    [ -z "$remove_folders_dir" ] || remove_folders_reversed=$remove_folders_dir$newline$remove_folders_reversed
  done <<LIST
$1
LIST
  while IFS= read -r remove_folders_dir; do
    [ -z "$remove_folders_dir" ] || [ ! -d "$root$remove_folders_dir" ] || rmdir "$root$remove_folders_dir" 2>"$null"
  done <<LIST
$remove_folders_reversed
LIST
  return 0
}

# put_text PATH MODE TEXT: a whole file by one rename; nothing when it holds the text already.
put_text() {
  put_text_new=$root${1%/*}/.${1##*/}.drover-new
  rm -f "$put_text_new"
  printf '%s\n' "$3" >"$put_text_new" 2>"$null" && chmod "$2" "$put_text_new" && mv -f "$put_text_new" "$root$1" &&
    [ "$(cat "$root$1" 2>"$null")" = "$3" ] && return 0
  rm -f "$put_text_new"
  return 1
}

# The SHA-256 of a file in $hash; the first program that gives one is believed.
hash_of() {
  for hash_program in 'sha256sum' 'shasum -a 256' 'openssl dgst -sha256 -r'; do
    have "${hash_program%% *}" || continue
    # shellcheck disable=SC2086 # a program and its arguments
    limited "$service_limit" $hash_program "$1" >"$work/hash" 2>"$null" || continue
    hash=''
    IFS= read -r hash <"$work/hash" || [ -n "$hash" ] || continue
    hash=${hash%%[ *]*}
    case $hash in *[!0-9a-f]*) continue ;; esac
    if [ ${#hash} = 64 ]; then return 0; fi
  done
  full_disk
  fail 3 "no program that computes SHA-256 works here" "install sha256sum (coreutils), shasum (perl) or openssl"
}

size_of() { wc -c <"$1" 2>"$null" | tr -d ' '; }

# ---- the release -----------------------------------------------------------------------------------------------------

# fetch NAME LIMIT_BYTES: a file of the release into the work folder. False when it cannot be had.
fetch() {
  fetch_to=$work/$1
  rm -f "$fetch_to"
  if [ -n "$release_dir" ]; then
    [ -f "$release_dir/$1" ] || return 1
    limited "$download_limit" cp "$release_dir/$1" "$fetch_to" 2>"$work/output" && return 0
    full_disk
    return 1
  fi
  for fetch_program in curl wget; do
    have "$fetch_program" || continue
    if download "$fetch_program" "$release_url/$1" "$fetch_to" "$2"; then return 0; fi
    # Before the removal, which makes room.
    full_disk
    rm -f "$fetch_to"
  done
  return 1
}

# A block of ulimit has 512 bytes, in bash 1024: the limit is exact within a factor of two, which stops an endless
# answer as well. The program is ended by SIGXFSZ.
download() {
  download_blocks=$(($4 / 512 + 2048))
  # shellcheck disable=SC2016 # read by the inner shell
  download_limited='ulimit -f "$1" 2>/dev/null; shift; exec "$@"'
  case $1 in
    curl)
      limited "$download_limit" sh -c "$download_limited" sh "$download_blocks" \
        curl --fail --silent --show-error --location --proto '=http,https' --connect-timeout 20 --retry 2 \
        --speed-limit 512 --speed-time 60 --output "$3" "$2"
      ;;
    wget)
      # Some busybox crash on a time limit; `limited` is theirs.
      download_timeout=''
      capture "$short_limit" wget --version
      case $captured in *'GNU Wget'*) download_timeout='--timeout=60 --tries=3' ;; esac
      # shellcheck disable=SC2086 # options or nothing
      limited "$download_limit" sh -c "$download_limited" sh "$download_blocks" wget -q $download_timeout -O "$3" "$2"
      ;;
  esac >"$work/output" 2>&1
}

# Which folder of releases, or which file.
locate_release() {
  release_dir=''
  release_url=''
  single_file=''
  if is_yes "$from_source"; then
    single_file=$source_dir/dist/drover
  elif [ -d "$offline" ]; then
    release_dir=$offline
  elif [ -n "$offline" ]; then
    [ -f "$offline" ] || fail 4 "$offline does not exist"
    case $offline in */*) release_dir=${offline%/*} ;; *) release_dir=. ;; esac
    offline_name=${offline##*/}
    if ! sum_in "$release_dir/SHA256SUMS" "$offline_name"; then
      release_dir=''
      single_file=$offline
    else
      wanted_file=$offline_name
    fi
  else
    release_url=$base_url/${version:-${channel:-stable}}
  fi
}

# sum_in FILE NAME: the hash that a list of sums gives to a name, in $sum. False when it names it not, or twice.
sum_in() {
  sum=''
  [ -r "$1" ] || return 1
  while read -r sum_hash sum_name; do
    sum_name=${sum_name#\*}
    if [ "$sum_name" = "$2" ]; then
      [ -z "$sum" ] || return 1
      sum=$sum_hash
    fi
  done <"$1"
  case $sum in *[!0-9a-f]*) return 1 ;; esac
  [ ${#sum} = 64 ]
}

fetch_failed() {
  fetch_said=$(tail -n 1 "$work/output" 2>"$null")
  fail 4 "${release_dir:-$release_url}/$1 could not be fetched${fetch_said:+: $fetch_said}" "$2"
}

# The list of sums, and everything that vouches for it. $sums is the only thing that later steps believe.
fetch_sums() {
  if [ -z "$release_dir" ] && ! have curl && ! have wget; then
    fail 3 "neither curl nor wget is here" "install one of them, or give --offline FILE"
  fi
  if ! fetch SHA256SUMS "$small_file_bytes"; then
    # One release at the address itself, with neither channels nor versions below it.
    if [ -n "$release_url" ] && [ -z "$version$channel" ]; then
      release_url=$base_url
      fetch SHA256SUMS "$small_file_bytes" || fetch_failed SHA256SUMS "look at --base-url, --version and the network"
    else
      fetch_failed SHA256SUMS "look at --base-url, --version, --channel and the network"
    fi
  fi
  sums=$work/SHA256SUMS
  check_signature
  read_manifest
}

# ---- signature -------------------------------------------------------------------------------------------------------

not_signed() {
  unchecked="signature ($1)"
  if is_yes "$require_signature"; then
    fail 5 "the signature could not be checked: $1" \
      "${2:-install OpenSSL 3, or fetch over https without --require-signature}"
  fi
}

bad_signature() { fail 5 "the release was refused: $1" "do not use it; tell the people who offer it"; }

# verifies KEY_PEM SIGNATURE FILE: by an Ed25519 key.
verifies() {
  capture "$short_limit" openssl pkeyutl -verify -pubin -inkey "$1" -rawin -in "$3" -sigfile "$2"
}

# decode TEXT FILE: base64, also in its form for addresses.
decode() {
  decode_text=$(printf '%s' "$1" | tr -- '-_' '+/')
  case $((${#decode_text} % 4)) in 2) decode_text=$decode_text== ;; 3) decode_text=$decode_text= ;; esac
  printf '%s\n' "$decode_text" >"$work/encoded"
  limited "$short_limit" openssl base64 -d -A -in "$work/encoded" >"$2" 2>"$null" && [ -s "$2" ] && return 0
  limited "$short_limit" base64 -d "$work/encoded" >"$2" 2>"$null" && [ -s "$2" ]
}

# text_field NAME FILE: the text of the first field of this name in a JSON document, in $field. Documents are of one
# known form; a field that is not found is the caller's refusal.
text_field() {
  field=$(json_lines "$2" | sed -n "s/^\"$1\":\"\\([^\"]*\\)\"\$/\\1/p" | head -n 1)
  [ -n "$field" ]
}

# One field a line. No text of these documents holds white space, commas or brackets that matter here.
json_lines() { tr -d ' \t\n\r' <"$1" | sed 's/[][,{}]/\
/g'; }

number_field() {
  field=$(json_lines "$2" | sed -n "s/^\"$1\":\\([0-9][0-9]*\\)\$/\\1/p" | head -n 1)
  [ -n "$field" ]
}

# The 32 bytes of an Ed25519 key in base64, from PEM, from its DER form, or bare; in $key.
bare_key() {
  key=$(printf '%s' "$1" | sed 's/-----[A-Z ]*-----//g; s/\\n//g' | tr -d '\n\r =' | tr -- '-_' '+/')
  key=${key#MCowBQYDK2VwAyEA}
  [ ${#key} = 43 ]
}

# key_file BARE_KEY FILE: its PEM.
key_file() {
  printf -- '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA%s=\n-----END PUBLIC KEY-----\n' "$1" >"$2"
}

# root -> certificate -> signing key -> SHA256SUMS. A release without any of them is refused as soon as a root is known
# and OpenSSL can do it; otherwise what was not checked is said.
check_signature() {
  check_roots=$stamped_root_keys
  if [ -n "$root_key" ]; then check_roots=$root_key; fi
  if [ -z "$check_roots" ]; then
    not_signed "no root key is known" "give --root-key FILE"
    return 0
  fi
  if ! have openssl; then
    not_signed "openssl is missing"
    return 0
  fi
  if ! can_verify; then
    not_signed "this openssl cannot verify Ed25519"
    return 0
  fi
  for check_name in SHA256SUMS.sig signing-key.pem signing-key.cert; do
    fetch "$check_name" "$small_file_bytes" || bad_signature "$check_name is missing"
  done
  check_certificate "$check_roots"
  verifies "$work/signing-key.pem" "$work/SHA256SUMS.sig" "$sums" || bad_signature "the signature of SHA256SUMS is wrong"
  checked="$checked, signature"
  unchecked=''
}

# Asked with a signature that is known to be right and with one that is not, so that an old or crippled OpenSSL is told
# from a bad release. The second test of RFC 8032, section 7.1.
can_verify() {
  key_file 'PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw' "$work/known.pem"
  printf 'r' >"$work/known"
  decode 'kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA==' "$work/known.sig" ||
    return 1
  verifies "$work/known.pem" "$work/known.sig" "$work/known" || return 1
  printf 's' >"$work/known"
  ! verifies "$work/known.pem" "$work/known.sig" "$work/known"
}

check_certificate() {
  if ! text_field payload "$work/signing-key.cert" || ! decode "$field" "$work/certificate" ||
    ! text_field signature "$work/signing-key.cert" || ! decode "$field" "$work/certificate.sig"; then
    bad_signature "signing-key.cert cannot be read"
  fi
  check_certified=no
  for check_root in $1; do
    bare_key "$check_root" || fail 5 "the root key of this script is damaged"
    key_file "$key" "$work/root.pem"
    if verifies "$work/root.pem" "$work/certificate.sig" "$work/certificate"; then check_certified=yes; fi
  done
  [ "$check_certified" = yes ] || bad_signature "no known root key has certified the signing key"
  if ! text_field publicKey "$work/certificate" || ! bare_key "$field"; then
    bad_signature "signing-key.cert names no key"
  fi
  check_named=$key
  if ! bare_key "$(cat "$work/signing-key.pem")" || [ "$key" != "$check_named" ]; then
    bad_signature "signing-key.pem is not the key that was certified"
  fi
  if number_field notAfterMs "$work/certificate" && is_past "$field"; then
    bad_signature "the certificate of the signing key has expired"
  fi
}

# is_past INSTANT_MS. A host that cannot tell the time does not refuse for it; the executable checks again when it
# updates itself.
is_past() {
  is_past_now=$(date +%s 2>"$null")
  case $is_past_now in '' | *[!0-9]*) return 1 ;; esac
  is_past_seconds=${1%???}
  [ "${is_past_seconds:-0}" -lt "$is_past_now" ]
}

# ---- manifest --------------------------------------------------------------------------------------------------------

# Sizes, version and expiry; believed only when SHA256SUMS, whose signature was looked at, gives its hash.
read_manifest() {
  manifest=''
  sum_in "$sums" manifest.json || return 0
  fetch manifest.json "$small_file_bytes" || fetch_failed manifest.json "try again later"
  hash_of "$work/manifest.json"
  [ "$hash" = "$sum" ] || fail 5 "the release was refused: manifest.json has another hash than SHA256SUMS says" \
    "try again later"
  # Certificates have payloads too; the one with files is the manifest's.
  json_lines "$work/manifest.json" | sed -n 's/^"payload":"\([^"]*\)"$/\1/p' >"$work/payloads"
  while IFS= read -r manifest_payload; do
    if decode "$manifest_payload" "$work/payload" && grep -q '"files"' "$work/payload"; then
      manifest=$work/manifest
      mv -f "$work/payload" "$manifest"
    fi
  done <"$work/payloads"
  if [ -z "$manifest" ]; then
    if have openssl || have base64; then fail 5 "the release was refused: manifest.json cannot be read"; fi
    return 0
  fi
  if number_field expiresAtMs "$manifest" && is_past "$field"; then
    fail 5 "the release was refused: its manifest has expired" "fetch a newer one, or look at the clock of this host"
  fi
}

# size_in_manifest NAME: in $field; false when unknown.
size_in_manifest() {
  [ -n "$manifest" ] || return 1
  tr -d ' \t\n\r' <"$manifest" | sed 's/[{}]/\
/g' | grep -F "\"file\":\"$1\"" | head -n 1 >"$work/entry"
  number_field bytes "$work/entry"
}

# ---- staging ---------------------------------------------------------------------------------------------------------

# take_work_folder: also the lock against a second installation.
take_work_folder() {
  phase=preparing
  make_folder "$bin_dir"
  if ! mkdir -m 700 "$work" 2>"$null"; then
    [ -d "$work" ] || fail 7 "$root$bin_dir cannot be written" "$(room_hint)"
    # Another installation may have made the folder this very moment.
    [ -s "$work/pid" ] || sleep 1
    take_pid=$(cat "$work/pid" 2>"$null")
    case $take_pid in
      '' | *[!0-9]*) ;;
      *)
        if kill -0 "$take_pid" 2>/dev/null && [ "$take_pid" != $$ ]; then
          fail 10 "another installation is running (process $take_pid)" "wait for it; if it is not one, remove $work"
        fi
        ;;
    esac
    recover
    mkdir -m 700 "$work" 2>"$null" || [ -d "$work" ] || fail 7 "$root$bin_dir cannot be written" "$(room_hint)"
  fi
  phase=staging
  printf '%s\n' "$$" >"$work/pid" || fail 7 "$root$bin_dir cannot be written" "$(room_hint)"
  remember_folders
}

# What an installation left that was killed: its executable is the old one or a new one that had passed its selftest,
# so it stays, and only what lies around it goes.
recover() {
  if [ ! -e "$root$bin" ] && [ -f "$work/previous" ]; then mv -f "$work/previous" "$root$bin"; fi
  # The folders that it had made are this installation's to remove.
  if [ -r "$work/made" ]; then
    while IFS= read -r recover_dir; do made_dirs=$made_dirs$recover_dir$newline; done <"$work/made"
  fi
  rm -rf "$work"
  # It may have replaced the executable and not restarted the service.
  recovered=yes
}

need_room() {
  room_kib=$(df -Pk "$work" 2>"$null" | sed -n '2s/^.*[[:space:]]\([0-9][0-9]*\)[[:space:]][[:space:]]*[0-9][0-9]*%.*/\1/p')
  case $room_kib in '' | *[!0-9]*) return 0 ;; esac
  need_kib=$(($1 / 1024 + spare_kib))
  [ "$room_kib" -ge "$need_kib" ] || fail 7 "$root$bin_dir has room for $room_kib KiB, and $need_kib are needed" \
    "make room, or give --prefix"
}

# The executable at $work/drover, with $new_hash.
stage() {
  if [ -n "$single_file" ]; then
    stage_single
    return 0
  fi
  stage_raw=drover-$target
  stage_packed=$stage_raw.gz
  sum_in "$sums" "$stage_raw" || fail 4 "the release has no drover for $target" \
    "look at --version; or build it with --from-source"
  new_hash=$sum
  if [ -n "$wanted_file" ] && [ "$wanted_file" != "$stage_raw" ] && [ "$wanted_file" != "$stage_packed" ]; then
    fail 3 "$wanted_file is for another kind of host than this one ($target)"
  fi
  if [ "$new_hash" = "$old_hash" ]; then return 0; fi
  stage_from=$stage_raw
  if [ "$wanted_file" != "$stage_raw" ] && have gzip && sum_in "$sums" "$stage_packed"; then stage_from=$stage_packed; fi
  sum_in "$sums" "$stage_from"
  # Without a manifest: more than any drover has had.
  stage_limit=536870912
  if size_in_manifest "$stage_from"; then
    stage_limit=$field
    stage_need=$field
    if [ "$stage_from" != "$stage_raw" ] && size_in_manifest "$stage_raw"; then stage_need=$((stage_need + field)); fi
    need_room "$stage_need"
  fi
  say "fetching ${release_dir:-$release_url}/$stage_from"
  fetch "$stage_from" "$stage_limit" || fetch_failed "$stage_from" "try again; what was there before is untouched"
  check_file "$work/$stage_from" "$stage_from"
  if [ "$stage_from" = "$stage_raw" ]; then
    mv -f "$work/$stage_from" "$work/drover" || fail 7 "$work cannot be written"
  else
    limited "$service_limit" gzip -dc "$work/$stage_from" >"$work/drover" 2>"$work/output" || {
      full_disk
      fail 5 "$stage_from could not be unpacked: $(cat "$work/output" 2>"$null")"
    }
    check_file "$work/drover" "$stage_raw"
    rm -f "$work/$stage_from"
  fi
  checked="$checked, size and hash"
}

# A file that came alone: what nobody vouches for is said.
stage_single() {
  say "copying $single_file"
  need_room "$(size_of "$single_file")"
  case $single_file in
    *.gz) limited "$service_limit" gzip -dc "$single_file" >"$work/drover" 2>"$work/output" ;;
    *) limited "$service_limit" cp "$single_file" "$work/drover" 2>"$work/output" ;;
  esac || {
    full_disk
    fail 4 "$single_file could not be copied: $(cat "$work/output" 2>"$null")"
  }
  hash_of "$work/drover"
  new_hash=$hash
  if is_yes "$from_source"; then
    unchecked=''
  else
    unchecked="hash and signature ($single_file came without SHA256SUMS)"
    if is_yes "$require_signature"; then fail 5 "$single_file came without SHA256SUMS and signature"; fi
  fi
}

full_disk() {
  full_disk_kib=$(df -Pk "$work" 2>"$null" | sed -n '2s/^.*[[:space:]]\([0-9][0-9]*\)[[:space:]][[:space:]]*[0-9][0-9]*%.*/\1/p')
  case $full_disk_kib in
    0 | [0-9] | [0-9][0-9]) fail 7 "there is no room left at $root$bin_dir" "make room, or give --prefix" ;;
  esac
}

# check_file PATH NAME: size, then hash.
check_file() {
  if size_in_manifest "$2"; then
    check_size=$(size_of "$1")
    [ "$check_size" = "$field" ] ||
      fail 5 "the release was refused: $2 has $check_size bytes instead of $field" "try again; a proxy may have cut it"
  fi
  sum_in "$sums" "$2"
  hash_of "$1"
  [ "$hash" = "$sum" ] || fail 5 "the release was refused: the hash of $2 is $hash instead of $sum" \
    "try again; if it stays so, tell the people who offer it"
}

# version_of EXECUTABLE: in $found_version; false when it does not run.
version_of() {
  found_version=''
  capture "$short_limit" "$1" --version || return 1
  case $captured in 'drover '[0-9]*) ;; *) return 1 ;; esac
  found_version=${captured#drover }
  found_version=${found_version%% *}
}

# Proves that the staged executable works on this host before anything depends on it.
prove() {
  chmod 755 "$work/drover" || fail 7 "$work cannot be written"
  mkdir -m 700 "$work/native" || fail 7 "$work cannot be written"
  # Bun unpacks the database's addon there; /tmp may forbid running what lies in it.
  BUN_TMPDIR=$work/native
  export BUN_TMPDIR
  if ! version_of "$work/drover"; then
    full_disk
    prove_hint="look at the message above"
    case $captured in
      *GLIBC* | *'not found'*) prove_hint="the system's C library is too old, or a library is missing" ;;
      *ermission*) prove_hint="the file system of $root$bin_dir may be mounted noexec; give --prefix" ;;
      *llegal*) prove_hint="the processor lacks instructions; give --target $target-baseline" ;;
    esac
    fail 6 "the new drover does not start here: ${captured:-no answer}" "$prove_hint"
  fi
  new_version=$found_version
  if [ -n "$version" ] && [ "$version" != "$new_version" ]; then
    fail 5 "the release was refused: it holds version $new_version, and $version was asked for"
  fi
  if [ -n "$manifest" ] && text_field version "$manifest" && [ "$field" != "$new_version" ]; then
    fail 5 "the release was refused: it holds version $new_version, and its manifest says $field"
  fi
  # An old release with all its signatures is still an old release.
  if [ -z "$version" ] && [ -z "$offline" ] && ! is_yes "$from_source" && older "$new_version" "$old_version"; then
    fail 5 "the release was refused: $new_version is older than $old_version, which is installed" \
      "give --version $new_version to go back to it"
  fi
  say "testing drover $new_version"
  capture "$selftest_limit" "$work/drover" selftest ||
    fail 6 "the new drover failed its selftest on this host: $captured" "drover $new_version was not installed"
  if [ -n "$join" ]; then
    capture "$short_limit" "$work/drover" help node join ||
      fail 6 "drover $new_version cannot join a fleet" "install it without --join"
  fi
}

# older A B: whether version A comes before B; by the three numbers, then a pre-release before its release.
older() {
  if [ -z "$1" ] || [ -z "$2" ]; then return 1; fi
  older_a=${1%%[-+]*}.
  older_b=${2%%[-+]*}.
  case $older_a$older_b in *[!0-9.]*) return 1 ;; esac
  while [ -n "$older_a" ] && [ -n "$older_b" ]; do
    [ "${older_a%%.*}" -eq "${older_b%%.*}" ] || {
      [ "${older_a%%.*}" -lt "${older_b%%.*}" ]
      return
    }
    older_a=${older_a#*.}
    older_b=${older_b#*.}
  done
  case $1/$2 in *-*/*-*) return 1 ;; *-*/*) return 0 ;; *) return 1 ;; esac
}

# ---- the service -----------------------------------------------------------------------------------------------------

unit_text() {
  case $service/$scope in
    systemd/*) unit_text_systemd ;;
    openrc/*) unit_text_openrc ;;
  esac
}

# What both systemd units share. A user's unit has nothing that only root can ask for.
unit_text_systemd() {
  if [ "$scope" = system ]; then
    unit_edit='systemctl edit drover'
    unit_after='After=network-online.target
Wants=network-online.target
'
    unit_own="User=drover
Group=drover
StateDirectory=drover
StateDirectoryMode=0700
WorkingDirectory=$state_dir
LimitNOFILE=65536
"
    unit_target=multi-user.target
  else
    unit_edit='systemctl --user edit drover'
    unit_after=''
    unit_own=''
    unit_target=default.target
  fi
  cat <<UNIT
# Written by install.sh; a change belongs into a drop-in: $unit_edit
[Unit]
Description=drover: takes tasks, runs them, proves their results
$unit_after# The watchdog has a restart budget and a safe mode of its own; giving up is its decision.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=$bin up
Environment=DROVER_STATE=$state_dir
${unit_own}UMask=0077
Restart=always
RestartSec=2
# 2: the configuration is wrong, and stays wrong until a person corrects it.
RestartPreventExitStatus=2
TimeoutStartSec=120
TimeoutStopSec=90
WatchdogSec=30
# Workers outlive a restart of the service and are adopted by the next node; "mixed" would kill the work under way.
KillMode=process
# A task that runs out of memory is the task's end, not the node's.
OOMPolicy=continue
NoNewPrivileges=yes
UNIT
  if [ "$scope" = system ]; then unit_text_hardening; fi
  cat <<UNIT

[Install]
WantedBy=$unit_target
UNIT
}

unit_text_hardening() {
  cat <<UNIT

# Nothing here forbids memory that is both written and run: drover's JavaScript engine compiles while it runs.
# Nothing hides parts of /proc or restricts namespaces: the sandbox of tasks is made of them. Devices stay visible for
# the graphics cards. Workspaces outside $state_dir need a drop-in with ReadWritePaths=.
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
UNIT
}

unit_text_openrc() {
  cat <<UNIT
#!/sbin/openrc-run
# Written by install.sh; settings belong into /etc/conf.d/drover

name="drover"
description="drover: takes tasks, runs them, proves their results"
supervisor="supervise-daemon"
command="$bin"
command_args="up"
command_user="drover:drover"
directory="$state_dir"
output_log="/var/log/drover.log"
error_log="/var/log/drover.log"
umask="0077"
respawn_delay="2"
# The watchdog has a restart budget of its own; giving up is its decision.
respawn_max="0"
retry="TERM/90/KILL/5"
export DROVER_STATE="$state_dir"

depend() {
  want net
  after firewall
}

start_pre() {
  checkpath --directory --mode 0700 --owner drover:drover "$state_dir" || return 1
  checkpath --file --mode 0640 --owner drover:drover /var/log/drover.log || return 1
  # supervise-daemon starts again whatever the exit code: a wrong configuration is refused here, with its reason.
  (cd "$state_dir" && HOME="$state_dir" "$bin" config check >/dev/null)
}
UNIT
}

control() {
  case $scope in
    user) limited "$service_limit" systemctl --user "$@" ;;
    *) limited "$service_limit" systemctl "$@" ;;
  esac
}

service_active() {
  case $service in
    systemd) control is-active --quiet drover.service 2>"$null" ;;
    openrc) limited "$short_limit" rc-service drover status >"$null" 2>&1 ;;
  esac
}

service_load() {
  case $service in
    systemd) control daemon-reload && control --quiet enable drover.service ;;
    openrc) limited "$short_limit" rc-update --quiet add drover default ;;
  esac
}

service_restart() {
  case $service in
    systemd) control restart drover.service ;;
    openrc) limited "$service_limit" rc-service --quiet drover restart ;;
  esac
}

service_stop() {
  case $service in
    systemd) control stop drover.service ;;
    openrc) limited "$service_limit" rc-service --quiet drover stop ;;
  esac
}

service_remove() {
  case $service in
    systemd) control --quiet disable --now drover.service ;;
    openrc)
      limited "$service_limit" rc-service --quiet --ifstarted drover stop &&
        limited "$short_limit" rc-update --quiet delete drover
      ;;
  esac
}

# Only what was really made is removed again.
make_user() {
  [ "$service/$scope" != none/system ] && [ "$scope" = system ] || return 0
  if id drover >/dev/null 2>&1; then return 0; fi
  made_user=yes
  if have useradd; then
    limited "$short_limit" useradd --system --user-group --no-create-home --home-dir "$state_dir" \
      --shell /usr/sbin/nologin --comment drover drover >"$work/output" 2>&1 && return 0
  else
    limited "$short_limit" addgroup -S drover >"$work/output" 2>&1
    limited "$short_limit" adduser -S -D -H -h "$state_dir" -s /sbin/nologin -G drover -g drover drover >"$work/output" 2>&1 &&
      return 0
  fi
  fail 1 "the user drover could not be made: $(cat "$work/output")" "make it by hand, or give --no-service"
}

remove_user() {
  if have userdel; then
    limited "$short_limit" userdel drover >"$null" 2>&1
  else
    limited "$short_limit" deluser drover >"$null" 2>&1
    limited "$short_limit" delgroup drover >"$null" 2>&1
  fi
  ! id drover >/dev/null 2>&1
}

# await_ready: asks the node itself. systemd has waited for its own notice already.
await_ready() {
  await_count=0
  while :; do
    if limited "$short_limit" env "DROVER_STATE=$state_dir" "$root$bin" status --quiet >"$work/status" 2>&1; then return 0; fi
    [ "$await_count" -lt "$ready_seconds" ] || return 1
    await_count=$((await_count + 1))
    sleep 1 || return 1
  done
}

start_service() {
  [ "$service" != none ] || return 0
  phase=service
  say "starting the service"
  service_load >"$work/output" 2>&1 || service_failed "the service could not be set up"
  service_restart >"$work/output" 2>&1 || service_failed "the service did not start"
  await_ready || {
    cat "$work/status" >"$work/output" 2>"$null"
    service_failed "drover $new_version was not ready after $ready_seconds s"
  }
}

service_failed() {
  service_said=$(tail -n 5 "$work/output" 2>"$null")
  if [ "$service/$scope" = systemd/system ] && have journalctl; then
    service_said="$service_said$newline$(limited "$short_limit" journalctl -u drover.service -n 10 --no-pager 2>"$null")"
  fi
  fail 8 "$1${service_said:+: $service_said}" "drover doctor says what is wrong with this host"
}

# ---- the switch ------------------------------------------------------------------------------------------------------

# The old executable gets a second name first, and the new one is renamed over the first name: the name always leads to
# a whole executable.
switch() {
  phase=switching
  if [ -e "$root$bin" ] && [ -n "$new_file" ]; then
    ln "$root$bin" "$work/previous" 2>"$null" || cp -p "$root$bin" "$work/previous" 2>"$null" ||
      fail 7 "the previous drover could not be kept at $work/previous" "$(room_hint)"
  fi
  if [ -n "$new_file" ]; then
    # To the disk before the name leads to it. Not every sync knows files; the rename is right without it too, but for
    # a loss of power.
    limited "$service_limit" sync "$work/drover" >"$null" 2>&1 || :
    phase=switched
    mv -f "$work/drover" "$root$bin" || fail 7 "$root$bin cannot be replaced" "$(room_hint)"
    if ! version_of "$root$bin" || [ "$found_version" != "$new_version" ]; then fail 1 "$root$bin is not the new drover"; fi
  fi
}

write_unit() {
  [ -n "$unit" ] || return 0
  new_unit=$(unit_text) || fail 1 "the text of the unit file could not be made"
  old_unit=''
  had_unit=no
  if [ -f "$root$unit" ]; then
    had_unit=yes
    old_unit=$(cat "$root$unit") || fail 7 "$root$unit cannot be read"
  fi
  if [ "$old_unit" = "$new_unit" ]; then return 0; fi
  make_folder "${unit%/*}"
  unit_changed=yes
  unit_mode=644
  if [ "$service" = openrc ]; then unit_mode=755; fi
  put_text "$unit" "$unit_mode" "$new_unit" || fail 7 "$root$unit could not be written" "$(room_hint)"
}

read_receipt() {
  old_dirs=''
  receipt_user=no
  receipt_unit=''
  receipt_service=none
  [ -r "$root$receipt" ] || return 0
  while IFS= read -r receipt_line; do
    case $receipt_line in
      folder=*) old_dirs=$old_dirs${receipt_line#*=}$newline ;;
      made-user=*) receipt_user=${receipt_line#*=} ;;
      unit=*) receipt_unit=${receipt_line#*=} ;;
      service=*) receipt_service=${receipt_line#*=} ;;
    esac
  done <"$root$receipt"
  return 0
}

write_receipt() {
  make_folder "${receipt%/*}"
  if [ "$receipt_user" = yes ]; then made_user=yes; fi
  receipt_text="# Written by install.sh, for --uninstall
version=$new_version
target=$target
service=$service
unit=$unit
state=$state_dir
made-user=$made_user"
  while IFS= read -r receipt_line; do
    [ -z "$receipt_line" ] || receipt_text="$receipt_text${newline}folder=$receipt_line"
  done <<LIST
$old_dirs$made_dirs
LIST
  old_receipt=''
  if [ -e "$root$receipt" ]; then old_receipt=$(cat "$root$receipt") || fail 7 "$root$receipt cannot be read"; fi
  if [ "$old_receipt" = "$receipt_text" ]; then return 0; fi
  receipt_changed=yes
  put_text "$receipt" 644 "$receipt_text" || fail 7 "$root$receipt could not be written" "$(room_hint)"
}

# ---- the way back ----------------------------------------------------------------------------------------------------

# in_main_shell: false in a part of it that bash has forked and whose traps it has not reset yet.
in_main_shell() {
  # shellcheck disable=SC3028 # unset in other shells, which have no such moment
  [ "${BASHPID:-$$}" = "$$" ]
}

on_signal() {
  in_main_shell || exit "$2"
  warn "interrupted by $1"
  [ -z "${limited_pid:-}" ] || kill -TERM "$limited_pid" 2>/dev/null
  exit "$2"
}

on_exit() {
  exit_code=$?
  trap - EXIT
  in_main_shell || exit "$exit_code"
  # Not ignored, because children would inherit it, and one that hangs could not be ended.
  trap : INT TERM HUP
  if [ "$phase" = none ] || [ "$phase" = finished ]; then exit "$exit_code"; fi
  # A shell that ends for an error of its own must not be taken for a success.
  case $exit_code in 0 | 2) exit_code=1 ;; esac
  if [ "$phase" = preparing ]; then
    remove_folders "$made_dirs"
    exit "$exit_code"
  fi
  undo || exit_code=9
  exit "$exit_code"
}

# Puts back what was there before this run, whatever of it has happened.
undo() {
  undo_ok=yes
  if [ "$phase" = switched ] || [ "$phase" = service ]; then undo_executable; fi
  if [ "$unit_changed" = yes ]; then undo_unit; fi
  if [ "$receipt_changed" = yes ]; then
    if [ -n "$old_receipt" ]; then
      put_text "$receipt" 644 "$old_receipt" || undo_ok=no
    else
      rm -f "$root$receipt" || undo_ok=no
    fi
  fi
  if [ "$phase" = service ]; then undo_service; fi
  if [ "$made_user" = yes ] && [ "$receipt_user" != yes ]; then remove_user || undo_ok=no; fi
  if [ "$undo_ok" = yes ]; then
    rm -rf "$work" || undo_ok=no
    remove_folders "$made_dirs"
  fi
  if [ -e "$root$bin" ]; then
    if [ "$undo_ok" = yes ]; then warn "drover ${old_version:-as it was} is in place"; fi
  else
    warn "drover is not installed"
  fi
  [ "$undo_ok" = yes ] || warn "not everything could be put back; run this script again, or look at $work"
  [ "$undo_ok" = yes ]
}

undo_executable() {
  if [ -n "$new_file" ] && [ -e "$work/previous" ]; then
    mv -f "$work/previous" "$root$bin" ||
      { cp -p "$work/previous" "$work/again" && mv -f "$work/again" "$root$bin"; } || undo_ok=no
    if [ "$undo_ok" = no ]; then warn "the previous drover is at $work/previous; move it to $root$bin"; fi
  elif [ -n "$new_file" ] && [ "$had_bin" = no ]; then
    if [ "$phase" = service ]; then service_remove >"$null" 2>&1; fi
    rm -f "$root$bin" || undo_ok=no
  fi
}

undo_unit() {
  rm -f "$root${unit%/*}/.${unit##*/}.drover-new"
  if [ "$had_unit" = yes ]; then
    unit_mode=644
    if [ "$service" = openrc ]; then unit_mode=755; fi
    put_text "$unit" "$unit_mode" "$old_unit" || undo_ok=no
  else
    if [ "$phase" = service ] && [ "$had_bin" = yes ]; then service_remove >"$null" 2>&1; fi
    rm -f "$root$unit" || undo_ok=no
  fi
}

undo_service() {
  if [ "$service" = systemd ]; then control daemon-reload >"$null" 2>&1; fi
  if [ "$was_active" = no ]; then
    if [ "$had_unit" = yes ]; then service_stop >"$null" 2>&1; fi
    return 0
  fi
  say "starting drover ${old_version:-as it was} again"
  if service_restart >"$null" 2>&1 && await_ready; then return 0; fi
  warn "the previous drover is in place, but its service is not ready"
  undo_ok=no
}

# ---- uninstall -------------------------------------------------------------------------------------------------------

uninstall() {
  read_receipt
  if [ ! -e "$root$bin" ] && [ ! -e "$root$receipt" ] && [ ! -d "$work" ] && ! is_yes "$purge"; then
    say "drover is not installed below $prefix; there is nothing to remove"
    return 0
  fi
  uninstall_service
  if [ -x "$root$bin" ] && [ "$service" = none ]; then
    # A node that was started by hand; it may as well not run.
    limited "$service_limit" env "DROVER_STATE=$state_dir" "$root$bin" down --force --quiet >"$null" 2>&1
  fi
  if ! rm -f "$root$bin" || ! rm -rf "$work"; then fail 1 "$root$bin could not be removed"; fi
  if is_yes "$purge"; then
    uninstall_purge
  elif [ -e "$root$state_dir" ]; then
    say "kept: $state_dir and $config_dir (--purge removes them)"
  fi
  rm -f "$root${receipt%/*}/.${receipt##*/}.drover-new" "$root$receipt" || fail 1 "$root$receipt could not be removed"
  remove_folders "$old_dirs"
  if [ -e "$root$bin" ]; then fail 1 "$root$bin is still there"; fi
  say "drover is removed"
}

uninstall_service() {
  if [ -n "$receipt_unit" ]; then
    unit=$receipt_unit
    service=$receipt_service
  fi
  [ -n "$unit" ] && [ -e "$root$unit" ] || return 0
  # Attempts under way are ended by the node; KillMode=process would leave them to themselves.
  if [ -x "$root$bin" ]; then
    limited "$service_limit" env "DROVER_STATE=$state_dir" "$root$bin" down --force --quiet >"$null" 2>&1
  fi
  service_remove >"$null" 2>&1
  if service_active; then fail 1 "the service could not be stopped" "stop it, and run this again"; fi
  # The links are what enabling makes; they stay where systemd did not answer.
  rm -f "$root${unit%/*}/.${unit##*/}.drover-new" "$root${unit%/*}/multi-user.target.wants/drover.service" \
    "$root${unit%/*}/default.target.wants/drover.service" "$root$unit" || fail 1 "$root$unit could not be removed"
  if [ "$service" = systemd ]; then control daemon-reload >"$null" 2>&1; fi
  if [ "$service" = openrc ]; then rm -f "$root/var/log/drover.log"; fi
  return 0
}

uninstall_purge() {
  for purge_dir in "$state_dir" "$config_dir"; do
    # Both end in /drover by construction; a link is removed, not followed.
    case $purge_dir in
      */drover) rm -rf "$root$purge_dir" || fail 1 "$root$purge_dir could not be removed" ;;
    esac
  done
  if [ "$receipt_user" = yes ]; then remove_user || fail 1 "the user drover could not be removed"; fi
}

# ---- the plan --------------------------------------------------------------------------------------------------------

# What --dry-run prints. Lines begin with a word that says what would be done; test/install compares them with the deed.
plan_folders() {
  plan_path=''
  plan_rest=${1#/}/
  while [ -n "$plan_rest" ]; do
    plan_path=$plan_path/${plan_rest%%/*}
    plan_rest=${plan_rest#*/}
    case "$newline$planned" in *"$newline$plan_path$newline"*) continue ;; esac
    [ -d "$root$plan_path" ] || echo "folder   $root$plan_path"
    planned=$planned$plan_path$newline
  done
}

plan_install() {
  planned=''
  echo "target   $target"
  if is_yes "$from_source"; then
    echo "run      npm run build (in $source_dir)"
    echo "copy     $source_dir/dist/drover"
  elif [ -n "$offline" ]; then
    echo "copy     $offline"
  else
    echo "fetch    $base_url/${version:-${channel:-stable}}/ (SHA256SUMS, its signature, manifest.json, drover-$target.gz)"
  fi
  plan_folders "$bin_dir"
  echo "stage    $work (removed at the end)"
  echo "check    size, hash, signature, --version, selftest"
  if [ -e "$root$bin" ]; then echo "replace  $root$bin"; else echo "file     $root$bin"; fi
  if [ "$service/$scope" != none/system ] && [ "$scope" = system ]; then
    id drover >/dev/null 2>&1 || echo "user     drover"
  fi
  if [ "$scope" = user ]; then plan_folders "$state_dir"; fi
  if [ -n "$unit" ]; then
    plan_folders "${unit%/*}"
    echo "file     $root$unit"
  fi
  plan_folders "${receipt%/*}"
  echo "file     $root$receipt"
  case $service/$scope in
    systemd/system) plan_systemd='systemctl' ;;
    systemd/user) plan_systemd='systemctl --user' ;;
  esac
  case $service in
    systemd)
      echo "run      $plan_systemd daemon-reload"
      echo "run      $plan_systemd enable drover.service"
      echo "run      $plan_systemd restart drover.service"
      ;;
    openrc)
      echo "run      rc-update add drover default"
      echo "run      rc-service drover restart"
      ;;
    none) echo "service  none: $service_why" ;;
  esac
  if [ "$service" != none ]; then echo "wait     until drover status succeeds, at most $ready_seconds s"; fi
  if [ -n "$join" ]; then echo "join     ${join#*@}"; fi
  return 0
}

plan_uninstall() {
  read_receipt
  if [ -n "$receipt_unit" ]; then unit=$receipt_unit; fi
  for plan_path in "$unit" "$bin" "$receipt"; do
    if [ -n "$plan_path" ] && [ -e "$root$plan_path" ]; then echo "remove   $root$plan_path"; fi
  done
  if is_yes "$purge"; then
    for plan_path in "$state_dir" "$config_dir"; do
      if [ -e "$root$plan_path" ]; then echo "remove   $root$plan_path"; fi
    done
    if [ "$receipt_user" = yes ]; then echo "remove   user drover"; fi
  fi
  return 0
}

# ---- from source -----------------------------------------------------------------------------------------------------

find_source() {
  source_dir=''
  is_yes "$from_source" || return 0
  case $0 in */install.sh | install.sh) source_dir=$(cd "$(dirname "$0")" 2>"$null" && pwd) ;; esac
  [ -f "$source_dir/build/bootstrap.mjs" ] || source_dir=$(pwd)
  [ -f "$source_dir/build/bootstrap.mjs" ] ||
    fail 2 "--from-source needs a clone of drover, and $source_dir is none" \
      "run sh install.sh --from-source in the clone"
}

build_source() {
  is_yes "$from_source" || return 0
  have npm || fail 3 "npm is missing, and the build needs it" "install Node.js 20 or later"
  say "building in $source_dir"
  # shellcheck disable=SC2016 # read by the inner shell
  limited "$build_limit" sh -c 'cd "$1" && exec npm run build' sh "$source_dir" >&2 || fail 1 "the build failed" \
    "run npm run build in $source_dir to see why"
  [ -x "$source_dir/dist/drover" ] || fail 1 "the build made no dist/drover"
}

# ---- main ------------------------------------------------------------------------------------------------------------

install_drover() {
  had_bin=no
  old_version=''
  old_hash=''
  if [ -d "$root$bin" ]; then fail 7 "$root$bin is a folder" "remove it, or give --prefix"; fi
  build_source
  take_work_folder
  read_receipt
  if [ -e "$root$bin" ]; then
    had_bin=yes
    # One that does not run is replaced like any other, and put back like any other.
    if version_of "$root$bin"; then
      old_version=$found_version
      hash_of "$root$bin"
      old_hash=$hash
    fi
  fi
  was_active=no
  if [ "$service" != none ] && service_active; then was_active=yes; fi
  locate_release
  if [ -z "$single_file" ]; then fetch_sums; fi
  stage
  new_version=$old_version
  new_file=''
  if [ "$new_hash" != "$old_hash" ]; then
    new_file=$work/drover
    prove
  fi
  make_user
  if [ "$scope" = user ]; then make_folder "$state_dir" 700; fi
  switch
  write_unit
  write_receipt
  if [ -n "$new_file" ] || [ "$unit_changed" = yes ] || [ "$was_active" = no ] || [ "$recovered" = yes ]; then
    start_service
  fi
  join_fleet
  finish
}

join_fleet() {
  [ -n "$join" ] || return 0
  say "joining the fleet of ${join#*@}"
  # By the standard input: a command line can be read by everyone on the host.
  printf '%s\n' "$join" >"$work/join" || fail 7 "$work cannot be written"
  # shellcheck disable=SC2016 # read by the inner shell
  limited "$service_limit" env "DROVER_STATE=$state_dir" sh -c 'exec "$1" node join - <"$2"' join "$root$bin" \
    "$work/join" >"$work/output" 2>&1 || fail 8 "drover could not join ${join#*@}: $(tail -n 3 "$work/output")" \
      "ask for a new token; it holds once"
}

finish() {
  rm -rf "$work" || warn "$work could not be removed; the next run does it"
  phase=finished
  if [ -z "$new_file" ]; then
    say "drover $new_version is installed already"
  elif [ -n "$old_version" ]; then
    say "drover $new_version is installed; it replaces $old_version"
  else
    say "drover $new_version is installed at $bin"
  fi
  if [ -n "$checked" ]; then say "checked: ${checked#, }"; fi
  if [ -n "$unchecked" ]; then warn "not checked: $unchecked"; fi
  if [ "$service" = none ]; then
    say "no service: $service_why. Start it with: $bin up --detach"
    if [ -n "$new_file" ] && [ "$had_bin" = yes ]; then say "a drover that runs goes on as $old_version until: drover down"; fi
  elif [ "$scope" = user ] && [ ! -e "$root/var/lib/systemd/linger/$(id -un 2>"$null")" ]; then
    say "it stops when you log out, unless: loginctl enable-linger"
  fi
  case :${PATH:-}: in
    *:"$bin_dir":*) ;;
    *) say "$bin_dir is not in PATH; add it: export PATH=\"$bin_dir:\$PATH\"" ;;
  esac
}

main() {
  set -u
  umask 022
  LC_ALL=C
  export LC_ALL
  unset CDPATH
  newline='
'
  null=/dev/null
  quiet=no
  phase=none
  limited_pid=''
  made_dirs=''
  made_user=no
  unit_changed=no
  had_unit=no
  receipt_changed=no
  receipt_user=no
  checked=''
  unchecked=''
  manifest=''
  wanted_file=''
  new_file=''
  recovered=no
  was_active=no
  # curl reads http_proxy in small letters only, wget all of them.
  if [ -n "${HTTP_PROXY:-}" ]; then export http_proxy="${http_proxy:-$HTTP_PROXY}"; fi
  if [ -n "${HTTPS_PROXY:-}" ]; then export https_proxy="${https_proxy:-$HTTPS_PROXY}"; fi
  if [ -n "${NO_PROXY:-}" ]; then export no_proxy="${no_proxy:-$NO_PROXY}"; fi
  trap on_exit EXIT
  # Nobody reads what is said, as in `| head`: no reason to stop half way. Not ignored, because children would inherit
  # it.
  trap : PIPE
  trap 'on_signal HUP 129' HUP
  trap 'on_signal INT 130' INT
  trap 'on_signal TERM 143' TERM
  read_options "$@"
  check_options
  detect_target
  detect_places
  detect_service
  find_source
  if is_yes "$uninstall"; then
    if is_yes "$dry_run"; then plan_uninstall; else uninstall; fi
  elif is_yes "$dry_run"; then
    plan_install
  else
    install_drover
  fi
  exit 0
}

main "$@"; }
