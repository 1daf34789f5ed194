"""What a plan says and what applying it did."""

from typing import Literal

import msgspec

from tallystick.remote.messages.resources import Kind


class FieldChange(msgspec.Struct, frozen=True):
    """One field that differs. `path` is a JSON Pointer (RFC 6901) into the document."""

    path: str
    before: object = None
    after: object = None


class Planned(msgspec.Struct, frozen=True):
    """What is to happen to one resource. `conflict`: another owner has it, and it was not to be taken over."""

    action: Literal["create", "change", "remove", "unchanged", "conflict", "drift"]
    kind: Kind
    name: str
    tenant: str = ""
    fields: list[FieldChange] = msgspec.field(default_factory=list[FieldChange])
    note: str = ""


class Plan(msgspec.Struct, frozen=True):
    """Everything that applying would do. `text` is the same for people. `revision`: null where nothing was changed."""

    items: list[Planned]
    text: str = ""
    revision: int | None = None
    dry_run: bool = True


class Exported(msgspec.Struct, frozen=True):
    """Documents as they would be applied again; of secrets only the names."""

    revision: int
    documents: list[dict[str, object]]
