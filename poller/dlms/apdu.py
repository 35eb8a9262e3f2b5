"""Any APDU that we know, told by its first octet (IEC 62056-5-3, 8.2). Octets in, a typed APDU out.

Services that a reader of values does without are loaded when the first of their APDUs comes: a worker is the lighter.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final, TypeAlias

from poller.dlms import acse, get_service, xdlms
from poller.dlms.errors import UnexpectedReply

if TYPE_CHECKING:
    from poller.dlms import access_service, action_service, block_service, ciphered, notification, set_service
    from poller.dlms import short_service as short

Apdu: TypeAlias = """(
    acse.Aarq | acse.Aare | acse.Release
    | xdlms.InitiateRequest | xdlms.InitiateResponse | xdlms.ServiceError | xdlms.ExceptionApdu
    | get_service.GetRequest | get_service.GetNext | get_service.GetNormal | get_service.GetBlock | get_service.GetList
    | set_service.SetRequest | set_service.SetBlock | set_service.SetResponse | set_service.SetAcknowledged
    | action_service.ActionRequest | action_service.ActionBlock | action_service.ActionNext
    | action_service.ActionResponse | action_service.ActionAnswerBlock | action_service.ActionAcknowledged
    | access_service.AccessRequest | access_service.AccessResponse
    | short.ReadRequest | short.ReadResponse | short.WriteRequest | short.WriteResponse
    | block_service.GeneralBlock | notification.Notification | ciphered.Ciphered
)"""
Decoder: TypeAlias = "Callable[[bytes], Apdu]"

_DECODERS: Final[Mapping[int, Decoder]] = {
    xdlms.INITIATE_REQUEST: xdlms.decode_initiate_request,
    xdlms.INITIATE_RESPONSE: xdlms.decode_initiate_response,
    xdlms.SERVICE_ERROR: xdlms.decode_service_error,
    acse.AARQ: acse.decode_aarq,
    acse.AARE: acse.decode_aare,
    acse.RLRQ: acse.decode_release,
    acse.RLRE: acse.decode_release,
    get_service.GET_REQUEST: get_service.decode_get_request,
    get_service.GET_RESPONSE: get_service.decode_get_response,
    xdlms.EXCEPTION_RESPONSE: xdlms.decode_exception,
}


def decode_apdu(octets: bytes) -> "Apdu":
    """Return the APDU; raise UnexpectedReply when it is unknown or malformed, BadData when a value in it is.

    Of a protected APDU the outside is returned: what it protects takes a key.
    """
    if not octets:
        raise UnexpectedReply("an empty APDU")
    decoder = _DECODERS.get(octets[0]) or _further_decoders().get(octets[0])
    if decoder is None:
        raise UnexpectedReply(f"an APDU with unknown tag {octets[0]:02x}")
    return decoder(octets)


@cache
def _further_decoders() -> Mapping[int, Decoder]:
    from poller.dlms import access_service, action_service, block_service, ciphered, notification, set_service
    from poller.dlms import short_service as short

    return {
        set_service.SET_REQUEST: set_service.decode_set_request,
        set_service.SET_RESPONSE: set_service.decode_set_response,
        action_service.ACTION_REQUEST: action_service.decode_action_request,
        action_service.ACTION_RESPONSE: action_service.decode_action_response,
        access_service.ACCESS_REQUEST: access_service.decode_access_request,
        access_service.ACCESS_RESPONSE: access_service.decode_access_response,
        short.READ_REQUEST: short.decode_read_request,
        short.READ_RESPONSE: short.decode_read_response,
        short.WRITE_REQUEST: short.decode_write_request,
        short.UNCONFIRMED_WRITE: short.decode_write_request,
        short.WRITE_RESPONSE: short.decode_write_response,
        block_service.GENERAL_BLOCK: block_service.decode_general_block,
        **dict.fromkeys(notification.UNSOLICITED, notification.decode_notification),
        **dict.fromkeys(ciphered.CIPHERED, ciphered.decode_ciphered),
    }
