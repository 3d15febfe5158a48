#!/bin/sh
# Names what the installation needs and the machine lacks, with the command that installs it.
# annoy is compiled on installation: it needs Python's headers and a C++ compiler.
python=${PYTHON:-python3}
missing=0

need() { # what is missing, how to get it
    printf 'Missing: %s\n  Install it: %s\n' "$1" "$2" >&2
    missing=1
}

if ! command -v "$python" >/dev/null 2>&1; then
    need "Python 3.11 or newer ('$python' is not a command)" \
        "sudo apt-get install python3 python3-venv python3-dev   (or name another: make PYTHON=python3.12 ...)"
else
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        need "Python 3.11 or newer ('$python' is $("$python" -V 2>&1))" \
            "sudo apt-get install python3.11 python3.11-venv python3.11-dev, then make PYTHON=python3.11 ..."
    fi
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        need "Python's venv module" "sudo apt-get install python3-venv"
    fi
    if ! "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))'; then
        need "Python's headers (Python.h)" "sudo apt-get install python3-dev"
    fi
fi
if ! command -v "${CXX:-g++}" >/dev/null 2>&1 && ! command -v c++ >/dev/null 2>&1; then
    need "a C++ compiler" "sudo apt-get install g++"
fi
exit $missing
