"""One compiler per process: what control state is judged by and what the gateway serves come from the same one."""

import gc
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from threading import Lock

from tallystick.settings import Problem
from tallystick.snapshot import Compiler, Document, Snapshot


class Compiling:
    """Compiles control state together with what only this machine has (`local`: its sinks). Safe between threads.

    `fits` tells what stands against serving a snapshot that compiles.
    """

    def __init__(self, fits: Callable[[Snapshot], tuple[Problem, ...]]) -> None:
        """Start without local documents."""
        self._compiler = Compiler()
        self._fits = fits
        self._lock = Lock()
        self.local: Mapping[str, Document] = {}

    def compile(self, documents: Mapping[str, Document]) -> Snapshot | tuple[Problem, ...]:
        """Return the snapshot, or every problem."""
        with self._lock, unswept():
            return self._compiler.compile({**documents, **self.local})

    def judge(self, documents: Mapping[str, Document]) -> tuple[Problem, ...]:
        """Return every problem of a candidate; none where it can be served."""
        compiled = self.compile(documents)
        return compiled if isinstance(compiled, tuple) else self._fits(compiled)


@contextmanager
def unswept() -> Generator[None]:
    """Keep the collector of cycles from looking while a state is compiled: nearly all that is made then stays."""
    # Measured at 500 servers with 20 tools: 2.1 s of CPU with it, 1.7 without.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
