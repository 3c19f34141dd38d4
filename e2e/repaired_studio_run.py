"""`studio run`, with the two faults of the released runner repaired that keep a documented option from working at all.

test_client.py shows each fault with its error; README.md lists them. Nothing else of the client is touched.
"""

import argparse
import functools
import sys

from studio import runner
from studio.artifacts.artifact import Artifact


def repair_rerun():
    """A rerun sets art['mutable'], as when artifacts were dictionaries."""
    def set_item(artifact, name, value):
        assert name == "mutable"
        artifact.is_mutable = value
    Artifact.__setitem__ = set_item


def repair_python_pkg(args: list[str]):
    """--python-pkg is parsed and not passed on."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--python-pkg", action="append", default=[])
    runner.submit_experiments = functools.partial(runner.submit_experiments, python_pkg=parser.parse_known_args(args)[0].python_pkg)


if __name__ == "__main__":
    repair_rerun()
    repair_python_pkg(sys.argv[1:])
    runner.main(sys.argv[1:])
