"""Claims of speed and memory, one file each: ``python -m benchmarks.NAME [--json]``."""
