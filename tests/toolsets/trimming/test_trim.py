"""A result is cut by fields, rows and bytes, says so, and holds nothing that its rules leave out."""

import json
import random

import msgspec
import pytest

from tallystick.registry.toolset import Rows, Trim
from tallystick.toolsets import trim_result, trim_task

Json = dict[str, object]
TRIMMED = "tallystick.dev/trimmed"

ACCOUNTS: Json = {
    "accounts": [{"id": n, "iban": f"CH{n}", "owner": {"name": "ada", "born": 1815}} for n in range(5)],
    "total": 5,
}
DROP_IBAN = Trim(drop=(("accounts", None, "iban"),))
KEEP_ID = Trim(keep=(("accounts", None, "id"),))
TWO_ROWS = Trim(rows=(Rows(("accounts",), 2),))


def _result(structured: Json | None, *texts: str, **members: object) -> bytes:
    content = [{"type": "text", "text": text} for text in texts]
    given: Json = {} if structured is None else {"structuredContent": structured}
    return json.dumps({"content": content, **given, **members}).encode()


def _cut(payload: bytes, trim: Trim, *, failed: bool = False) -> Json:
    return msgspec.json.decode(trim_result(payload, trim, failed=failed), type=Json)


def _texts(result: Json) -> list[str]:
    return [str(part["text"]) for part in msgspec.convert(result["content"], list[Json]) if part["type"] == "text"]


def _marks(result: Json) -> object:
    return msgspec.convert(result["_meta"], Json)[TRIMMED]


def test_dropped_fields_are_in_neither_form_of_the_result() -> None:
    result = _cut(_result(ACCOUNTS, json.dumps(ACCOUNTS)), DROP_IBAN)
    assert "CH" not in json.dumps(result)
    assert json.loads(_texts(result)[0]) == result["structuredContent"]
    assert _marks(result) == [{"rule": "fields", "kept": 12, "of": 17}]
    assert _texts(result)[-1] == "[Trimmed by the rules of this toolset: 12 of 17 fields are shown.]"


def test_kept_fields_are_all_there_is() -> None:
    result = _cut(_result(ACCOUNTS, json.dumps(ACCOUNTS)), KEEP_ID)
    assert result["structuredContent"] == {"accounts": [{"id": n} for n in range(5)]}
    assert json.loads(_texts(result)[0]) == result["structuredContent"]


def test_the_first_rows_are_kept_and_the_rest_is_counted() -> None:
    result = _cut(_result(ACCOUNTS, json.dumps(ACCOUNTS)), TWO_ROWS)
    left = msgspec.convert(result["structuredContent"], Json)
    assert left == {**ACCOUNTS, "accounts": msgspec.convert(ACCOUNTS["accounts"], list[Json])[:2]}
    assert _marks(result) == [{"rule": "rows", "path": "$.accounts", "kept": 2, "of": 5}]
    assert _texts(result)[-1] == "[Trimmed by the rules of this toolset: 2 of 5 rows of $.accounts are shown.]"


def test_json_in_a_text_is_cut_where_nothing_is_structured() -> None:
    result = _cut(_result(None, json.dumps(ACCOUNTS), "Good morning"), Trim(drop=(("accounts",),)))
    assert _texts(result)[:2] == ['{"total":5}', "Good morning"]
    assert "structuredContent" not in result


def test_rows_of_a_bare_array_and_of_arrays_in_arrays_are_cut() -> None:
    assert json.loads(_texts(_cut(_result(None, "[1, 2, 3]"), Trim(rows=(Rows((), 2),))))[0]) == [1, 2]
    nested = json.dumps({"pages": [{"rows": [1, 2, 3]}, {"rows": [4]}]})
    result = _cut(_result(None, nested), Trim(rows=(Rows(("pages", None, "rows"), 1),)))
    assert json.loads(_texts(result)[0]) == {"pages": [{"rows": [1]}, {"rows": [4]}]}
    assert _marks(result) == [{"rule": "rows", "path": "$.pages[*].rows", "kept": 2, "of": 4}]


def test_a_text_that_repeats_structured_content_in_its_own_words_is_written_anew() -> None:
    # The official SDK writes one text for each element of a list.
    rows: list[object] = [{"id": n, "iban": f"CH{n}"} for n in range(3)]
    payload = _result({"result": rows}, *[json.dumps(row) for row in rows])
    result = _cut(payload, Trim(drop=(("result", None, "iban"),)))
    assert "CH" not in json.dumps(result)
    assert json.loads(_texts(result)[0]) == result["structuredContent"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "IBAN CH0"},
        {"type": "image", "data": "Q0gw", "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "x://y", "text": "CH0"}},
        {"type": "resource_link", "uri": "x://CH0", "name": "CH0"},
    ],
)
@pytest.mark.parametrize("structured", [None, {"accounts": [{"id": 1}]}])
def test_what_no_rule_can_name_is_not_kept(part: Json, structured: Json | None) -> None:
    given: Json = {} if structured is None else {"structuredContent": structured}
    result = _cut(json.dumps({"content": [part], **given}).encode(), KEEP_ID)
    assert "CH0" not in json.dumps(result["content"])
    assert _marks(result)


def test_json_in_an_embedded_resource_is_cut_too() -> None:
    held = {"type": "resource", "resource": {"uri": "x://y", "text": json.dumps(ACCOUNTS)}}
    result = _cut(json.dumps({"content": [held]}).encode(), DROP_IBAN)
    assert "CH" not in json.dumps(result)


def test_texts_are_cut_together_on_the_border_of_a_character() -> None:
    result = _cut(_result(None, "naïve", "more", "last"), Trim(text_bytes=3))
    assert _texts(result) == ["na", "[Trimmed by the rules of this toolset: 2 of 14 bytes are shown.]"]
    assert _marks(result) == [{"rule": "bytes", "kept": 2, "of": 14}]
    assert _texts(_cut(_result(None, "naïve", "more"), Trim(text_bytes=8)))[:2] == ["naïve", "mo"]


def test_structured_content_is_whole_or_not_there() -> None:
    result = _cut(_result({"text": "x" * 100}, "short"), Trim(text_bytes=50))
    assert "structuredContent" not in result
    assert _texts(result)[0] == "short"
    assert _marks(result) == [{"rule": "bytes", "path": "structuredContent", "kept": 0, "of": 111}]


def test_bytes_count_what_fields_and_rows_have_left() -> None:
    trim = Trim(rows=(Rows(("accounts",), 1),), text_bytes=4_096)
    assert len(msgspec.convert(_marks(_cut(_result(ACCOUNTS, json.dumps(ACCOUNTS)), trim)), list[Json])) == 1


def test_a_failure_is_told_in_full_but_for_its_length() -> None:
    payload = _result(None, json.dumps(ACCOUNTS), isError=True)
    assert trim_result(payload, DROP_IBAN, failed=True) == payload
    assert trim_result(payload, KEEP_ID, failed=True) == payload
    assert _texts(_cut(payload, Trim(text_bytes=10), failed=True))[0] == json.dumps(ACCOUNTS)[:10]


@pytest.mark.parametrize("trim", [DROP_IBAN, TWO_ROWS, Trim(text_bytes=1_000)])
def test_a_result_that_fits_passes_byte_by_byte(trim: Trim) -> None:
    payload = b'{ "content" : [ {"type":"text","text":"{\\"a\\": 1.10}"} ], "structuredContent": {"a": 1.10} }'
    assert trim_result(payload, trim, failed=False) == payload


def test_other_members_and_meta_stay() -> None:
    result = _cut(_result(ACCOUNTS, "x", _meta={"a": 1}, resultType="complete", other=[1]), DROP_IBAN)
    assert (result["resultType"], result["other"], msgspec.convert(result["_meta"], Json)["a"]) == ("complete", [1], 1)


@pytest.mark.parametrize("payload", [b'{"content": [NaN]}', b'{"structuredContent": {"a": 1e999}}', b"[" * 100_000])
def test_a_result_that_cannot_be_read_is_withheld(payload: bytes) -> None:
    assert "Withheld" in _texts(_cut(payload, DROP_IBAN))[0]


def test_the_result_inside_of_a_task_is_cut_as_any_other() -> None:
    whole = msgspec.json.decode(_result(ACCOUNTS, json.dumps(ACCOUNTS)), type=Json)
    task = json.dumps({"taskId": "t", "status": "completed", "result": whole}).encode()
    cut = msgspec.json.decode(trim_task(task, DROP_IBAN), type=Json)
    assert "CH" not in json.dumps(cut)
    assert (cut["taskId"], cut["status"]) == ("t", "completed")
    working = b'{"taskId": "t", "status": "working"}'
    assert trim_task(working, DROP_IBAN) == working


def _value(dice: random.Random, depth: int) -> object:
    kind = dice.random()
    if depth == 0 or kind < 0.3:
        return dice.choice([1, "secret", None, True, 1.5])
    if kind < 0.6:
        return [_value(dice, depth - 1) for _ in range(dice.randint(0, 3))]
    return {dice.choice(["a", "b", "pin"]): _value(dice, depth - 1) for _ in range(3)}


def _leaves(value: object, path: tuple[str | None, ...] = ()) -> list[tuple[tuple[str | None, ...], object]]:
    if isinstance(value, dict):
        members = msgspec.convert(value, Json)
        return [leaf for name, part in members.items() for leaf in _leaves(part, (*path, name))]
    if isinstance(value, list):
        return [leaf for part in msgspec.convert(value, list[object]) for leaf in _leaves(part, (*path, None))]
    return [(path, value)]


def test_no_leaf_that_the_rules_leave_out_is_ever_left() -> None:
    dice = random.Random(20261121)  # noqa: S311 - the same values each time
    for _ in range(300):
        value: Json = {"a": _value(dice, 4), "b": _value(dice, 4)}
        leaves = _leaves(value)
        if not leaves:
            continue
        paths = tuple(dice.choice(leaves)[0][: dice.randint(1, 4)] for _ in range(2))
        dropped = msgspec.convert(
            _cut(_result(value, json.dumps(value)), Trim(drop=paths)).get("structuredContent"), Json
        )
        assert not any(leaf[: len(path)] == path for leaf, _ in _leaves(dropped) for path in paths)
        kept = msgspec.convert(_cut(_result(value, json.dumps(value)), Trim(keep=paths))["structuredContent"], Json)
        assert all(any(leaf[: len(path)] == path for path in paths) for leaf, _ in _leaves(kept))
        expected = [leaf for leaf in leaves if any(leaf[0][: len(path)] == path for path in paths)]
        assert _leaves(kept) == expected


@pytest.mark.parametrize("structured", [{}, {"total": 5}])
def test_texts_that_say_more_than_the_structured_content_are_trimmed_too(structured: Json) -> None:
    result = _cut(_result(structured, json.dumps(ACCOUNTS)), DROP_IBAN)
    assert "CH" not in json.dumps(result)
    assert result["structuredContent"] == structured


def test_a_resource_beside_structured_content_is_trimmed_too() -> None:
    resource = {"type": "resource", "resource": {"uri": "bank://a", "text": json.dumps(ACCOUNTS)}}
    payload = json.dumps({"content": [resource], "structuredContent": ACCOUNTS}).encode()
    result = _cut(payload, DROP_IBAN)
    assert "CH" not in json.dumps(result)
    assert "bank://a" in json.dumps(result)


def test_a_member_that_is_there_twice_hides_nothing_from_a_rule() -> None:
    twice = b'{"content":[],"structuredContent":{"iban":"CH1"},"structuredContent":{}}'
    assert b"CH1" not in trim_result(twice, Trim(drop=(("iban",),)), failed=False)
    text = json.dumps({"content": [{"type": "text", "text": '{"id":"CH1","id":{"n":1}}'}]}).encode()
    assert b"CH1" not in trim_result(text, Trim(keep=(("id", "n"),)), failed=False)


def test_a_result_too_deep_to_be_cut_is_withheld() -> None:
    levels = 450
    payload = b'{"content":[],"structuredContent":' + b'{"a":[' * levels + b'"CH1"' + b"]}" * levels + b"}"
    path = ("a", None) * (levels - 1)
    assert b"CH1" not in trim_result(payload, Trim(drop=((*path, "b"),)), failed=False)


def test_each_of_several_texts_of_one_shape_is_trimmed() -> None:
    rows: list[Json] = [{"id": n, "iban": f"CH{n}"} for n in range(3)]
    result = _cut(_result(None, *map(json.dumps, rows)), Trim(drop=(("iban",),)))
    assert "CH" not in json.dumps(result)
    assert [json.loads(text) for text in _texts(result)[:3]] == [{"id": n} for n in range(3)]


@pytest.mark.parametrize("failed", [True, False])
def test_what_is_withheld_is_still_the_kind_of_result_that_it_was(failed: bool) -> None:  # noqa: FBT001 - a case
    payload = b'{"resultType":"complete","isError":true,"isError":true,"content":[]}'
    result = _cut(payload, DROP_IBAN, failed=failed)
    assert (result["resultType"], result.get("isError", False)) == ("complete", failed)
