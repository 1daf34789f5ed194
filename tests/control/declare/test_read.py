"""Documents are read strictly, and what is wrong is told by the file, the document and the line."""

import pytest

from tallystick.control import declare
from tallystick.control.model import DIRECTORY, Key, Put
from tallystick.settings import Problem

TENANT = "apiVersion: tallystick.dev/v1\nkind: Tenant\nmetadata: {name: NAME}\nspec: {title: Retail}\n"
SERVER = """apiVersion: tallystick.dev/v1
kind: Server
metadata:
  name: bank
  tenant: retail
  labels: {team: payments}
  annotations: {note: anything}
spec:
  transport: {http: {url: "https://bank.example"}}
"""


def _tenant(name: str) -> str:
    return TENANT.replace("NAME", name)


def _puts(text: str, owner: str = "git:risk") -> tuple[Put, ...]:
    read = declare.read_documents({"all.yaml": text.encode()}, owner)
    puts = tuple(one for one in read if isinstance(one, Put))
    assert len(puts) == len(read), read
    return puts


def _problems(text: str, name: str = "all.yaml") -> list[str]:
    read = declare.read_documents({name: text.encode()})
    assert read
    assert all(isinstance(one, Problem) for one in read), read
    return [str(one) for one in read]


def test_a_stream_holds_several_documents_in_any_order() -> None:
    puts = _puts(f"{SERVER}---\n{_tenant('retail')}")
    assert [put.key for put in puts] == [Key("Tenant", "retail"), Key("Server", "bank")]
    assert puts[1].labels == {"team": "payments"}
    assert (puts[0].tenant, puts[1].tenant, puts[1].owner, puts[1].state) == ("retail", "retail", "git:risk", None)


@pytest.mark.parametrize(
    "text",
    [
        "---\nONE---\nTWO",
        "ONE...\n---\nTWO",
        "# a remark\n---\n# another\nONE---\n---\n# nothing\n---\nTWO---\n",
        "--- # first\nONE--- \nTWO...\n",
        "\r\n---\r\nONE---\r\nTWO",
    ],
)
def test_documents_end_where_yaml_says(text: str) -> None:
    puts = _puts(text.replace("ONE", _tenant("one")).replace("TWO", _tenant("two")))
    assert [put.name for put in puts] == ["one", "two"]


def test_a_marker_inside_of_a_text_is_no_border() -> None:
    text = """apiVersion: tallystick.dev/v1
kind: Policy
metadata: {name: a}
spec:
  cedar: |
    // ---
    --- still the text
    permit(principal, action, resource);
"""
    (put,) = _puts(text)
    assert put.spec["cedar"] == "// ---\n--- still the text\npermit(principal, action, resource);\n"


def test_a_fault_is_told_by_document_and_line() -> None:
    broken = f"{_tenant('one')}---\n{SERVER}  limits: {{timeout_s: 0}}\n---\n{_tenant('two')}titel: x\n"
    second, third = _problems(broken)
    assert second == "all.yaml (document 2, line 5): spec.limits.timeout_s: 0 is out of range; choose 0.1 to 600"
    assert third.startswith('all.yaml (document 3, line 16): titel: there is no setting "titel"')


def test_a_fault_of_yaml_is_told_by_the_line_of_the_file() -> None:
    (told,) = _problems(f"{_tenant('one')}---\nkind: Tenant\nkind: Tenant\n")
    assert told == 'all.yaml: the key "kind" is written twice (line 7, column 1); correct the YAML'


WRONG: list[tuple[str, str]] = [
    (TENANT.replace("tallystick.dev/v1", "v1"), "apiVersion: is of another form; write tallystick.dev/v1"),
    (TENANT.replace("kind: Tenant", "kind: Tenat"), 'there is no kind "Tenat"; did you mean "Tenant"?'),
    (TENANT.replace("kind: Tenant", "kind: ''"), 'there is no kind ""'),
    (TENANT.replace("kind: Tenant\n", ""), "kind: is missing"),
    (TENANT.replace("NAME", "Retail_1"), 'metadata.name: "Retail_1" is not an allowed value'),
    (_tenant("retail").replace("spec: {title: Retail}\n", ""), "spec: is missing"),
    (_tenant("retail").replace("{name: retail}", "{name: retail, tenant: group}"), "is not its own name"),
    (_tenant("retail").replace("{title: Retail}", "{name: other}"), "spec.name: stands in metadata"),
    (SERVER.replace("  tenant: retail\n", ""), "metadata.tenant: is missing"),
    (SERVER.replace("spec:\n", "spec:\n  tenant: retail\n"), "spec.tenant: stands in metadata"),
    (SERVER.replace("payments}", "1}"), "metadata.labels.team: is not a text"),
    (SERVER + "  owners: ada\n", 'spec.owners: there is no setting "owners"; did you mean "owner"?'),
    (f"{_tenant('a')}---\n{_tenant('a')}", "describes tenant/a again, after all.yaml (document 1, line 1)"),
    ("- a list\n", "is not a mapping"),
    ("a: &x 1\nb: *x\n", "aliases are not supported"),
    ("a: !!python/object:os.system {}\n", "could not determine a constructor"),
    ("{" * 200 + "}" * 200, "nested deeper"),
    ("\x00", "correct the YAML"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_refused_with_what_to_do(text: str, message: str) -> None:
    assert message in "\n".join(_problems(text))


def test_too_many_documents_in_one_file_are_refused() -> None:
    assert "more than 10000 documents" in _problems("---\n" * 10_002)[0]


def test_json_and_lists_are_read_too() -> None:
    item = '{"apiVersion": "tallystick.dev/v1", "kind": "Tenant", "metadata": {"name": "NAME"}, "spec": {}}'
    listed = f'{{"apiVersion": "v1", "kind": "List", "items": [{item}]}}'
    files = {"one.json": item.replace("NAME", "one").encode(), "list.json": listed.replace("NAME", "two").encode()}
    assert [put.name for put in declare.read_documents(files) if isinstance(put, Put)] == ["one", "two"]
    problems = declare.read_documents({"list.json": listed.replace("NAME", "Two").encode()})
    assert "list.json (item 1): metadata.name" in str(problems[0])


def test_what_an_answer_says_beside_is_passed_over_when_it_comes_back() -> None:
    told = "metadata: {name: retail, owner: 'git:x', version: 3, revision: 9, created: x, changed: y}"
    text = _tenant("retail").replace("metadata: {name: retail}", told) + "status: {anything: [1]}\n"
    assert _puts(text) == _puts(_tenant("retail"))


@pytest.mark.parametrize(("owner", "state"), [(DIRECTORY, "suspended"), ("git:risk", None), ("", None)])
def test_only_the_directory_says_where_a_server_stands(owner: str, state: str | None) -> None:
    (put,) = _puts(SERVER + "  state: suspended\n", owner)
    assert put.state == state
    assert "state" not in put.spec


def test_a_secrets_value_is_read_and_may_be_left_out() -> None:
    text = "apiVersion: tallystick.dev/v1\nkind: Secret\nmetadata: {name: hook}\nspec: SPEC\n"
    assert _puts(text.replace("SPEC", "{value: s3cret}"))[0].spec == {"value": "s3cret"}
    for without in ("{}", "{value: null}", "{set: true}"):
        assert _puts(text.replace("SPEC", without))[0].spec == {}


def test_a_pin_without_a_server_in_the_directory_is_a_problem() -> None:
    problems = declare.from_directory({"pins/gone.json": b'{"server": "gone"}'})
    assert 'there is no server "gone"' in str(problems[0])


def test_two_documents_of_the_spine_in_one_file_are_refused() -> None:
    problems = declare.from_directory({"tenants/a.yaml": b"title: A\n---\ntitle: B\n"})
    assert "is one of several in a file" in str(problems[0])
    assert "line 2" in str(problems[1])


@pytest.mark.parametrize(
    ("file", "raw", "message"),
    [
        ("tenants/Retail.yaml", b"title: x", "tenants/Retail.yaml: name"),
        ("server/bank.yaml", b"title: x", 'there is no folder "server"; did you mean "servers"?'),
        ("notes.yaml", b"a: 1", 'there is no folder "."'),
        ("stray.cedar", b"", "a policy outside of policies/ is not read"),
        ("policies/a/b/c.cedar", b"", "a policy outside of policies/ is not read"),
        ("policies/a.cedar", b"\xff", "is not UTF-8 (byte 0)"),
        ("tenants/a.toml", b"title = 1", "tenants/a.toml: title: is not a text"),
    ],
)
def test_a_file_that_is_in_no_place_or_no_form_is_told(file: str, raw: bytes, message: str) -> None:
    assert message in str(declare.from_directory({file: raw})[0])


def test_one_thing_in_two_languages_is_there_twice() -> None:
    problems = declare.from_directory({"tenants/a.yaml": b"title: A", "tenants/a.toml": b'title = "A"'})
    assert "describes tenant/a again, after tenants/a.toml" in str(problems[0])


def test_a_directory_that_is_read_again_says_what_one_that_is_read_once_says() -> None:
    files = {"tenants/retail.yaml": b"title: Retail", "more.yaml": _tenant("group").encode()}
    directory = declare.Directory()
    first = directory.read(files)
    again = directory.read(files)
    assert again == first == declare.from_directory(files)
    assert all(one is other for one, other in zip(again, first, strict=True))
    changed = files | {"tenants/retail.yaml": b"title: Retail banking"}
    assert directory.read(changed) == declare.from_directory(changed)
    broken = files | {"tenants/retail.yaml": b"titel: Retail"}
    assert directory.read(broken) == directory.read(broken) == declare.from_directory(broken)
    assert directory.read({}) == ()
