"""Cuts a tool's result by declared rules: fields, rows, bytes. What was cut is said in `_meta` and in a last text.

Pure. This saves a model's attention and does not protect what is cut: whoever may call the tool elsewhere sees it all.
Even so, nothing slips by: with `keep`, what is no JSON is left out, because no rule names it.

Where a result has structured content, its texts say the same once more (MCP 2025-11-25, server/tools), so they are
written anew from what is left of it. A tool's own failure is cut by bytes alone.
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tallystick.registry import toolset as nouns
from tallystick.toolsets.trimming.prune import Count, drop, elements, first_rows, keep, members

TRIMMED: Final = "tallystick.dev/trimmed"
"""In `_meta` of a result: what was cut, as a list of {rule, kept, of}, with the `path` of rows."""


class _Mark(NamedTuple):
    rule: str
    kept: int
    of: int
    path: str = ""

    def told(self) -> dict[str, object]:
        path: dict[str, object] = {"path": self.path} if self.path else {}
        return {"rule": self.rule, **path, "kept": self.kept, "of": self.of}

    def __str__(self) -> str:
        unit = {"fields": "fields", "rows": "rows", "bytes": "bytes", "content": "parts"}[self.rule]
        return f"{self.kept} of {self.of} {unit}" + (f" of {self.path}" if self.path else "")


def trim_result(payload: bytes, trim: nouns.Trim, *, failed: bool) -> bytes:
    """Return a CallToolResult (JSON) as `trim` leaves it: the same bytes where nothing is cut."""
    try:
        return _trimmed(payload, trim, failed=failed)
    except (ValueError, RecursionError):
        # Nothing of it could be judged, so nothing of it is told.
        withheld = _text("[Withheld: the result could not be read, so it could not be trimmed.]")
        told: dict[str, object] = {"resultType": "complete"} if b'"resultType"' in payload else {}
        return _write({**told, "content": [withheld], **({"isError": True} if failed else {})})


def _trimmed(payload: bytes, trim: nouns.Trim, *, failed: bool) -> bytes:
    result = _object(_read(payload.decode()))
    marks: dict[_Mark, None] = {}
    trimmed = result if failed else _shape(result, trim, marks)
    if trim.text_bytes is not None:
        trimmed = _cut(trimmed, trim.text_bytes, marks)
    if not marks:
        return payload
    told = f"[Trimmed by the rules of this toolset: {'; '.join(str(mark) for mark in marks)} are shown.]"
    content = [*_list(trimmed.get("content")), _text(told)]
    meta = {**_object(trimmed.get("_meta")), TRIMMED: [mark.told() for mark in marks]}
    return _write({**trimmed, "content": content, "_meta": meta})


def trim_task(payload: bytes, trim: nouns.Trim) -> bytes:
    """Return the state of a task (JSON) with its `result`, where it has come to one, as `trim` leaves it."""
    try:
        task = _object(_read(payload.decode()))
    except (ValueError, RecursionError):
        return _write({})
    if "result" not in task:
        return payload
    result = _object(task["result"])
    cut = trim_result(_write(result), trim, failed=result.get("isError") is True)
    return _write({**task, "result": _read(cut.decode())})


def _shape(result: dict[str, object], trim: nouns.Trim, marks: dict[_Mark, None]) -> dict[str, object]:
    """Return a result with the fields and rows that are kept."""
    if trim.keep is None and not trim.drop and not trim.rows:
        return result
    parts = _list(result.get("content"))
    structured = result.get("structuredContent")
    if structured is None:
        shaped = [part for old in parts for part in _part(_object(old), trim, marks)]
        return {**result, "content": shaped} if marks else result
    left = _value(structured, trim, marks)
    if trim.keep is not None and not all(_repeats(_object(part), structured) for part in parts):
        marks[_Mark("content", 0, len(parts))] = None
    rest = [part for part in parts if _object(part).get("type") != "text" and trim.keep is None] if marks else parts
    # INVARIANT: what stands beside it may say something else, so it is trimmed by the same rules.
    shaped = [part for old in rest for part in _part(_object(old), trim, marks)]
    if not marks:
        return result
    written = [_text(_write(left).decode())] if rest is not parts else []
    return {**result, "structuredContent": left, "content": [*written, *shaped]}


def _repeats(part: dict[str, object], structured: object) -> bool:
    text = part.get("text")
    return part.get("type") == "text" and isinstance(text, str) and _json(text) == structured


def _part(part: dict[str, object], trim: nouns.Trim, marks: dict[_Mark, None]) -> Iterator[dict[str, object]]:
    """Yield what is left of one part of the content: JSON is trimmed, and what no rule can name is kept or not."""
    holder = _object(part.get("resource")) if part.get("type") == "resource" else part
    text = holder.get("text")
    value = _json(text) if isinstance(text, str) else None
    if value is None:
        if trim.keep is None:
            yield part
        else:
            marks[_Mark("content", 0, 1)] = None
        return
    # INVARIANT: of its own, for what was cut of another part may have the very same counts.
    own: dict[_Mark, None] = {}
    left = _value(value, trim, own)
    if not own:
        yield part
        return
    marks |= own
    changed = {**holder, "text": _write(left).decode()}
    yield changed if holder is part else {**part, "resource": changed}


def _value(value: object, trim: nouns.Trim, marks: dict[_Mark, None]) -> object:
    for rows in trim.rows:
        value = _noted(
            marks, ("rows", _shown(rows.path)), lambda v, c, r=rows: first_rows(v, r.path, r.first, c), value
        )
    if trim.drop:
        value = _noted(marks, ("fields", ""), lambda v, c: drop(v, trim.drop, c), value)
    kept = trim.keep
    if kept is not None:
        value = _noted(marks, ("fields", ""), lambda v, c: keep(v, kept, c), value)
    return value


def _noted(
    marks: dict[_Mark, None], rule: tuple[str, str], cut: Callable[[object, Count], object], value: object
) -> object:
    count = Count()
    left = cut(value, count)
    if count.kept < count.of:
        marks[_Mark(rule[0], count.kept, count.of, rule[1])] = None
    return left


def _cut(result: dict[str, object], at_most: int, marks: dict[_Mark, None]) -> dict[str, object]:
    """Return a result whose texts are `at_most` bytes together. Structured content is kept whole, or not at all."""
    left, of, kept = at_most, 0, 0
    content: list[object] = []
    for part in (_object(old) for old in _list(result.get("content"))):
        holder = _object(part.get("resource")) if part.get("type") == "resource" else part
        text = holder.get("text")
        if not isinstance(text, str):
            content.append(part)
            continue
        raw = text.encode("utf-8", "surrogatepass")
        shown = raw[:left].decode("utf-8", "ignore")
        size = len(raw) if len(raw) <= left else len(shown.encode())
        of, kept, left = of + len(raw), kept + size, left - min(left, len(raw))
        if size == len(raw):
            content.append(part)
        elif shown:
            cut = {**holder, "text": shown}
            content.append(cut if holder is part else {**part, "resource": cut})
    changed = result
    if kept < of:
        marks[_Mark("bytes", kept, of)] = None
        changed = {**result, "content": content}
    size = len(_write(result["structuredContent"])) if "structuredContent" in result else 0
    if size > at_most:
        marks[_Mark("bytes", 0, size, "structuredContent")] = None
        changed = {name: value for name, value in changed.items() if name != "structuredContent"}
    return changed


def _shown(path: nouns.Path) -> str:
    return "$" + "".join("[*]" if step is None else f".{step}" for step in path)


def _text(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def _json(text: str) -> object:
    """Return the object or array that a text is; None where it is neither."""
    try:
        value = _read(text)
    except (ValueError, RecursionError):
        return None
    return None if members(value) is None and elements(value) is None else value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        msg = "a number beyond all others"
        raise ValueError(msg)
    return number


def _refuse(text: str) -> object:
    msg = f"{text} is no JSON"
    raise ValueError(msg)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) < len(pairs):
        # A rule would be held against one of the two, and a client may read the other.
        msg = "a member is there twice"
        raise ValueError(msg)
    return read


def _read(text: str) -> object:
    return json.loads(text, parse_float=_finite, parse_constant=_refuse, object_pairs_hook=_unique)


def _write(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _object(value: object) -> dict[str, object]:
    return members(value) or {}


def _list(value: object) -> list[object]:
    return elements(value) or []
