"""`python -m fuzz.wire request|reply|events [options of libFuzzer]`: one check, with orjson as a second reader.

Runs in an environment of its own (scripts/fuzz), because a gateway needs neither atheris nor orjson.
"""

import sys

import atheris
import orjson

with atheris.instrument_imports():
    from fuzz import judge


def main() -> None:
    """Fuzz one check until a finding or the end of the options' time."""
    check = judge.CHECKS[sys.argv.pop(1)]
    judge.READERS.append(orjson.loads)
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
