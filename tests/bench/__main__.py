"""``python -m tests.bench [names]``: print tables of what things cost; nothing is asserted.

Machines differ and drift, so every table has yardsticks measured in the same run, and the ratio is what
counts.
"""

import argparse
import importlib
import os
import platform

NAMES = (
    "startup",
    "store",
    "encryption",
    "http",
    "lists",
    "layers",
    "custom",
    "versions",
    "cel",
    "pods",
    "scheduling",
    "fleet",
    "caches",
)


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all without")
    wanted = parser.parse_args().names or NAMES
    unknown = set(wanted).difference(NAMES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{python}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in wanted:
        print()
        importlib.import_module(f"tests.bench.{name}").run()


if __name__ == "__main__":
    main()
