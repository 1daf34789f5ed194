"""The room's refusals, one sentence for the caller each; inner detail stays in `detail`."""

from tallystick.terms import Reason, Refusal

_PUBLIC = {
    Reason.TOKEN_MISSING: "Sign in first: this address needs a bearer access token.",
    Reason.TOKEN_INVALID: "The access token is not valid; sign in again.",
    Reason.TOKEN_EXPIRED: "The access token has expired; sign in again.",
    Reason.ISSUER_UNKNOWN: "The access token comes from an issuer that is not trusted here.",
    Reason.AUDIENCE_WRONG: "The access token was issued for another resource; request one for this address.",
    Reason.SUBJECT_EMPTY: "The access token names no subject.",
    Reason.TENANT_UNKNOWN: "The access token belongs to no tenant that is known here.",
    Reason.ISSUER_UNAVAILABLE: "The token's issuer cannot be reached to check it; try again shortly.",
}


def refuse(reason: Reason, detail: str) -> Refusal:
    """Return the refusal for `reason`: "unavailable" when the issuer could not be asked, else "unauthenticated"."""
    code = "unavailable" if reason is Reason.ISSUER_UNAVAILABLE else "unauthenticated"
    return Refusal(code=code, reasons=(reason,), public_text=_PUBLIC[reason], detail=detail)
