#!/bin/sh
# Brings Debian's Chromium for the browser tests, where it is missing and may be installed.
# Where it may not, the tests that need it are skipped by name.
if command -v chromium >/dev/null 2>&1; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Chromium is missing and there is no apt-get: the browser tests will be skipped." >&2
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "Chromium is missing and may not be installed by this user: the browser tests will be" \
        "skipped. Install it: sudo apt-get install chromium" >&2
    exit 0
fi
echo "Installing Debian's chromium for the browser tests ..." >&2
if ! { $as_root apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends \
        chromium fonts-dejavu-core >/dev/null; }; then
    echo "Chromium could not be installed: the browser tests will be skipped." >&2
fi
exit 0
