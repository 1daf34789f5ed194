"""The closed list of reason codes: every refusal and every decision is explained by these and by nothing else."""

from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused or allowed; stable, countable, translatable. Each has a heading in the docs."""

    # wire
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    HOST_REFUSED = "host_refused"
    ORIGIN_REFUSED = "origin_refused"
    HEADER_MISMATCH = "header_mismatch"
    VERSION_UNSUPPORTED = "version_unsupported"
    META_MISSING = "meta_missing"
    METHOD_UNKNOWN = "method_unknown"
    SESSION_REQUIRED = "session_required"
    SESSION_UNKNOWN = "session_unknown"
    STATE_REFUSED = "state_refused"
    CURSOR_REFUSED = "cursor_refused"
    TASK_UNKNOWN = "task_unknown"
    QUESTION_UNKNOWN = "question_unknown"
    # identity
    TOKEN_MISSING = "token_missing"  # noqa: S105 - a reason code, not a secret
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - a reason code, not a secret
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a reason code, not a secret
    ISSUER_UNKNOWN = "issuer_unknown"
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    AUDIENCE_WRONG = "audience_wrong"
    FLOODED = "flooded"
    SUBJECT_EMPTY = "subject_empty"
    TENANT_UNKNOWN = "tenant_unknown"
    # snapshot
    SNAPSHOT_MISSING = "snapshot_missing"
    ROUTE_UNKNOWN = "route_unknown"
    TOOL_UNKNOWN = "tool_unknown"
    OFFER_UNKNOWN = "offer_unknown"
    QUARANTINED = "quarantined"
    # guard
    ARGUMENTS_INVALID = "arguments_invalid"
    CALLS_IN_FLIGHT = "calls_in_flight"
    CIRCUIT_OPEN = "circuit_open"
    # policy
    POLICY_ALLOWS = "policy_allows"
    POLICY_FORBIDS = "policy_forbids"
    NO_POLICY_ALLOWS = "no_policy_allows"
    POLICY_FAILED = "policy_failed"
    # approvals
    APPROVAL_REQUIRED = "approval_required"
    CONTEXT_REQUIRED = "context_required"
    # audit
    RECORD_UNWRITABLE = "record_unwritable"
    SINK_UNAVAILABLE = "sink_unavailable"
    RECORD_NOT_WITNESSED = "record_not_witnessed"
    # upstream
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_BROKEN = "upstream_broken"
    UPSTREAM_TOO_LARGE = "upstream_too_large"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_ADDRESS_REFUSED = "upstream_address_refused"
    CANCELLED = "cancelled"
    CLIENT_UNASKABLE = "client_unaskable"
    # api
    BODY_INVALID = "body_invalid"
    DOCUMENT_INVALID = "document_invalid"
    MEDIA_UNSUPPORTED = "media_unsupported"
    RESOURCE_UNKNOWN = "resource_unknown"
    NAME_TAKEN = "name_taken"
    PRECONDITION_REQUIRED = "precondition_required"
    VERSION_CONFLICT = "version_conflict"
    OWNED_ELSEWHERE = "owned_elsewhere"
    GATE_UNMET = "gate_unmet"
    IN_USE = "in_use"
    STATE_INVALID = "state_invalid"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    ROLE_MISSING = "role_missing"
    NOT_OFFERED = "not_offered"
    # webhooks
    HOOK_UNSIGNED = "hook_unsigned"
    HOOK_STALE = "hook_stale"
    HOOK_REPLAYED = "hook_replayed"
    HOOK_STRANGE = "hook_strange"
    HOOK_ACCOUNT_UNKNOWN = "hook_account_unknown"
    HOOK_TICKET_UNKNOWN = "hook_ticket_unknown"
    # anything we did not foresee
    INTERNAL = "internal"
