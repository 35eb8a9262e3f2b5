"""What is secret: the one table, and how it is taken out of texts and documents.

In: a text, a document of plain values, an object of a meter, secrets that somebody knows. Out: the same without what
the table calls a secret, or whether it is one. Logs, captures, diagnostics, problems, exports and the audit ask here;
who adds a secret to the product adds a line here. Pure, and small: every worker loads it with its log.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

STARS: Final = "********"
NAMES: Final = frozenset({
    *("password", "passwd", "secret", "hls_secret", "lls_secret", "broadcast_key", "master_key", "private_key"),
    *("encryption_key", "authentication_key", "tb_token", "token", "access_token", "api_key", "authorization"),
    *("proxy_authorization", "cookie", "set_cookie", "urls"),
})
"""Names of fields, settings, headers and options whose value is secret; ``urls`` are those of ``[notify]``."""
ATTRIBUTES: Final[Mapping[int, frozenset[int]]] = {
    12: frozenset({7}),  # association SN: what some meters have of its successor
    15: frozenset({7}),  # association LN: the password, or the secret of high-level security
    44: frozenset({5}),  # PPP setup: user name and password
    45: frozenset({3}),  # GPRS modem setup: PIN
    46: frozenset({4}),  # SMTP setup: login password
}
"""By class (IEC 62056-6-2): attributes that hold a secret."""
METHODS: Final[Mapping[int, frozenset[int]]] = {
    12: frozenset({5, 6}),  # association SN: change_secret, as versions number it
    15: frozenset({2}),  # association LN: change_HLS_secret
    64: frozenset({2, 3}),  # security setup: key_transfer, key_agreement
    72: frozenset({7, 8}),  # M-Bus client: set_encryption_key, transfer_key
}
"""By class: methods whose parameters are a secret, also where it is wrapped."""
MAX_KNOWN: Final = 64  # secrets that a process is told to hide: each is looked for in every line of its log
SHORTEST_KNOWN: Final = 6  # octets; a shorter one stands in every other word, and hiding it would tell it
MAX_DEPTH: Final = 16  # of a document; what lies deeper is not shown

_MARKS: Final = ("://", "dbt_", "dbs_", "bearer", "basic", "pass", "secret", "token", "key", "authoriz", "cookie")
"""One of these stands, in small letters, in every text of which a pattern takes something away."""
_HARMLESS: Final = r"https?|wss?|mqtts?|tcp|ssl|tls|file|sqlite|postgresql(?:\+\w+)?|unix|ipc|inproc"
_CREDENTIALS: Final = (
    (r"(?i)([a-z][a-z0-9+.-]{0,31}://)[^\s\"'<>]*@", rf"\1{STARS}@"),  # mqtt://user:password@host; in linear time
    (rf"(?i)(?<![a-z0-9+.-])(?!(?:{_HARMLESS})://)([a-z][a-z0-9+.-]*://)[^\s\"'<>]+", rf"\1{STARS}"),
    (r"(?i)\b(https?://)(?=[^\s\"'<>]*hook)[^\s\"'<>]+", rf"\1{STARS}"),  # chats' webhooks are passwords
    (r"\b(db[ts]_)[A-Za-z0-9_-]{8,}", rf"\1{STARS}"),
    (r"(?i)\b(bearer|basic)(\s+)[a-z0-9._~+/=-]{16,}", rf"\1\2{STARS}"),
)
_NAMED: Final = (
    r"(?i)((?:(?<![a-z0-9])(?:pass(?:word|wd|phrase)?|secret|token|authorization|cookie|api[_-]?key)"
    r"|(?<![\w-])key|(?:encryption|authentication|broadcast|master|private|dedicated)[_-]key))"
    r"([\"']?\s*[=:]\s*)(?:(?:bearer|basic)\s+)?(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;&}\])]+)"
)
_PERCENT: Final = "%.."


def is_secret_name(name: str) -> bool:
    """Return whether a field, setting, header or option of this name holds a secret."""
    return name.lower().replace("-", "_").rpartition(".")[2] in NAMES


def is_secret_attribute(class_id: int, attribute: int) -> bool:
    """Return whether an attribute of a meter's object holds a secret; 0 is all of them together."""
    return attribute in ATTRIBUTES.get(class_id, ()) or (attribute == 0 and class_id in ATTRIBUTES)


def is_secret_method(class_id: int, method: int) -> bool:
    """Return whether a method of a meter's object takes a secret."""
    return method in METHODS.get(class_id, ())


def without_credentials(text: str) -> str:
    """Return a text without what is a secret wherever it stands: URLs that hold one, tokens, headers' values."""
    if not _is_suspect(text):
        return text
    for pattern, replacement in _CREDENTIALS:
        text = re.sub(pattern, replacement, text)  # compiled when first needed: it costs 0.7 MiB, in each worker
    return text


def redact(text: str) -> str:
    """Return a text without credentials, and without the values that stand behind a secret's name."""
    return re.sub(_NAMED, rf"\1\2{STARS}", without_credentials(text)) if _is_suspect(text) else text


def _is_suspect(text: str) -> bool:
    low = text.lower()
    return any(mark in low for mark in _MARKS)


def redacted(value: object, depth: int = 0) -> object:
    """Return a document without the values of secret names, and without credentials in its texts."""
    if depth > MAX_DEPTH:
        return STARS
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, Mapping):
        return {key: _member(str(key), found, depth + 1) for key, found in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(found, depth + 1) for found in value]
    return STARS if isinstance(value, bytes) else value


def _member(name: str, value: object, depth: int) -> object:
    if is_secret_name(name) and not (value is None or isinstance(value, bool) or value in ("", b"")):
        return STARS
    return redacted(value, depth)


class Hidden:
    """Secrets that a process knows, in all the forms in which they could stand in a text."""

    def __init__(self, shortest: int = SHORTEST_KNOWN) -> None:
        self._shortest = shortest
        self._secrets: dict[bytes, Sequence[str]] = {}

    def learn(self, secrets: Iterable[bytes]) -> None:
        """Hide these from now on; of more than MAX_KNOWN the oldest are forgotten, short ones are not hidden."""
        for secret in secrets:
            if len(secret) < self._shortest or secret in self._secrets:
                continue
            if len(self._secrets) >= MAX_KNOWN:
                del self._secrets[next(iter(self._secrets))]
            self._secrets[secret] = forms(secret, self._shortest)

    def hide(self, text: str) -> str:
        """Return a text in which none of them stands."""
        for found in self._secrets.values():
            for form in found:
                text = text.replace(form, STARS)
        return text


def forms(secret: bytes, shortest: int = SHORTEST_KNOWN) -> Sequence[str]:
    """Return how a secret is written: as it is, escaped, hexadecimal, base64 (anywhere in it), percent-encoded."""
    from binascii import b2a_base64  # what nobody hides nobody needs; base64 itself costs a worker more
    from urllib.parse import quote, quote_plus

    text = secret.decode("utf-8", "replace")
    found = [text, repr(text)[1:-1], repr(secret)[2:-1], text.encode("ascii", "backslashreplace").decode("ascii")]
    quoted = [quote(secret, safe=""), quote_plus(secret), "".join(f"%{octet:02X}" for octet in secret)]
    found += quoted + [re.sub(_PERCENT, lambda octet: octet[0].lower(), word) for word in quoted]
    digits = [secret.hex(gap) if gap else secret.hex() for gap in ("", " ", ":", "-")]
    found += digits + [word.upper() for word in digits]
    for at in range(3):  # base64 of a longer text: three octets make four characters, and it begins at any
        begin, end = -(-at * 8 // 6), (at + len(secret)) * 8 // 6
        coded = b2a_base64(bytes(at) + secret, newline=False).decode("ascii")[begin:end]
        found += [coded, coded.replace("+", "-").replace("/", "_")]
    return tuple(dict.fromkeys(sorted((form for form in found if len(form) >= shortest), key=len, reverse=True)))
