"""What is wrong in a configuration, said so that the reader can mend it without asking."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault (or, as a notice, one oddity) of a configuration.

    `file` is the path relative to the configuration directory, `field` the dotted place inside it (may be empty),
    `what` what was found, `remedy` what to do about it.
    """

    file: str
    field: str
    what: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.field}" if self.field else self.file
        return f"{place}: {self.what}; {self.remedy}"

    @classmethod
    def unknown(cls, place: tuple[str, str], noun: str, name: str, known: Iterable[str]) -> "Problem":
        """Return the problem "no such <noun>" at `place` = (file, field), naming the nearest of the `known` names."""
        names = sorted(known)
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        if near:
            remedy = f'did you mean "{near[0]}"?'
        elif names:
            remedy = "known: " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")  # noqa: PLR2004 - a readable line
        else:
            remedy = f"there is no {noun} yet"
        return cls(place[0], place[1], f'there is no {noun} "{name}"', remedy)
