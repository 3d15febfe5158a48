"""Every benchmark, one after the other, each in a process of its own.

``python -m benchmarks.all [--json] [--size PART] [--rounds N]``; with ``--json`` one document a
benchmark. Ends with an error where a benchmark does, not where a target is missed: what was
reached is for reading.
"""

from __future__ import annotations

import subprocess
import sys

NAMES = ("neighbours", "coincidence", "projection", "similarity", "embedding", "occlusion")


def main() -> None:
    """Run them all with the arguments of this command."""
    failed = []
    for name in NAMES:
        sys.stdout.write(f"\nbenchmarks.{name}\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"These benchmarks broke off: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
