"""Any APDU that we know, told by its first octet (IEC 62056-5-3, 8.2). Octets in, a typed APDU out."""

from collections.abc import Callable, Mapping
from typing import Final

from poller.dlms import acse, get_service, xdlms
from poller.dlms.errors import UnexpectedReply

Apdu = (
    acse.Aarq
    | acse.Aare
    | acse.Release
    | xdlms.InitiateRequest
    | xdlms.InitiateResponse
    | xdlms.ServiceError
    | xdlms.ExceptionApdu
    | get_service.GetRequest
    | get_service.GetNext
    | get_service.GetNormal
    | get_service.GetBlock
    | get_service.GetList
)

_DECODERS: Final[Mapping[int, Callable[[bytes], Apdu]]] = {
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


def decode_apdu(octets: bytes) -> Apdu:
    """Return the APDU; raise UnexpectedReply when it is unknown or malformed, BadData when a value in it is."""
    if not octets:
        raise UnexpectedReply("an empty APDU")
    decoder = _DECODERS.get(octets[0])
    if decoder is None:
        raise UnexpectedReply(f"an APDU with unknown tag {octets[0]:02x}")
    return decoder(octets)
