"""Runs the stand-alone verifier on many cases in one fresh interpreter, and prints what it said as JSON.

Started as `python -I -S driver.py LIBRARY VERIFIER [old]`, with the cases (lists of arguments) as JSON on its input.
Nothing can be imported but the standard library and what is in LIBRARY. `old` takes ML-DSA away: an older library has
none.
"""

import contextlib
import importlib.util
import io
import json
import sys

if __name__ == "__main__":
    library, verifier, *old = sys.argv[1:]
    sys.path.append(library)
    found = importlib.util.spec_from_file_location("tally_verify", verifier)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    if old:
        vars(module)["MLDSA44PublicKey"] = None
    told: list[tuple[int, str]] = []
    for arguments in json.load(sys.stdin):
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()):
            try:
                code = module.main(arguments)
            except SystemExit as ended:
                code = ended.code
        told.append((int(code or 0), said.getvalue()))
    json.dump([told, sorted({name.partition(".")[0] for name in sys.modules})], sys.stdout)
