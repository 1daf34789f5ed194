"""What the gateway promises: each promise with an id (`area:feature:variant`), a sentence and where it comes from.

`@requirement("id")` ties a test to its promises. `tests/interaction/test_requirements.py` sees that every promise has a
test and every interaction test a promise. A promise that is not kept yet has `deferred`, which says why, and no test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

Test = TypeVar("Test", bound=Callable[..., object])

_MODERN: Final = "https://modelcontextprotocol.io/specification/2026-07-28/"
_SESSIONS: Final = "https://modelcontextprotocol.io/specification/2025-11-25/"
_TOOLS: Final = _MODERN + "server/tools"
_TRANSPORT: Final = _MODERN + "basic/transports/streamable-http"
_OLD_TRANSPORT: Final = _SESSIONS + "basic/transports#streamable-http"
_AUTHORIZATION: Final = _MODERN + "basic/authorization"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One promise. `source` is a specification's URL, an RFC, an advisory, a control, or `house`."""

    sentence: str
    source: str
    deferred: str = ""


def requirement(*names: str) -> Callable[[Test], Test]:
    """Tie a test to promises; an unknown id fails at once."""
    unknown = [name for name in names if name not in REQUIREMENTS or REQUIREMENTS[name].deferred]
    if unknown or not names:
        message = f"no promise that is kept is called {unknown}"
        raise KeyError(message)

    def tie(test: Test) -> Test:
        return test

    return tie


_KEPT: Final[dict[str, tuple[str, str]]] = {
    # lifecycle
    "lifecycle:initialize:version": (
        "initialize agrees on the version asked for, or on the newest with sessions, and opens a session.",
        _SESSIONS + "basic/lifecycle",
    ),
    "lifecycle:discover:pinned": (
        "server/discover tells what the pinned server said, without promises of notifications that cannot be kept.",
        _MODERN + "server/discover",
    ),
    "lifecycle:ping": ("ping is answered in the eras that have it.", _SESSIONS + "basic/utilities/ping"),
    "lifecycle:era:closed-methods": ("A method of another era is unknown in this one.", _MODERN + "basic/index"),
    # tools
    "tools:list:same-decision": (
        "tools/list holds exactly what the caller may call with some arguments, by the same decision as a call.",
        "house",
    ),
    "tools:list:names": (
        "A server's route keeps its tools' names; a toolset prefixes them with the server's, whatever is added later.",
        "house",
    ),
    "tools:list:definition": ("A listed tool is the pinned definition.", "house"),
    "toolsets:names": (
        "A toolset renames what it overrides, settles collisions as it says; policy and record know the real names.",
        "house",
    ),
    "toolsets:arguments": (
        "Arguments that a toolset narrows are judged so; those it fixes are its own, for policy, record and server.",
        "house",
    ),
    "toolsets:trimmed": (
        "A result is trimmed as its toolset declares, says so, promises no more, and is what the record commits to.",
        "house",
    ),
    "toolsets:audience": (
        "Outside of its audience a toolset is answered exactly as one that does not exist; the attempt is on record.",
        "house",
    ),
    "toolsets:grants": (
        "A grant lets its callers in, to what it names, until it ends and not a moment longer.",
        "house",
    ),
    "toolsets:offers": (
        "A toolset lists the prompts and resources that it selects and policy allows, and asks their own servers.",
        "house",
    ),
    "toolsets:stays-up": (
        "A toolset stays up without what is missing, unapproved or quarantined, and says so.",
        "house",
    ),
    "tools:call:success": ("A call reaches its server once and its result comes back whole.", _TOOLS),
    "tools:call:tool-error": (
        "A tool's own error is passed on and recorded as a tool error.",
        _TOOLS,
    ),
    "tools:call:rpc-error": (
        "A JSON-RPC error is passed on and recorded as one, however long it is and however it is framed.",
        "https://www.jsonrpc.org/specification#error_object",
    ),
    "tools:call:progress": ("Progress arrives in order, before the result.", _MODERN + "basic/utilities/progress"),
    "tools:call:cancelled": (
        "A client's cancellation, in its era's way, stops the call at the server and is recorded.",
        _MODERN + "basic/utilities/cancellation",
    ),
    "tools:call:disconnect-with-session": (
        "In an era with sessions a lost connection does not cancel a call.",
        _OLD_TRANSPORT,
    ),
    "tools:call:timeout": ("A call that outlasts its server's limit ends as a timeout; the server is told.", "house"),
    "tools:call:too-large": ("A result over its server's limit is withheld and recorded as limited.", "house"),
    "tools:call:in-flight": ("A call over its server's limit in flight is refused at once.", "house"),
    "tools:call:upstream-broken": ("An answer that is not MCP, or not this call's, is an upstream failure.", "house"),
    "tools:call:upstream-killed": (
        "A server that dies in mid-call ends the call as an upstream failure; the next call uses its successor.",
        "house",
    ),
    "tools:call:denied": ("A denied call is told and recorded with its reasons and never sent.", "house"),
    "tools:call:approval": ("A call that needs an approval is refused as approval_required and never sent.", "house"),
    "tools:call:arguments": (
        "Arguments that do not fit the pinned schema are refused by place, never by value, and never sent.",
        _TOOLS,
    ),
    "tools:call:argument-limited": ("A policy on arguments decides each call by its own arguments.", "house"),
    "tools:call:hidden-is-unknown": ("A hidden tool is answered like one that does not exist.", "CVE-2026-76097"),
    # other methods
    "passing:allowed": ("Another method passes to a route's one server where policy allows it.", "house"),
    "passing:denied": ("A method that no policy allows never reaches a server.", "GHSA-xhpw-65qw-wj6m"),
    "passing:toolset": ("A toolset offers tools and no method that would need one server.", "house"),
    "passing:notifications": ("A client's notification never reaches a server.", "house"),
    "matrix:methods": (
        "Every method has one answer and one record for every kind of caller and route.",
        "CVE-2026-103758",
    ),
    # bridging
    "bridge:eras": (
        "A client of one era uses a server of another: calls, errors and progress come in the client's own words.",
        _MODERN + "basic/index",
    ),
    "bridge:methods": (
        "Prompts, resources, templates and completion cross; a method of the other era alone is not offered.",
        _MODERN + "changelog",
    ),
    "bridge:opening": ("A client is greeted in its own era, whatever its server speaks.", _MODERN + "server/discover"),
    "bridge:results": (
        "A result has the members of its client's era, and no others of the protocol's.",
        _MODERN + "basic/index",
    ),
    "bridge:logging": (
        "A client gets the log messages of its own level and none below, whoever shares the server with it.",
        _SESSIONS + "server/utilities/logging",
    ),
    "bridge:pages": (
        "A list is read page by page; a cursor of the server never leaves unsealed.",
        _MODERN + "server/utilities/pagination",
    ),
    "bridge:headers": ("The headers that a tool asks for say what its arguments say, for every client.", _TRANSPORT),
    "bridge:meta": ("Trace context and unknown keys of _meta reach the server.", _MODERN + "basic/index"),
    "bridge:cancel": (
        "A cancellation stops the call at a server of either era; a lost connection does so in the client's era only.",
        _MODERN + "basic/patterns/cancellation",
    ),
    "bridge:deadline": ("A deadline ends a call at a server of either era, which is told.", "house"),
    "bridge:toolset": ("A toolset mixes servers of both eras.", "house"),
    # questions
    "questions:kinds": (
        "A server asks its client every kind of question, whichever eras they speak.",
        _MODERN + "basic/patterns/mrtr",
    ),
    "questions:unaskable": (
        "Nobody is asked what they did not declare; the call ends, or goes on without.",
        _MODERN + "basic/patterns/mrtr",
    ),
    "questions:answers": (
        "An answer, a refusal and a failure to answer are each told as what they are.",
        _SESSIONS + "client/elicitation",
    ),
    "questions:recorded": ("An answer leaves one leaf.", "house"),
    "questions:binding": (
        "An answer counts in the session that was asked, and nowhere else.",
        "GHSA-345p-7cg4-v4c7",
    ),
    "questions:apart": ("Clients that are asked at once do not mix, whatever their ids.", "GHSA-345p-7cg4-v4c7"),
    "questions:state": (
        "A state serves its caller, its route and its request only; what it holds is not seen.",
        _MODERN + "basic/patterns/mrtr",
    ),
    "questions:expiry": ("A parked call is fetched once, in time, or cancelled at its server.", "house"),
    "questions:vanished": ("A client that leaves while it is asked leaves nothing behind.", "house"),
    "questions:limits": ("A call is asked ten rounds, and a caller parks a few calls.", "house"),
    # streams
    "streams:resources": (
        "Whoever subscribed to a resource is told when it changes, whichever eras are spoken.",
        _MODERN + "basic/patterns/subscriptions",
    ),
    "streams:lists": (
        "Whoever listens is told when a list changes, whichever eras are spoken.",
        _MODERN + "basic/patterns/subscriptions",
    ),
    "streams:acknowledged": (
        "A subscription begins with what is honoured; every message carries its id.",
        _MODERN + "basic/patterns/subscriptions",
    ),
    "streams:policy": ("Only what policy allows is honoured, and asked of the server.", "house"),
    "streams:shared": ("Many listeners of one caller share one stream at the server.", "house"),
    "streams:limit": ("One caller has a bounded number of streams, apart from calls.", "house"),
    "streams:session": ("The stream of a session opens to its caller only.", _OLD_TRANSPORT),
    "streams:token": ("A stream ends with the token that opened it.", "house"),
    "streams:withdrawn": ("A stream ends when policy no longer allows it.", "house"),
    "streams:tools": ("A change of the pinned tools or of policy is told to whom it concerns.", "house"),
    "streams:storm": ("A server whose streams end at once is asked again later and later.", "house"),
    # restart
    "restart:gateway": (
        "After a restart of the gateway a session has its log level and its subscriptions.",
        "house",
    ),
    "restart:server": ("A server that lost its sessions is opened anew, unseen by its clients.", _OLD_TRANSPORT),
    "restart:era": ("A server that comes back in another era is spoken to in that one.", "house"),
    # failure
    "failure:circuit": (
        "A server that fails again and again is left alone, visibly, until it answers the gateway's own question.",
        "house",
    ),
    "failure:degraded": ("A list names the servers that cannot be had at the moment, and keeps their tools.", "house"),
    "failure:others": ("One dead, slow or full server changes nothing for the others.", "house"),
    "failure:flood": ("A server that floods or lies is cut off, with its own call and no other.", "house"),
    "failure:clients": ("Slow and vanished clients leave no call, no stream and no task behind.", "house"),
    "failure:health": ("An operator is told how each server is, and what is old or of a dead process is not.", "house"),
    "failure:strangers": ("A flood without a token gets few leaves, and one that counts the rest.", "house"),
    "failure:polling": ("A stream that its server closes early is asked for again, within the call.", _OLD_TRANSPORT),
    # workers
    "control:followed": ("Who follows the changes of control state misses nothing and hears nothing twice.", "house"),
    "workers:record": ("Calls land on every worker and in one record.", "house"),
    "workers:session": ("A session is one session, whichever worker its requests reach.", _OLD_TRANSPORT),
    "workers:reload": ("A changed configuration is recorded once and enforced by every worker.", "house"),
    "workers:killed": ("A worker that dies comes back, and its open calls alone are in doubt.", "house"),
    "workers:writer": ("While the writer is gone calls are refused; then they go on.", "house"),
    # conformance
    "conformance:same-checks": ("The official suite passes the same checks directly and through the gateway.", "house"),
    # routes
    "routes:exact": ("Only the exact path of an endpoint is one.", "GHSA-h4mf-84xq-q2fc"),
    "routes:unknown:hidden": (
        "Another tenant's route is answered like one that does not exist.",
        "GHSA-g7j8-wp7h-wmgr",
    ),
    # sessions
    "session:required": ("In an era with sessions a request needs one.", _OLD_TRANSPORT),
    "session:binding:caller": ("A session serves only the caller who opened it.", "GHSA-hqg7-qjgg-q779"),
    "session:binding:route": ("A session serves only the route that opened it.", "GHSA-mvgg-jvj2-4frq"),
    "session:new-token": ("A renewed token of the same caller keeps the session.", "house"),
    "session:delete": ("DELETE ends a session, here and at the server.", _OLD_TRANSPORT),
    "session:delete:durable": ("A session that was ended stays ended after a restart.", _OLD_TRANSPORT),
    "session:isolation:upstream": (
        "Each session has one of its own at the server, under an id that its client never sees.",
        "GHSA-345p-7cg4-v4c7",
    ),
    "session:restart": ("A session survives a restart of the gateway.", "house"),
    # envelope
    "envelope:headers:repeat-the-body": (
        "A header that contradicts the body is refused.",
        _TRANSPORT,
    ),
    "envelope:param-headers": ("Mcp-Param-* headers that contradict the arguments are refused.", _TRANSPORT),
    "envelope:nothing-forwarded": ("What the envelope's checks refuse never reaches a server.", "GHSA-9v4w-3mqh-6vmm"),
    "envelope:json:strict": ("A body with more than one reading is refused.", "GHSA-4gph-2hhr-5mwg"),
    "envelope:json:canonical": ("What is forwarded is a canonical encoding of what was judged.", "GHSA-4gph-2hhr-5mwg"),
    "envelope:size": ("A body over the limit is refused whole.", "RFC 9110, section 15.5.14"),
    "envelope:host-and-origin": (
        "Another Host and an Origin that was not named are refused.",
        _TRANSPORT,
    ),
    "envelope:content-type": ("A content type other than JSON is refused.", _TRANSPORT),
    "envelope:verbs": (
        "A verb other than POST, and in eras with sessions GET and DELETE, is not allowed.",
        _OLD_TRANSPORT,
    ),
    "envelope:responses": ("A response that nobody asked for is refused.", _MODERN + "basic"),
    # identity
    "identity:token:refused": ("A bad token is refused with 401 and its reason, and recorded.", _AUTHORIZATION),
    "identity:token:audience": ("A token for one route opens no other.", "RFC 8707; GHSA-w4fh-qvv9-3v23"),
    "identity:metadata": ("A 401 leads to metadata of the resource, which names the issuer.", "RFC 9728"),
    "secrets:token:never-forwarded": (
        "No part of a client's token reaches a server.",
        _AUTHORIZATION,
    ),
    # record
    "record:call:two-leaves": ("A call leaves an intent and an outcome, in this order.", "SOC 2 CC7.2"),
    "record:call:names": ("The leaves name caller, tool, pin, decision and snapshot.", "DORA, article 12; SOC 2 CC7.2"),
    "record:names": ("The leaves name what its owner said of a tool, whose data it is, what money it moves.", "house"),
    "record:trace": ("The leaf that begins a call names its trace.", "W3C Trace Context"),
    "record:kept": (
        "Payloads are kept with the leaf that commits to them, encrypted, in the bytes committed to.",
        "house",
    ),
    "record:level": (
        "Where a tool's risk demands it, no reply leaves before its record is published or cosigned.",
        "house",
    ),
    "record:receipt": ("A reply carries a receipt that proves offline what is on record, where asked for.", "house"),
    "context:meta": (
        "A client's prompt, intent and reason are committed to in the intent, with their source.",
        "house",
    ),
    "context:argument": (
        "A tool whose policy wants a reason asks its model for one by an argument that no server sees.",
        "house",
    ),
    "context:required": ("What policy wants explained is not called without; the refusal says what to send.", "house"),
    "context:stripped": ("Nothing that is told under the gateway's own prefix reaches a server.", "house"),
    "context:retry": ("A retry carries an explanation of its own, and is the same request with another.", "house"),
    "record:denial:one-leaf": ("A refusal leaves one leaf with its reasons, and its answer quotes the index.", "house"),
    "record:local:one-leaf": ("A request that the gateway answers leaves one leaf.", "house"),
    "record:verifies": ("The published record verifies offline from its files and key.", "C2SP tlog-tiles"),
    "record:in-doubt": ("After a restart exactly the intents without outcome are in doubt.", "house"),
    "record:crash:acknowledged": ("A kill at any step loses nothing that was acknowledged.", "house"),
    "record:crash:indices": ("No index is ever used twice.", "C2SP tlog-tiles"),
    "record:fail-closed:nothing-forwarded": ("Without a durable intent no request reaches a server.", "house"),
    "record:fail-closed:withheld": (
        "An outcome that cannot be recorded is withheld, and the client is told so.",
        "house",
    ),
    "record:fail-closed:refusals": ("A refusal stays a refusal when it cannot be recorded.", "house"),
    "record:fail-closed:health": ("A gateway that cannot record says that it refuses calls.", "house"),
    "secrets:arguments:only-commitments": (
        "Arguments and results are in the record as keyed commitments only.",
        "GDPR, article 5(1)(c)",
    ),
    "secrets:payloads:encrypted": (
        "No payload stands in clear in any file of the state directory.",
        "GDPR, article 32(1)(a)",
    ),
    "sinks:mandatory": (
        "While a mandatory sink has not got the record no call is made, and none is lost to it.",
        "house",
    ),
    # configuration
    "reload:enforced": ("A changed configuration decides the next call.", "house"),
    "reload:refused": ("A broken change is refused with a message and the old configuration stays.", "house"),
    "reload:in-flight": ("A call under way ends as it was decided.", "house"),
    "reload:start": ("A gateway never starts on a broken configuration.", "house"),
    "reload:tokens": ("Tokens of an issuer that is no longer trusted stop at once.", "house"),
    # corridor
    "corridor:types:whole": ("The corridor type-checks.", "house"),
    "corridor:types:skipped": ("A corridor without one of its rooms does not type-check.", "house"),
    # definitions
    "definitions:changed:quarantined": (
        "A tool whose definition is not the approved one is neither listed nor called, and its caller is told why.",
        "OWASP MCP03, ATLAS T0110",
    ),
    "definitions:changed:until-reviewed": (
        "What was seen to differ stays held back, whatever the server says later.",
        "ATLAS T0109",
    ),
    "definitions:changed:per-call": ("A definition that changes from one list to the next is caught.", "ATLAS T0109"),
    "definitions:changed:per-caller": ("A definition that only one caller is shown is caught.", "ATLAS T0109"),
    "definitions:changed:server": (
        "What cannot be hidden by the piece (instructions, prompts, templates) holds back the whole server.",
        "OWASP MCP03",
    ),
    "definitions:changed:hidden": ("Who may not call a tool does not learn that it is held back.", "house"),
    "definitions:changed:reported": ("What differs is reported with its findings until that is kept.", "house"),
    "definitions:new:hidden": ("A tool that was never pinned is hidden and reported, and harms no other.", "house"),
    "definitions:compared:on-connect": ("A session that is opened anew is compared anew.", "house"),
    "definitions:compared:asked": (
        "A call whose server will not say what it is is not sent, and keeps no call to another server waiting.",
        "house",
    ),
    "definitions:compared:fresh": ("Callers share one look, which holds for as long as the settings say.", "house"),
    "definitions:compared:list-changed": ("A server that says that its lists changed is compared at once.", "house"),
    "definitions:compared:rounds": ("A server that nobody calls is compared in rounds.", "house"),
}

_DEFERRED: Final[dict[str, tuple[str, str, str]]] = {
    "transport:resumption": (
        "A broken stream may be resumed.",
        _OLD_TRANSPORT,
        "no event ids are sent",
    ),
    "tools:call:timeout:stdio": (
        "A call over stdio that outlasts its limit ends as a timeout.",
        "house",
        "tested beside the pipe: a limit short enough for a test is shorter than an SDK server's start",
    ),
}

REQUIREMENTS: Final[dict[str, Requirement]] = {
    **{name: Requirement(sentence, source) for name, (sentence, source) in _KEPT.items()},
    **{name: Requirement(*entry) for name, entry in _DEFERRED.items()},
}
