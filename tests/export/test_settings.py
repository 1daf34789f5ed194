"""What sinks/<name>.yaml may say, and how a mistake in it is told."""

import pytest

from tallystick.export import SinkEntry, read_sinks
from tallystick.export.settings import SplunkOptions, SyslogOptions, Tls

SPLUNK = b"""
type: splunk
tenants: [bank]
mandatory: true
max_lag_s: 120
splunk:
  url: https://hec.bank.example:8088/
  token_file: /run/secrets/hec
  index: mcp
  ca_file: /etc/bank/ca.pem
"""


def only(text: bytes, name: str = "soc") -> SinkEntry:
    """The sink that a file describes."""
    found = read_sinks({f"sinks/{name}.yaml": text, "servers/core.yaml": b"this: is not looked at"})
    assert not isinstance(found, tuple), found
    return found[name]


def faults(text: bytes) -> list[str]:
    """What is wrong with a file."""
    found = read_sinks({"sinks/soc.yaml": text})
    assert isinstance(found, tuple)
    return [f"{problem.field}: {problem.what}" for problem in found]


def test_a_sink_says_where_what_and_whether_calls_depend_on_it() -> None:
    sink = only(SPLUNK)
    assert (sink.name, sink.type, sink.format, sink.tenants) == ("soc", "splunk", "ocsf", ("bank",))
    assert (sink.mandatory, sink.max_lag_s) == (True, 120.0)
    tls = Tls("/etc/bank/ca.pem")
    assert sink.options == SplunkOptions(
        "https://hec.bank.example:8088", "/run/secrets/hec", "mcp", acknowledge=True, ack_timeout_s=120.0, tls=tls
    )


def test_no_sink_is_mandatory_unless_it_says_so() -> None:
    sink = only(b"type: file\nfile: {path: /var/log/tally.jsonl}")
    assert not sink.mandatory
    assert (sink.tenants, sink.kinds, sink.mask) == ((), (), ())


def test_syslog_is_tls_with_an_orderly_end_unless_it_says_otherwise() -> None:
    sink = only(b"type: syslog\nformat: cef\nsyslog: {host: siem.bank.example}")
    assert sink.options == SyslogOptions("siem.bank.example", 6514, "tls", "close", 5000, Tls())
    udp = only(b"type: syslog\nsyslog: {host: 127.0.0.1, transport: udp}")
    assert udp.options == SyslogOptions("127.0.0.1", 514, "udp", "sent", 5000, Tls())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"type: splonk", 'type: there is no value "splonk"'),
        (
            b"type: splunk\nsplunk: {url: 'http://hec.bank.example', token_file: x}",
            "splunk.url: the record would leave",
        ),
        (b"type: splunk\nsplunk: {url: 'ftp://x', token_file: x}", 'splunk.url: "ftp://x" is not a plain'),
        (b"type: splunk\nsplunk: {url: 'https://me:secret@x', token_file: x}", "splunk.url: "),
        (b"type: splunk\nsplunk: {url: 'https://x', token: abc, token_file: x}", "splunk.token: there is no setting"),
        (b"type: syslog\nsyslog: {host: siem, transport: tcp}", "syslog.transport: the record would leave"),
        (b"type: syslog\nmandatory: true\nsyslog: {host: '::1', transport: udp}", "mandatory: nothing tells whether"),
        (b"type: syslog\nsyslog: {host: siem, certificate_file: a}", "syslog.certificate_file: a certificate needs"),
        (b"type: file\nmandatory: true\nkinds: [denial]\nfile: {path: x}", "mandatory: a mandatory sink takes"),
        (b"type: file\nformat: elastic\nfile: {path: x}", 'format: there is no format "elastic"'),
        (b"type: file\nmask: [person]\nfile: {path: x}", "mask: pseudonyms need a key"),
        (b"type: file\nmask: [iban]\nmask_key_file: k\nfile: {path: x}", 'mask: there is no part "iban"'),
        (b"type: file\nformat: leaf\nmask: [person]\nmask_key_file: k\nfile: {path: x}", "mask: a leaf is sent as"),
        (b"type: file\nname: other\nfile: {path: x}", 'name: says "other" in a file called "soc"'),
        (b"type: s3\ns3: {bucket: B}", 's3.bucket: "B" is not an allowed value'),
        (b"type: [", ": "),
    ],
)
def test_a_mistake_is_named_with_its_place(text: bytes, fault: str) -> None:
    assert any(told.startswith(fault) for told in faults(text)), faults(text)


def test_plain_text_leaves_the_machine_only_when_somebody_said_so() -> None:
    only(b"type: webhook\nwebhook: {url: 'http://collector.bank.example/in', plain_text: true}")
    only(b"type: syslog\nsyslog: {host: siem.bank.example, transport: tcp, plain_text: true}")
    only(b"type: otlp\notlp: {url: 'http://127.0.0.1:4318/v1/logs'}")


def test_two_files_for_one_sink_are_a_mistake() -> None:
    text = b"type: file\nfile: {path: x}"
    found = read_sinks({"sinks/soc.yaml": text, "sinks/soc.yml": text})
    assert isinstance(found, tuple)
