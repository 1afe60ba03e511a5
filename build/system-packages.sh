#!/bin/sh
# Installs what some suites use where it is there: bubblewrap (strict mode of the sandbox), libgomp1 (real inference),
# strace (kills inside a swap); and for install.sh busybox and dash (shells it runs under), openssl (signatures), curl,
# and the program shellcheck (build/check.ts).
# Only root on a Debian can; everywhere else, and when it fails, the suites say what they skip.
packages="bubblewrap libgomp1 strace busybox dash openssl curl shellcheck"
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
# shellcheck disable=SC2086 # a list of words
dpkg -s $packages >/dev/null 2>&1 && exit 0
install="apt-get install -y --no-install-recommends $packages"
timeout 300 sh -c "$install || { apt-get update && $install; }" >/dev/null 2>&1 ||
  echo "could not install $packages: the suites that use them are skipped, and say so"
