"""Setting up: a folder of its own, the configuration copied into it, ports, and who else's servers can run here."""

import fcntl
import json
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tallystick_demo_bank import config_directory
from tallystick_demo_bank.demo.model import DemoError, Say

MARK = ".tallystick-demo"
DEFAULT_PORTS = (8765, 8701, 8702, 8766)
_NODE_SERVERS = {"filesystem": "server-filesystem", "everything": "server-everything"}
_WELCOME = "Welcome to the shared folder of the demo bank.\n"


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on the loopback address."""

    gateway: int
    core_banking: int
    risk_database: int
    console: int


@dataclass(frozen=True, slots=True)
class Installation:
    """The folder of one demo and what is in it. `skipped`: server -> why it is left out."""

    folder: Path
    ports: Ports
    repository: Path | None
    skipped: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def config(self) -> Path:
        """The configuration directory."""
        return self.folder / "config"

    @property
    def state(self) -> Path:
        """The gateway's state directory: keys and the record."""
        return self.folder / "state"

    @property
    def shared(self) -> Path:
        """The folder that the filesystem server offers."""
        return self.folder / "shared"

    @property
    def gateway(self) -> str:
        """The gateway's URL."""
        return f"http://127.0.0.1:{self.ports.gateway}"

    @property
    def log(self) -> Path:
        """The directory of the bank's log: its tiles, checkpoint and public key."""
        years = sorted((self.state / "audit" / "demo-bank").glob("[0-9]*"))
        return years[-1] if years else self.state / "audit" / "demo-bank"

    def database(self, server: str) -> Path:
        """The SQLite file of one of the bank's servers."""
        return self.folder / "bank" / f"{server}.sqlite"

    def logs(self, program: str) -> Path:
        """Where the output of a process goes."""
        return self.folder / "output" / f"{program}.log"


@contextmanager
def claimed(folder: Path) -> Generator[None]:
    """Hold a demo folder for this process alone; only a new, an empty or an earlier demo's folder is taken."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).exists())):
        message = f"{folder} exists and is not a demo's folder. Give another one: --dir <folder>"
        raise DemoError(message)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARK).open("a") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another demo is running in {folder}. End it first, or give another folder"
            raise DemoError(message) from None
        yield


def clear(folder: Path, *, keep: bool, say: Say) -> None:
    """Take an earlier run out of a claimed folder: removed, or with `keep` moved aside."""
    earlier = [path for path in folder.iterdir() if path.name != MARK]
    if not earlier:
        return
    if keep:
        aside = next(path for n in range(1, 10_000) if not (path := folder.with_name(f"{folder.name}.{n}")).exists())
        aside.mkdir()
        (aside / MARK).touch()
        for path in earlier:
            path.rename(aside / path.name)
        say(f"the earlier run is kept in {aside}")
        return
    for path in earlier:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    say(f"the earlier run in {folder} is replaced (--keep moves it aside)")


def free_ports() -> Ports:
    """Return ports that are free now, below those that the kernel gives to outgoing connections."""
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 200):
        if _is_free(port):
            found.append(port)
        if len(found) == len(DEFAULT_PORTS):
            return Ports(*found)
    message = "there are no free TCP ports between 20000 and 32000 on 127.0.0.1"
    raise DemoError(message)


def default_ports() -> Ports:
    """Return the ports that the configuration names; raises DemoError when one is taken."""
    for port in DEFAULT_PORTS:
        if not _is_free(port):
            message = f"port {port} on 127.0.0.1 is in use. End what listens there (another `tally up`?) and try again"
            raise DemoError(message)
    return Ports(*DEFAULT_PORTS)


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def prepare(folder: Path, ports: Ports) -> Installation:
    """Write the configuration anew; the state, the bank's data and shared files of an earlier start stay."""
    folder = folder.resolve()
    config = folder / "config"
    shutil.rmtree(config, ignore_errors=True)
    shutil.copytree(config_directory(), config)
    for part in ("state", "bank", "output", "shared"):
        (folder / part).mkdir(exist_ok=True)
    installation = Installation(folder, ports, _repository(folder))
    _write_urls(installation)
    _write_commands(installation)
    _add_node(installation)
    return installation


def checkout() -> Path | None:
    """Return the source checkout that this package runs from, or None for an installed wheel."""
    root = Path(__file__).resolve().parents[4]
    return root if (root / "examples" / "npm" / "package.json").exists() else None


def put_policy(file: Path, text: str | None) -> None:
    """Add a policy file to a configuration that is being served, or remove it where `text` is None."""
    if text is None:
        file.unlink(missing_ok=True)
        return
    # Renamed into place: the gateway never sees half of it.
    unfinished = file.with_suffix(".new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.rename(file)


def _write_urls(made: Installation) -> None:
    config, ports = made.config, made.ports
    _replace(config / "tally.yaml", "listen_port: 8765", f"listen_port: {ports.gateway}")
    _replace(config / "tally.yaml", "http://127.0.0.1:8765", made.gateway)
    # The name of the log must not change with the port: `tally up` continues the record that `tally demo` began.
    with (config / "tally.yaml").open("a", encoding="utf-8") as file:
        file.write("audit:\n  origin_host: demo-bank.example\n")
        file.write(f"console:\n  listen_port: {ports.console}\n")
    _replace(config / "issuers" / "development.yaml", "http://127.0.0.1:8765", made.gateway)
    _replace(config / "servers" / "core-banking.yaml", "127.0.0.1:8701", f"127.0.0.1:{ports.core_banking}")
    _replace(config / "servers" / "risk-database.yaml", "127.0.0.1:8702", f"127.0.0.1:{ports.risk_database}")


def _write_commands(made: Installation) -> None:
    tickets = ["-m", "tallystick_demo_bank.ticketing", "--stdio", "--db", str(made.database("ticketing"))]
    _command(made.config / "servers" / "ticketing.yaml", [sys.executable, *tickets])
    _command(made.config / "servers" / "time.yaml", [sys.executable, "-m", "mcp_server_time", "--local-timezone=UTC"])
    if made.repository is not None:
        repository = ["--repository", str(made.repository)]
        _command(made.config / "servers" / "git.yaml", [sys.executable, "-m", "mcp_server_git", *repository])
        return
    (made.config / "servers" / "git.yaml").unlink()
    _replace(made.config / "policies" / "everyone.cedar", ' || resource in Server::"git"', "")
    made.skipped["git"] = "git is not installed"


def _add_node(made: Installation) -> None:
    node, modules = shutil.which("node"), _node_modules()
    if node is None or modules is None:
        reason = "Node.js is not installed" if node is None else "its packages are not in var/npm (`make npm`)"
        made.skipped.update(dict.fromkeys(_NODE_SERVERS, reason))
        return
    shutil.copytree(config_directory(node=True), made.config, dirs_exist_ok=True)
    (made.shared / "welcome.txt").write_text(_WELCOME, encoding="utf-8")
    for server, package in _NODE_SERVERS.items():
        script = modules / "@modelcontextprotocol" / package / "dist" / "index.js"
        last = str(made.shared) if server == "filesystem" else "stdio"
        _command(made.config / "servers" / f"{server}.yaml", [node, str(script), last])


def _node_modules() -> Path | None:
    roots = [Path.cwd(), *([root] if (root := checkout()) else [])]
    found = [root / "var" / "npm" / "node_modules" for root in roots]
    return next((path for path in found if (path / "@modelcontextprotocol").is_dir()), None)


def _repository(folder: Path) -> Path | None:
    """Return a repository with a commit in it: the checkout, or a new one in the demo's folder; None without git."""
    git = shutil.which("git")
    if git is None:
        return None
    root = checkout()
    if root is not None and _git(git, root, "rev-parse", "--verify", "HEAD"):
        return root
    made = folder / "repository"
    if not made.exists():
        made.mkdir()
        (made / "README.md").write_text("A repository for the demo.\n", encoding="utf-8")
        author = ("-c", "user.name=Demo Bank", "-c", "user.email=it-desk@demo-bank.example")
        begun = _git(git, made, "init", "-q") and _git(git, made, "add", ".")
        if not (begun and _git(git, made, *author, "commit", "-q", "-m", "Begin")):
            message = f"git cannot make a repository in {made}"
            raise DemoError(message)
    return made


def _git(git: str, where: Path, *arguments: str) -> bool:
    # The environment that the server will have: what works here with a personal configuration might not work there.
    command = [git, "-C", str(where), *arguments]
    return subprocess.run(command, env={"PATH": os.defpath}, capture_output=True, check=False).returncode == 0  # noqa: S603 - git, found on the PATH


def _command(file: Path, command: list[str]) -> None:
    lines = file.read_text("utf-8").splitlines()
    written = [f"    command: {json.dumps(command)}" if line.startswith("    command:") else line for line in lines]
    file.write_text("\n".join(written) + "\n", encoding="utf-8")


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    if old not in text:
        message = f"{file} does not contain {old!r}: the demo's configuration and its driver are of different versions"
        raise DemoError(message)
    file.write_text(text.replace(old, new), encoding="utf-8")
