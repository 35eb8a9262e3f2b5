"""Reading, writing and invoking in one request, whatever the objects: the ACCESS service (IEC 62056-5-3, 6.9).

Goes in: a channel, items. Comes out: their results in the order asked, or the errors that stand in their place.
"""

from collections.abc import Sequence
from typing import Final

from common.errors import BridgeError
from poller.dlms.access_service import (
    ACCESS_RESPONSE,
    AccessAction,
    AccessItem,
    AccessResult,
    decode_access_response,
    encode_access,
    results_of,
)
from poller.dlms.channel import Channel
from poller.dlms.errors import named
from poller.dlms.exchange import Exchange
from poller.dlms.xdlms import Conformance

MAX_ITEMS: Final = 64
"""Of one request."""


def access(channel: Channel, items: Sequence[AccessItem]) -> Exchange[list[AccessResult]]:
    """Do what the items say, in order, in as few requests as fit; return each result or its error."""
    channel.require(Conformance.ACCESS)
    results: list[AccessResult] = []
    while len(results) < len(items):
        invoke = channel.next_invoke()
        chunk = items[len(results) : len(results) + MAX_ITEMS]
        request = encode_access(invoke, chunk)
        while len(chunk) > 1 and not channel.takes(len(request), general=True):
            chunk = chunk[: len(chunk) // 2]
            request = encode_access(invoke, chunk)
        octets = yield from channel.call(request, ACCESS_RESPONSE, invoke)
        results += map(_named, results_of(decode_access_response(octets), chunk), chunk)
    return results


def _named(result: AccessResult, item: AccessItem) -> AccessResult:
    if not isinstance(result, BridgeError):
        return result
    return named(result, item.method if isinstance(item, AccessAction) else item.ref)
