"""Every vector through the explanation: what its source states stands in the tree."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import pytest

from poller.dlms.explain.stream import Kind, explain
from poller.dlms.explain.tree import Node
from poller.dlms.security import SecuritySettings
from tests.support.dlms_words import FLAGS

Vector = Mapping[str, Any]
HERE: Final = Path(__file__).parent
VECTORS: Final[list[Vector]] = [
    vector
    for name in ("dlms_public.json", "microstar_hdlc.json")
    for vector in json.loads((HERE / name).read_text("utf-8"))["vectors"]
]
TOTAL: Final = 168
KINDS: Final = {"ciphered": Kind.APDU} | {kind.value: kind for kind in Kind}
PARTLY: Final = {
    "hdlc-push-iskra-am550-segment-3": "its beginning is in the frames before it",
    "hdlc-push-gbt-lg-e450-1": "its end is in the frames behind it",
    "hdlc-push-gbt-lg-e450-2": "its beginning is in the frame before it",
    "gcm-get-clock": "no APDU, only what stands in one",
    "gmac-hls5": "no APDU, only a tag",
}


def octets_of(vector: Vector) -> bytes:
    return bytes.fromhex(vector["hex"] if "hex" in vector else vector["frame"])


def keys_of(vector: Vector) -> SecuritySettings | None:
    keys = vector.get("keys")
    if keys is None:
        return None
    title = keys.get("title") or vector["decoded"].get("title") or ""
    return SecuritySettings(
        encryption_key=bytes.fromhex(keys["ek"]),
        authentication_key=bytes.fromhex(keys["ak"]),
        client_title=bytes.fromhex(title),
    )


def tree(vector: Vector) -> list[Node]:
    kind = KINDS.get(vector["kind"], Kind.HDLC)
    return explain(octets_of(vector), kind, keys_of(vector))


def lines(nodes: list[Node]) -> str:
    return "\n".join(f"{node.name}: {node.meaning}" for root in nodes for _, node in root.walk())


def every(nodes: list[Node]) -> Iterator[Node]:
    for root in nodes:
        for _, node in root.walk():
            yield node


def address(stated: int | Mapping[str, int]) -> str:
    if isinstance(stated, int):
        return str(stated)
    physical = stated.get("physical")
    return str(stated["logical"]) if physical is None else f"{stated['logical']}/{physical}"


def flat(stated: object) -> list[str]:
    """Return the single values of a nested one, in the words of the tree."""
    if isinstance(stated, list):
        return [text for member in stated for text in flat(member)]
    if isinstance(stated, bool):
        return ["true" if stated else "false"]
    text = str(stated).removeprefix("octets holding ").removeprefix("octets ")
    text = text.replace(" (deviation 0x8000 = not specified)", ", deviation not specified")
    text = text.replace("status 0x80 DST active", "daylight saving active")
    return [text.replace("all fields not specified", "not specified")] if stated is not None else []


def dotted(name: str) -> str:
    a, b, c, d, e, _f = name.split(".")
    return f"{a}-{b}:{c}.{d}.{e}"


def item(stated: list[Any]) -> str:
    class_id, name, attribute, *_index = stated
    return f"({class_id})\n{dotted(name)}\nattribute {attribute}"


def range_words(text: str) -> str:
    moment, _, rest = text.partition(" dev ")
    assert rest == "-60 DST"
    return f"{moment}+01:00, daylight saving active"


APDUS: Final = {
    "GET.request-normal": "get-request: normal",
    "GET.request-next": "get-request: next",
    "GET.request-with-list": "get-request: with-list",
    "GET.response-normal": "get-response: normal",
    "GET.response-with-list": "get-response: with-list",
    "GET.response-with-datablock": "get-response: with-datablock",
    "SET.request-normal": "set-request: normal",
    "SET.response-normal": "set-response: normal",
    "ACTION.request-normal": "action-request: normal",
    "ACTION.response-normal": "action-response: normal",
    "InitiateRequest": "initiateRequest",
    "InitiateResponse": "initiateResponse",
    "ConfirmedServiceError": "confirmed-service-error",
    "ExceptionResponse": "exception-response",
    "DataNotification": "data-notification",
    "GET.response uint32 123456902": "double-long-unsigned: 123456902",
}
SAYS: Final[Mapping[str, Callable[[Any], str]]] = {
    "dest": lambda stated: f" to {address(stated)}\n",
    "src": lambda stated: f", {address(stated)} to ",
    "ns": lambda stated: f"N(S) {stated}",
    "nr": lambda stated: f"N(R) {stated}",
    "final": lambda stated: "P/F" if stated else "",
    "segmented": lambda stated: ", segmented" if stated else "",
    "params": lambda stated: (
        f"max-information-transmit: {stated['max_info_tx']}\nmax-information-receive: {stated['max_info_rx']}\n"
        f"window-transmit: {stated['window_tx']}\nwindow-receive: {stated['window_rx']}"
    ),
    "version": lambda stated: f"version: {stated}" if stated != 6 else "proposed-dlms-version-number: 6",
    "source": lambda stated: f"source wPort: {stated}",
    "destination": lambda stated: f"destination wPort: {stated}",
    "length": lambda stated: f"length: {stated}",
    "context": lambda stated: f"application-context-name: {stated} (",
    "auth": lambda stated: f"mechanism-name: {stated.replace('_', '-')} (" if stated else "",
    "conformance": lambda stated: f"conformance: {stated}: ",
    "max_pdu": lambda stated: f"max-receive-pdu-size: {stated}",
    "challenge": lambda stated: f"authentication-value: {stated}",
    "responding_title": lambda stated: f"responding-AP-title: {stated}",
    "calling_title": lambda stated: f"calling-AP-title: {stated}",
    "dedicated_key": lambda _stated: "dedicated-key: present",
    "response_allowed": lambda stated: f"response-allowed: default: {str(stated).lower()}",
    "vaa": lambda stated: f"vaa-name: {stated}",
    "result": lambda stated: stated,
    "diagnostic": lambda stated: f"result-source-diagnostic: {'' if stated else 'null (0)'}",
    "reason": lambda stated: f"reason: {stated} (",
    "invoke": lambda stated: f"({stated})" if stated < 256 else f"invoke-id {stated}",
    "cls": lambda stated: f"({stated})",
    "obis": dotted,
    "attr": lambda stated: f"attribute-id: {stated}",
    "method": lambda stated: f"method-id: {stated}",
    "selector": lambda stated: f"({stated})" if stated else "access-selection: absent",
    "restricting": lambda stated: item(stated).split("\n")[1],
    "frm": range_words,
    "to": range_words,
    "entries": lambda stated: "\n".join(f"double-long-unsigned: {number}" for number in stated),
    "columns": lambda stated: "\n".join(f"long-unsigned: {number}" for number in stated),
    "items": lambda stated: "\n".join(text for one in stated for text in item(one).split("\n")[1:]),
    "flags": lambda stated: "\n".join(str(FLAGS[name].name).lower().replace("_", "-") for name in stated),
    "confirmed_service_error": lambda stated: f"service: {stated['service']}\n{stated['error']}",
    "error": lambda stated: stated,
    "return_error": lambda stated: stated,
    "state": lambda stated: stated,
    "service": lambda stated: stated,
    "expected_ic": lambda stated: f"expected invocation counter: {stated}",
    "last": lambda stated: f"last-block: {str(stated).lower()}",
    "block": lambda stated: f"block-number: {stated}",
    "time": lambda _stated: "date-time: not given",
    "body": lambda stated: stated.split("(")[0],
    "data": lambda stated: (
        "" if stated is None else stated.replace("octets(17) ", "").replace("octets(17)", "octet-string")
    ),
    "title": lambda stated: f"AP-title: {stated}",
    "sc": lambda stated: f"SC {stated}: ",
    "ic": lambda stated: f"invocation-counter: {stated}",
    "value": lambda stated: "\n".join(flat(stated)),
    "values": lambda stated: "\n".join(flat(stated)),
}
BY_OCTETS: Final = {"info", "plain", "initiate_plain", "control"}
PROSE: Final = {"note", "meaning", "part", "what", "aad", "user_information"}


def expected(vector: Vector) -> Iterator[str]:
    stated = {} if "expect" in vector or vector["id"] in PARTLY else vector.get("decoded", {})
    for name, value in stated.items():
        if name == "type":
            word = value if vector["kind"] == "hdlc" else value.split(" (")[0].removesuffix("-data")
            yield word
        elif name == "apdu":
            yield (
                ""
                if vector["kind"] == "wrapper"
                else APDUS.get(value) or APDUS.get(value.split(" ")[0], value.split(" ")[0])
            )
        elif name == "title" and vector["id"].startswith((
            "glo",
            "general",
            "gmac",
            "heldout-gmac-get",
            "heldout-gmac-ac",
        )):
            continue  # not in the octets, or shown as octets
        elif name == "diagnostic" and value:
            yield f"({value})"
        elif name not in BY_OCTETS | PROSE:
            yield from SAYS[name](value).split("\n")


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector["id"]) for vector in VECTORS])
def test_what_a_vector_states_stands_in_its_tree(vector: Vector) -> None:
    nodes = tree(vector)
    text = lines(nodes) + "\n"
    if vector["id"] not in {"gcm-get-clock", "gmac-hls5"}:
        for words in expected(vector):
            assert words in text, words
    refused = "expect" in vector or vector["id"] in PARTLY
    assert refused or not any(node.fault for node in every(nodes)), text


@pytest.mark.parametrize(
    "vector", [pytest.param(v, id=v["id"]) for v in VECTORS if BY_OCTETS & v.get("decoded", {}).keys()]
)
def test_what_a_vector_states_as_octets_stands_in_its_tree(vector: Vector) -> None:
    nodes = tree(vector)
    whole = {node.octets.hex() for node in every(nodes)}
    if vector["id"] in PARTLY:
        return
    for name in BY_OCTETS & vector["decoded"].keys():
        stated = vector["decoded"][name]
        if name == "control":
            assert f"{stated:02x}" in whole
        elif name == "info":
            assert cast("str", stated) in octets_of(vector).hex()
        else:
            assert stated in whole


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector["id"]) for vector in VECTORS])
def test_a_tree_has_every_octet_of_its_vector_once(vector: Vector) -> None:
    def own(nodes: list[Node]) -> bytes:
        """Return the octets of the leaves that stand in the input, in order."""
        return b"".join(own(node.children) or node.octets for node in nodes if not node.derived)

    assert own(tree(vector)) == octets_of(vector)


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector["id"]) for vector in VECTORS])
def test_the_kind_is_told_by_the_octets(vector: Vector) -> None:
    if "expect" not in vector and vector["id"] not in PARTLY:
        assert lines(explain(octets_of(vector), Kind.AUTO, keys_of(vector))) == lines(tree(vector))


def test_segments_and_blocks_of_a_push_are_joined() -> None:
    by_id = {vector["id"]: octets_of(vector) for vector in VECTORS}
    for names in ("hdlc-push-iskra-am550-segment-{}", "hdlc-push-gbt-lg-e450-{}"):
        nodes = explain(b"".join(by_id[names.format(part)] for part in (1, 2, 3)))
        assert not any(node.fault for node in every(nodes)), names
        assert "joined" in lines(nodes)
        assert "data-notification" in lines(nodes)


def test_every_vector_is_explained() -> None:
    assert len(VECTORS) == TOTAL
