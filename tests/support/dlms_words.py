"""Says what a decoded APDU or value means in the words that the vectors use, so that both can be compared."""

from collections.abc import Callable
from typing import Any, Final, cast

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms import acse, action_service, get_service, notification, set_service, xdlms
from poller.dlms.apdu import Apdu, decode_apdu
from poller.dlms.data import BitString, Data, DataType, Date, DateTime, Time
from poller.dlms.descriptors import AttributeRef
from poller.dlms.xdlms import Conformance

AUTHENTICATIONS: Final = {
    None: None,
    acse.MechanismName.LOWEST: None,
    acse.MechanismName.LLS: "LLS",
    acse.MechanismName.HLS_GMAC: "HLS_GMAC",
}
FLAGS: Final = {
    "block-get": Conformance.BLOCK_TRANSFER_WITH_GET,
    "block-set": Conformance.BLOCK_TRANSFER_WITH_SET,
    "block-action": Conformance.BLOCK_TRANSFER_WITH_ACTION,
    "multiple-references": Conformance.MULTIPLE_REFERENCES,
    "get": Conformance.GET,
    "set": Conformance.SET,
    "selective-access": Conformance.SELECTIVE_ACCESS,
    "action": Conformance.ACTION,
}


def describe(apdu: Apdu) -> dict[str, object]:
    """Return what an APDU says, in the words of the vectors."""
    description: dict[str, object] = DESCRIPTIONS[type(apdu)](apdu)
    return description


def initiate(octets: bytes) -> dict[str, object]:
    return describe(decode_apdu(octets)) if octets else {}


def describe_aarq(aarq: acse.Aarq) -> dict[str, object]:
    return initiate(aarq.user_information) | {
        "apdu": "AARQ",
        "context": aarq.context.name,
        "auth": AUTHENTICATIONS[aarq.mechanism],
        "value": aarq.secret.decode("latin-1") if aarq.secret else None,
        "challenge": aarq.secret.hex() if aarq.secret else None,
    }


def describe_aare(aare: acse.Aare) -> dict[str, object]:
    inner = initiate(aare.user_information)
    conformance = int(str(inner.get("conformance", "0")), 16)
    return inner | {
        "apdu": "AARE",
        "result": aare.result.name.lower().replace("_", "-"),
        "diagnostic": aare.diagnostic,
        "meaning": aare.diagnostic_text.split(" ")[0],
        "flags": [name for name, bit in FLAGS.items() if conformance & bit],
        "auth": AUTHENTICATIONS[aare.mechanism],
        "challenge": aare.secret.hex() if aare.secret else None,
        "responding_title": aare.responding_title.hex() if aare.responding_title else None,
        "confirmed_service_error": {
            "service": str(inner.get("service", "")).removesuffix("Error"),
            "error": str(inner.get("error", "")).removeprefix("initiate: ").removesuffix(" (6,1)"),
        },
    }


def describe_release(release: acse.Release) -> dict[str, object]:
    inner = initiate(release.user_information)
    return {
        "apdu": "RLRE" if release.response else "RLRQ",
        "reason": None if release.reason is None else acse.ReleaseReason(release.reason).name.lower(),
        "user_information": inner
        and f"{inner['apdu']} qos {inner['qos']}, conformance {inner['conformance']}, pdu {inner['max_pdu']}",
    }


def describe_initiate_request(request: xdlms.InitiateRequest) -> dict[str, object]:
    return {
        "apdu": "InitiateRequest",
        "conformance": f"{request.conformance:06x}",
        "max_pdu": request.max_pdu,
        "version": request.version,
        "response_allowed": request.response_allowed,
        "dedicated_key": request.dedicated_key.hex() if request.dedicated_key else None,
    }


def describe_initiate_response(response: xdlms.InitiateResponse) -> dict[str, object]:
    return {
        "apdu": "InitiateResponse",
        "conformance": f"{response.conformance:06x}",
        "max_pdu": response.max_pdu,
        "vaa": f"{response.vaa_name:04x}",
        "version": response.version,
        "qos": response.quality_of_service,
    }


def describe_service_error(error: xdlms.ServiceError) -> dict[str, object]:
    return {"apdu": "ConfirmedServiceError", "service": error.service_text, "error": error.error_text}


def describe_exception(exception: xdlms.ExceptionApdu) -> dict[str, object]:
    return {
        "apdu": "ExceptionResponse",
        "state": exception.state_text,
        "service": exception.service_text,
        "expected_ic": exception.expected_counter,
    }


def item_words(ref: AttributeRef) -> list[object]:
    return [ref.class_id, ".".join(str(group) for group in ref.obis.to_bytes()), ref.attribute]


def describe_get_request(request: get_service.GetRequest) -> dict[str, object]:
    if request.with_list:
        return {"apdu": "GET.request-with-list", "items": [item_words(item.ref) for item in request.items]}
    (item,) = request.items
    words = {
        "apdu": "GET.request-normal",
        "invoke": request.invoke,
        "selector": item.selection.selector if item.selection else None,
    }
    words |= dict(zip(("cls", "obis", "attr"), item_words(item.ref), strict=True))
    if item.selection is not None:
        parameters = cast("tuple[Data, ...]", item.selection.parameters.value)
        words |= (describe_range if item.selection.selector == 1 else describe_entries)(parameters)
    return words


def describe_range(parameters: tuple[Data, ...]) -> dict[str, object]:
    restricting, start, end, columns = parameters
    class_id, name, attribute, index = (part.value for part in cast("tuple[Data, ...]", restricting.value))
    ref = AttributeRef(cast("int", class_id), Obis.from_bytes(cast("bytes", name)), cast("int", attribute))
    return {
        "restricting": [*item_words(ref), index],
        "frm": range_moment(start),
        "to": range_moment(end),
        "columns": plain(columns),
    }


def range_moment(data: Data) -> str:
    moment = DateTime.from_bytes(cast("bytes", data.value))
    day, clock = moment.date.to_date(), moment.time.to_time()
    assert moment.status == 0x80
    return f"{day}T{clock} dev {moment.deviation} DST"


def describe_entries(parameters: tuple[Data, ...]) -> dict[str, object]:
    values = [part.value for part in parameters]
    return {"entries": values[:2], "columns": values[2:]}


def describe_normal(response: get_service.GetNormal) -> dict[str, object]:
    return {"apdu": "GET.response-normal"} | result_words(response.result)


def result_words(result: Data | BridgeError) -> dict[str, object]:
    return {"error": result.detail} if isinstance(result, BridgeError) else {"value": plain(result)}


def describe_block(block: get_service.GetBlock) -> dict[str, object]:
    words: dict[str, object] = {
        "apdu": "GET.response-with-datablock",
        "last": block.last,
        "block": block.number,
    }
    return words | ({"error": block.content.detail} if isinstance(block.content, BridgeError) else {})


def describe_list(response: get_service.GetList) -> dict[str, object]:
    return {
        "apdu": "GET.response-with-list",
        "values": [listed(result) for result in response.results],
    }


def listed(result: Data | BridgeError) -> object:
    assert isinstance(result, Data)
    if not isinstance(result.value, bytes):
        return plain(result)
    return f"octets {result.value.decode('ascii') if result.value.isalnum() else result.value.hex()}"


def describe_set_request(request: set_service.SetRequest) -> dict[str, object]:
    """Octets are named as such: what they hold is the attribute's business."""
    (item,), (value,) = request.items, request.values
    names = dict(zip(("cls", "obis", "attr"), item_words(item.ref), strict=True))
    return {"apdu": "SET.request-normal", "value": listed(value)} | names


def describe_set_response(response: set_service.SetResponse) -> dict[str, object]:
    (error,) = response.results
    return {"apdu": "SET.response-normal", "result": error.detail if error else "success"}


def describe_action_request(request: action_service.ActionRequest) -> dict[str, object]:
    (method,), (given,) = request.methods, request.parameters
    return {
        "apdu": "ACTION.request-normal",
        "invoke": request.invoke,
        "cls": method.class_id,
        "obis": ".".join(map(str, method.obis.to_bytes())),
        "method": method.method,
        "data": None if given is None else hls_words(cast("bytes", given.value)),
    }


def hls_words(answer: bytes) -> str:
    """Name the parts of an answer to a challenge with GMAC."""
    return f"octets({len(answer)}) SC {answer[:1].hex()}, IC {answer[1:5].hex()}, tag {answer[5:].hex()}"


def describe_action_response(response: action_service.ActionResponse) -> dict[str, object]:
    (result,) = response.results
    words: dict[str, object] = {
        "apdu": "ACTION.response-normal",
        "result": result.error.detail if result.error else "success",
    }
    if isinstance(result.returned, BridgeError):
        return words | {"return_error": result.returned.detail}
    if result.returned is None:
        return words | {"data": None}
    return words | {"data": f"octets({len(cast('bytes', result.returned.value))})"}


def describe_notification(push: notification.Notification) -> dict[str, object]:
    """A body of octets is named by its type and length, as a source that does not look into it does."""
    body = push.data
    octets = isinstance(body.value, bytes)
    return {
        "apdu": "DataNotification",
        "invoke": push.invoke,
        "time": None if push.moment is None else moment_words(push.moment),
        "body": f"octet-string({len(cast('bytes', body.value))})" if octets else plain(body),
    }


DESCRIPTIONS: Final[dict[type, Callable[[Any], dict[str, object]]]] = {
    acse.Aarq: describe_aarq,
    acse.Aare: describe_aare,
    acse.Release: describe_release,
    xdlms.InitiateRequest: describe_initiate_request,
    xdlms.InitiateResponse: describe_initiate_response,
    xdlms.ServiceError: describe_service_error,
    xdlms.ExceptionApdu: describe_exception,
    get_service.GetRequest: describe_get_request,
    get_service.GetNext: lambda following: {"apdu": "GET.request-next", "block": following.block},
    get_service.GetNormal: describe_normal,
    get_service.GetBlock: describe_block,
    get_service.GetList: describe_list,
    set_service.SetRequest: describe_set_request,
    set_service.SetResponse: describe_set_response,
    action_service.ActionRequest: describe_action_request,
    action_service.ActionResponse: describe_action_response,
    notification.Notification: describe_notification,
}


TYPE_NAMES: Final = {
    DataType.NULL: "null",
    DataType.INT8: "integer",
    DataType.INT16: "long",
    DataType.INT32: "double-long",
    DataType.INT64: "long64",
    DataType.UINT8: "unsigned",
    DataType.UINT16: "long-unsigned",
    DataType.UINT32: "double-long-unsigned",
    DataType.UINT64: "long64-unsigned",
    DataType.DATE_TIME: "date-time",
}


def plain(data: Data) -> object:
    """Return a value as JSON would hold it."""
    match data.value:
        case tuple(members):
            return [plain(member) for member in members]
        case bytes(octets):
            return octets.hex()
        case BitString() as bits:
            return str(bits)
        case Date() as day:
            return None if (found := day.to_date()) is None else found.isoformat()
        case Time() as clock:
            return None if (moment := clock.to_time()) is None else moment.isoformat()[:11]
        case DateTime() as moment_of_clock:
            return moment_words(moment_of_clock)
        case other:
            return other


def moment_words(clock: DateTime) -> str:
    moment = clock.to_datetime()
    if moment is None:
        assert clock == DateTime(Date(None, None, None, None), Time(None, None, None, None), None, None)
        return "all fields not specified"
    text = moment.isoformat()
    if clock.deviation is None:
        text += " (deviation 0x8000 = not specified)"
    if clock.status:
        assert clock.status == 0x80
        text += ", status 0x80 DST active"
    return text
