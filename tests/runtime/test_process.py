"""Real processes: what they are given, what they may use, what they say, and that they end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tallystick.runtime import Capped, ServerProcess, start
from tallystick.terms import Reason, Refusal, TallyError

pytestmark = pytest.mark.anyio

BOUND_S = 20.0

ECHO = "import sys\nfor line in sys.stdin: print('echo', line, end='', flush=True)"
FACTS = """
import json, os, resource
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "environment": {k.decode("latin-1"): v.decode("latin-1") for k, v in (
        entry.split(b"=", 1) for entry in open("/proc/self/environ", "rb").read().split(b"\\0") if entry)},
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "memory": resource.getrlimit(resource.RLIMIT_DATA),
    "no_new_privileges": status["NoNewPrivs"],
    "open": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:4],
    "directory": os.getcwd(),
    "group": os.getpgid(0) == os.getpid(),
}), flush=True)
"""


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    """Run on both loops: pipes that break do so differently on each."""
    return "asyncio", {"use_uvloop": bool(request.param)}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a process that will not end politely less time, so that the test is short."""
    monkeypatch.setattr("tallystick.runtime.process.GRACE_S", 0.05)


def _python(code: str, memory_bytes: int = 2 << 30, line_bytes: int = 8 << 20) -> Capped:
    command = (sys.executable, "-u", "-c", code)
    return Capped(command, {}, memory_bytes=memory_bytes, line_bytes=line_bytes)


async def _all_of(server: ServerProcess) -> list[bytes | Refusal]:
    return [line async for line in server.lines()]


async def _first_of(server: ServerProcess) -> bytes:
    async for line in server.lines():
        assert isinstance(line, bytes)
        return line
    message = "the process ended without a line"
    raise AssertionError(message)


async def test_a_process_gets_its_environment_and_its_limits_and_nothing_else(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin", "EMPTY": "", "LINE": "a\nb=c"}
    capped = Capped(
        (sys.executable, "-I", "-c", FACTS), environment, str(tmp_path), memory_bytes=1 << 30, open_files=64
    )
    with anyio.fail_after(BOUND_S):
        async with start(capped) as server:
            facts = json.loads(await _first_of(server))
    assert facts["environment"] == environment
    assert facts["files"] == [64, 64]
    assert facts["core"] == [0, 0]
    assert facts["memory"] == [1 << 30, 1 << 30]
    assert facts["no_new_privileges"].strip() == "1"
    assert facts["open"][:3] == [0, 1, 2]
    assert len(facts["open"]) == 4, "only the directory being listed is open beside the standard streams"
    assert facts["directory"] == str(tmp_path)
    assert facts["group"] is True


async def test_memory_over_the_cap_cannot_be_had() -> None:
    code = "try: bytearray(256 << 20)\nexcept MemoryError: print('refused')"
    with anyio.fail_after(BOUND_S):
        async with start(_python(code, memory_bytes=64 << 20)) as server:
            assert await _first_of(server) == b"refused"


async def test_lines_go_in_and_come_out() -> None:
    with anyio.fail_after(BOUND_S):
        async with start(_python(ECHO)) as server:
            for line in (b"one", b"x" * 300_000, "caf\u00e9".encode()):
                await server.send(line)
                assert await _first_of(server) == b"echo " + line


async def test_lines_are_whole_however_they_are_written_and_blank_ones_are_left_out() -> None:
    code = "import os\nfor piece in (b'a', b'b\\n\\n  \\nc', b'\\nd\\n', b'unfinished'): os.write(1, piece)"
    with anyio.fail_after(BOUND_S):
        async with start(_python(code)) as server:
            assert await _all_of(server) == [b"ab", b"c", b"d"]


@pytest.mark.parametrize("ending", ["", "\\n"], ids=["still open", "whole"])
@pytest.mark.parametrize("length", [101, 300_000])
async def test_a_line_over_the_cap_is_refused_before_it_ends_and_the_next_one_is_read(length: int, ending: str) -> None:
    code = (
        f"import sys\nsys.stdout.write('fits\\n' + 'x' * {length} + '{ending}')\nsys.stdout.flush()\ninput()\n"
        f"print('' if '{ending}' else 'more')\nprint('after')"
    )
    with anyio.fail_after(BOUND_S):
        async with start(_python(code, line_bytes=100)) as server:
            lines: list[bytes | Refusal] = []
            async for line in server.lines():
                lines.append(line)
                if len(lines) == 2:
                    await server.send(b"go on")
    fits, refusal, after = lines
    assert (fits, after) == (b"fits", b"after")
    assert isinstance(refusal, Refusal)
    assert refusal.reasons == (Reason.UPSTREAM_TOO_LARGE,)
    assert refusal.detail == "x" * min(length, 200)


async def test_a_line_of_exactly_the_cap_passes() -> None:
    with anyio.fail_after(BOUND_S):
        async with start(_python("print('x' * 100)", line_bytes=100)) as server:
            assert await _all_of(server) == [b"x" * 100]


async def test_a_command_that_is_not_there_ends_its_output_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with anyio.fail_after(BOUND_S):
        async with start(Capped(("no-such-command-anywhere",), {})) as server:
            assert await _all_of(server) == []
    assert capfd.readouterr().err == "cannot start no-such-command-anywhere: No such file or directory\n"


async def test_a_directory_that_is_not_there_is_broken_machinery() -> None:
    with pytest.raises(TallyError, match="cannot start") as raised:
        async with start(Capped((sys.executable,), {}, "/no/such/directory")):
            pass
    assert raised.value.code == "unavailable"


async def test_sending_to_a_process_that_has_ended_is_told_apart() -> None:
    with anyio.fail_after(BOUND_S):
        async with start(_python("pass")) as server:
            assert await _all_of(server) == []
            with pytest.raises(TallyError) as raised:
                await _send_on(server)
    assert raised.value.code == "upstream"


async def _send_on(server: ServerProcess) -> None:
    for _ in range(1000):  # the pipe may still take a few lines that nobody will read
        await server.send(b"x" * 10_000)


@dataclass(frozen=True, slots=True)
class Lifeline:
    """A pipe that processes hold open as long as they live."""

    path: str
    end: int

    async def let_go(self) -> None:
        """Return when no process holds the pipe any more."""
        await anyio.wait_readable(self.end)
        assert os.read(self.end, 1) == b""


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[Lifeline]:
    """Make a pipe in the file system."""
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield Lifeline(path, end)
    os.close(end)


# Holds the pipe for writing as long as it lives, and ignores every polite request to end.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
holding = os.open(sys.argv[1], os.O_WRONLY)
{then}
print("ready", flush=True)
while True: time.sleep(60)
"""


WITH_CHILD = """
import subprocess
if len(sys.argv) == 2:
    subprocess.Popen([*sys.orig_argv, "grandchild"], stdout=subprocess.PIPE).stdout.readline()
"""


@pytest.mark.usefixtures("impatient")
async def test_at_the_end_the_whole_group_is_gone_even_what_ignores_the_signal(lifeline: Lifeline) -> None:
    command = (sys.executable, "-c", STUBBORN.format(then=WITH_CHILD), lifeline.path)
    with anyio.fail_after(BOUND_S):
        async with start(Capped(command, {})) as server:
            assert await _first_of(server) == b"ready"
        await lifeline.let_go()


async def test_a_grandchild_is_gone_although_its_parent_ended_politely(lifeline: Lifeline) -> None:
    grandchild = (sys.executable, "-c", STUBBORN.format(then=""), lifeline.path)
    code = f"import subprocess, sys\nsubprocess.Popen({grandchild!r}, stdin=subprocess.DEVNULL)\nsys.stdin.read()"
    with anyio.fail_after(BOUND_S):
        async with start(_python(code)) as server:
            assert await _first_of(server) == b"ready"
        await lifeline.let_go()


async def test_a_polite_process_may_finish_when_its_input_ends(tmp_path: Path) -> None:
    last_words = tmp_path / "last-words"
    code = f"import sys\nprint('ready')\nsys.stdin.read()\nopen({str(last_words)!r}, 'w').write('done')"
    with anyio.fail_after(BOUND_S):
        async with start(_python(code)) as server:
            assert await _first_of(server) == b"ready"
    assert last_words.read_text() == "done"


@pytest.mark.usefixtures("impatient")
async def test_a_cancelled_gateway_still_reaps_its_servers() -> None:
    groups: list[int] = []
    with anyio.fail_after(BOUND_S), anyio.CancelScope() as scope:
        async with start(_python("print('ready')\nimport time\nwhile True: time.sleep(60)")) as server:
            groups.append(server.pid)
            assert await _first_of(server) == b"ready"
            scope.cancel()
            await anyio.sleep_forever()
    with pytest.raises(ProcessLookupError):
        os.killpg(groups[0], 0)


GATEWAY = """
import anyio, sys
from tallystick.runtime import Capped, start
async def main():
    async with start(Capped((sys.executable, "-c", sys.argv[1], sys.argv[2]), {})) as server:
        async for line in server.lines():
            print(line.decode(), flush=True)
anyio.run(main)
"""


async def test_a_killed_gateway_takes_its_servers_with_it(lifeline: Lifeline) -> None:
    command = [sys.executable, "-c", GATEWAY, STUBBORN.format(then=""), lifeline.path]
    with anyio.fail_after(BOUND_S):
        async with await anyio.open_process(command, stdin=subprocess.DEVNULL, stderr=None) as gateway:
            assert gateway.stdout is not None
            assert await BufferedByteReceiveStream(gateway.stdout).receive_until(b"\n", 99) == b"ready"
            gateway.send_signal(signal.SIGKILL)
            await lifeline.let_go()
