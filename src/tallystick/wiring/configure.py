"""Where things are, and the pieces that only the first run needs: the development issuer and its tokens."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tallystick import settings as settings_room
from tallystick.audit import client
from tallystick.identity.issuer_dev import Agent, DevelopmentIssuer, Person
from tallystick.settings import Problem, Settings
from tallystick.snapshot import Snapshot, compile_snapshot
from tallystick.terms import TallyError
from tallystick.wiring.compose import clock
from tallystick.wiring.keys import secret
from tallystick.wiring.worker import writer_flags

PEOPLE: Final = "development-people.yaml"
"""The file whose presence asks for the embedded development issuer."""

ISSUER_PATH: Final = "/development-issuer"
"""Where the embedded development issuer is served, below the gateway's URL."""


@dataclass(frozen=True, slots=True)
class Places:
    """The configuration directory and the state directory of one installation."""

    config: Path
    state: Path

    def order(self, fields: Mapping[str, object]) -> Mapping[str, object]:
        """Give an order to the writer of the record: the running one, or one that is started for it as configured.

        Raises `TallyError` with what the writer said, or for a configuration that is wrong.
        """
        flags = writer_flags(settings_of(read(self.config)).audit) if self.config.is_dir() else []
        return client.order(self.state, fields, flags)

    def key_settings(self) -> Mapping[str, object]:
        """Return `audit.keys` of the configuration, as an order takes them; raises `TallyError`."""
        return asdict(settings_of(read(self.config)).audit.keys)


def look(config: Path) -> Mapping[str, bytes] | tuple[Problem, ...]:
    """Return the files of a configuration directory that make a snapshot, or what is wrong with the directory."""
    files = settings_room.read_directory(config)
    return files if isinstance(files, tuple) else {name: raw for name, raw in files.items() if name != PEOPLE}


def read(config: Path) -> Mapping[str, bytes]:
    """Return what `look` finds, or raise `TallyError` ("invalid") with every problem."""
    files = look(config)
    if isinstance(files, tuple):
        raise TallyError(code="invalid", message=told(files))
    return files


def check(config: Path) -> Snapshot:
    """Compile a configuration and return it; raises `TallyError` ("invalid") naming every problem.

    What is read at the start only (process settings, the people of the development issuer) is judged too.
    """
    files = read(config)
    settings_of(files)
    _listed(config)
    compiled = compile_snapshot(files)
    if isinstance(compiled, Snapshot):
        return compiled
    raise TallyError(code="invalid", message=told(compiled))


def development_issuer(places: Places, url: str) -> DevelopmentIssuer | None:
    """Return the embedded DEVELOPMENT issuer below `url`, where `development-people.yaml` asks for it, else None.

    Raises `TallyError` ("invalid") when the file is wrong or `url` is not on loopback.
    """
    listed = _listed(places.config)
    if listed is None:
        return None
    people = [Person(*described) for described in listed["people"]]
    agents = [_agent(described, places.state) for described in listed["agents"]]
    return DevelopmentIssuer(url + ISSUER_PATH, _key_of(places), people, agents, clock)


def _key_of(places: Places) -> Path:
    return places.state / "keys" / "development-issuer.key"


_Described = tuple[str, str, tuple[str, ...]]
"""Subject, title and groups of somebody."""


def _listed(config: Path) -> dict[str, list[_Described]] | None:
    """Return who is in `development-people.yaml`; None where there is no such file."""
    file = config / PEOPLE
    if not file.exists():
        return None
    document = settings_room.parse_document(PEOPLE, file.read_bytes())
    if isinstance(document, settings_room.Problem):
        raise TallyError(code="invalid", message=str(document))
    problems: list[Problem] = []
    listed = settings_room.Section(PEOPLE, document, problems)
    found = {kind: [_described(entry) for entry in listed.listed(kind)] for kind in ("people", "agents")}
    listed.close()
    if problems:
        raise TallyError(code="invalid", message=told(tuple(problems)))
    return found


def _agent(described: _Described, state: Path) -> Agent:
    subject, title, groups = described
    kept = secret(state / "keys" / f"development-agent-{subject}.key").hex()
    return Agent(subject, kept, title, groups)


def _described(entry: settings_room.Section) -> _Described:
    subject = entry.text("subject", pattern="[a-z0-9][a-z0-9.-]{0,62}")
    title, groups = entry.text("title", entry.text("name", "")), entry.texts("groups")
    entry.close()
    return subject, title, groups


def token_for(places: Places, person: str, url: str | None = None, audience: str | None = None) -> str:
    """Return an access token of the DEVELOPMENT issuer for the whole gateway; `url` is its public URL.

    With `audience` the token is for that instead: the console's public URL. The issuer is the gateway's all the same.
    Raises `TallyError` where there is no such issuer or person.
    """
    settings = settings_of(read(places.config))
    public_url = url or settings.gateway.public_url
    if _listed(places.config) is not None and not _key_of(places).exists():
        message = (
            f"no gateway with a development issuer ever ran with state directory {places.state}, so none would take "
            "this token. Name the state directory of yours with --state, or start it first."
        )
        raise TallyError(code="not_found", message=message)
    issuer = development_issuer(places, public_url)
    if issuer is None:
        message = (
            f"there is no {PEOPLE} in {places.config}, so no development issuer. Get a token from your own issuer."
        )
        raise TallyError(code="not_found", message=message)
    return issuer.mint(person, audience or public_url)


def settings_of(files: Mapping[str, bytes]) -> Settings:
    """Return the process settings, or raise `TallyError` ("invalid") naming every problem."""
    parsed = settings_room.parse_settings(files)
    if isinstance(parsed, Settings):
        return parsed
    raise TallyError(code="invalid", message=told(parsed))


def told(problems: tuple[Problem, ...]) -> str:
    """Return problems as text, one on a line."""
    return "\n".join(str(problem) for problem in problems)
