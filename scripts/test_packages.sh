#!/bin/sh
# Brings what tests need beside Python, where it is missing and may be installed: Debian's Chromium
# and PostgreSQL. Where it may not, the tests that need it are skipped by name.
packages=""
command -v chromium >/dev/null 2>&1 || packages="chromium fonts-dejavu-core"
command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
    packages="$packages postgresql"
packages=$(echo $packages)
if [ -z "$packages" ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing: $packages, and there is no apt-get: the tests that need it will be skipped." >&2
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "Missing: $packages, and this user may not install it: the tests that need it will be" \
        "skipped. Install it: sudo apt-get install $packages" >&2
    exit 0
fi
echo "Installing Debian's $packages for the tests ..." >&2
if ! { $as_root apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends \
        $packages >/dev/null; }; then
    echo "$packages could not be installed: the tests that need it will be skipped." >&2
fi
exit 0
