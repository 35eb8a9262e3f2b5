"""Every error that the protocol raises, each in the family that says what the caller does next.

Goes in: a text that names what is wrong. Comes out: a typed error. Nothing else leaves ``poller.dlms``: no ValueError,
KeyError, IndexError or struct.error, whatever a meter sends.
"""

from common.errors import Again, Barred, BridgeError, Hopeless, Reassociate, Relink, Skip

# Relink: the link is gone or out of step.


class ReplyTimeout(Relink):
    """No usable answer within the deadline; the driver throws it into an exchange, and may get it back."""


class LinkRefused(Relink):
    """The peer answered SNRM with DM or FRMR, or with a UA that cannot be used."""


class LinkReset(Relink):
    """The peer left the connected state in the middle of a session (DM or FRMR)."""


class OutOfSequence(Relink):
    """N(S) or N(R) of the peer do not fit, and recovery was in vain (ISO/IEC 13239)."""


class LinkDamaged(Relink):
    """More damage, noise or foreign traffic than one exchange may bring."""


class BadFrame(Relink):
    """A frame that contradicts ISO/IEC 13239 or IEC 62056-46: length, address, checksum, parameters, LLC header."""


class SignOnFailed(Relink):
    """The meter did not answer the sign-on of mode E, or not as IEC 62056-21 has it."""


class PeerClosed(Relink):
    """The transport was closed by the peer; raised by the driver."""


# Reassociate: the application association is gone or cannot be trusted.


class ExceptionResponse(Reassociate):
    """The server answered with exception-response or confirmed-service-error (IEC 62056-5-3)."""


class AssociationLost(Reassociate):
    """A service was asked for outside an association."""


class UnexpectedReply(Reassociate):
    """An APDU that is malformed, of another service, or no answer to what was asked."""


class DecipheringFailed(Reassociate):
    """A protected APDU that does not authenticate, or an unprotected one where protection was agreed (5.3.7)."""


class CounterRefused(Reassociate):
    """The server found our invocation counter too low; ours has been raised to what it expects (exception-response)."""


# Again: the same request later.


class TemporaryFailure(Again):
    """data-access-result 2."""


class MeterBusy(Again):
    """The peer stays not ready (RNR), or acknowledges and does not answer."""


# Skip: this quantity cannot be had.


class HardwareFault(Skip):
    """data-access-result 1."""


class AccessDenied(Skip):
    """data-access-result 3, read-write-denied."""


class ObjectUndefined(Skip):
    """data-access-result 4."""


class ClassInconsistent(Skip):
    """data-access-result 9, object-class-inconsistent."""


class ObjectUnavailable(Skip):
    """data-access-result 11."""


class TypeUnmatched(Skip):
    """data-access-result 12."""


class ScopeViolated(Skip):
    """data-access-result 13, scope-of-access-violated."""


class BlockUnavailable(Skip):
    """data-access-result 14 to 19: the long answer or value broke off at the server."""


class OtherReason(Skip):
    """data-access-result 250, or one the standard does not know."""


class NotNegotiated(Skip):
    """A service that the association did not negotiate: asking would only cost the association."""


class BadData(Skip):
    """A value that cannot be decoded, or is not what its attribute promises."""


# Barred: never hammer the meter.


class AuthenticationFailed(Barred):
    """AARE diagnostic 11 to 14: mechanism or password not accepted."""


class CounterExhausted(Barred):
    """The invocation counter has reached its end: the meter needs new keys (IEC 62056-5-3, 5.3.4.8.3)."""


class AssociationRefused(Barred):
    """AARE with any other refusal, or with terms we cannot work under."""


# Hopeless: our own configuration.


class BadAddress(Hopeless):
    """An HDLC address or wPort that cannot exist."""


class BadParameter(Hopeless):
    """A value of ours that the protocol cannot carry."""


_ACCESS_RESULTS: dict[int, tuple[type[BridgeError], str]] = {
    1: (HardwareFault, "hardware-fault"),
    2: (TemporaryFailure, "temporary-failure"),
    3: (AccessDenied, "read-write-denied"),
    4: (ObjectUndefined, "object-undefined"),
    9: (ClassInconsistent, "object-class-inconsistent"),
    11: (ObjectUnavailable, "object-unavailable"),
    12: (TypeUnmatched, "type-unmatched"),
    13: (ScopeViolated, "scope-of-access-violated"),
    14: (BlockUnavailable, "data-block-unavailable"),
    15: (BlockUnavailable, "long-get-aborted"),
    16: (BlockUnavailable, "no-long-get-in-progress"),
    17: (BlockUnavailable, "long-set-aborted"),
    18: (BlockUnavailable, "no-long-set-in-progress"),
    19: (BlockUnavailable, "data-block-number-invalid"),
    250: (OtherReason, "other-reason"),
}


_ACTION_NAMES: dict[int, str] = {15: "long-action-aborted", 16: "no-long-action-in-progress"}
"""Where an action-result has another name than the data-access-result of its number."""


def access_error(result: int) -> BridgeError:
    """Return the error that a data-access-result other than success names (IEC 62056-5-3)."""
    leaf, name = _ACCESS_RESULTS.get(result, (OtherReason, "unknown data-access-result"))
    return leaf(f"{name} ({result})")


def action_error(result: int) -> BridgeError:
    """Return the error that an action-result other than success names (IEC 62056-5-3)."""
    leaf, name = _ACCESS_RESULTS.get(result, (OtherReason, "unknown action-result"))
    return leaf(f"{_ACTION_NAMES.get(result, name)} ({result})")


def named(error: BridgeError, what: object) -> BridgeError:
    """Return the same error with the object that it is about in its text; ``kind`` stays."""
    return type(error)(f"{error.detail}: {what}")
