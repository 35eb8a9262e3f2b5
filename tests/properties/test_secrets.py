"""A planted secret never comes out of a log line, a document, the audit or a diagnostic, in any common form."""

import base64
import io
import json
import logging
from urllib.parse import quote

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import logs
from common.redaction import ATTRIBUTES, METHODS, NAMES, STARS, Hidden, redact, redacted
from common.settings import load
from common.store.model import SECRETS

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
PLANTED = st.from_regex(r"\A[A-Za-z0-9!%/+@:?#äß]{8,24}\Z").filter(lambda text: text.encode() not in b"********")


def coded(secret: str, before: str, after: str) -> list[str]:
    """Return how somebody may have written it into something longer."""
    octets = secret.encode()
    around = before.encode(), after.encode()
    return [
        secret,
        octets.hex(),
        octets.hex().upper(),
        octets.hex(" "),
        quote(secret, safe=""),
        repr(secret)[1:-1],
        repr(octets),
        json.dumps({"x": secret}),
        base64.b64encode(around[0] + octets + around[1]).decode(),
        base64.urlsafe_b64encode(around[0] + octets + around[1]).decode(),
        str(msgpack.packb({"x": secret})),
    ]


def tells(text: str, secret: str) -> bool:
    """Say whether it can be read out of a text; by means of its own, not of those under test."""
    octets, low = secret.encode(), text.lower()
    if secret in text or octets.hex() in low.replace(" ", "") or quote(secret, safe="").lower() in low:
        return True
    words = text.replace("-", "+").replace("_", "/").split()
    return any(octets in _decoded(word[skip:]) for word in words for skip in range(4))


def _decoded(word: str) -> bytes:
    try:
        return base64.b64decode(word[: len(word) // 4 * 4])
    except ValueError:
        return b""


@given(PLANTED, WORDS, WORDS)
def test_what_a_process_knows_leaves_no_line_in_any_form(secret: str, before: str, after: str) -> None:
    hidden = Hidden()
    hidden.learn([secret.encode()])
    texts = coded(secret, before, after)
    assert sum(tells(text, secret) for text in texts) >= len(texts) // 2  # the eye that looks does see
    for text in texts:
        assert not tells(hidden.hide(f"{before} {text} {after}"), secret)


@given(PLANTED, WORDS, st.sampled_from(["password", "tb_token", "Authorization", "encryption_key", "secret", "cookie"]))
def test_what_stands_behind_a_secrets_name_leaves_no_line(secret: str, noise: str, name: str) -> None:
    plain = f"{secret.encode().hex()}"
    for text in (f"{name}={plain}", f"{name}: {plain}", f'"{name}": "{plain} {plain}"', f"--{name}={plain}"):
        assert plain not in redact(f"{noise} {text} {noise}")


@pytest.mark.parametrize(
    "text",
    [
        "mqtt://user:s3cret-w0rd@broker:1883/x",
        "postgresql+psycopg://meters:s3cret-w0rd@db/meters",
        "mailtos://ann:s3cret-w0rd@mail.example?to=bob",
        "tgram://123456789:s3cret-w0rd/12315544/",
        "https://hooks.slack.com/services/T0/B0/s3cret-w0rd",
        "https://discord.com/api/webhooks/1/s3cret-w0rd",
        "Authorization: Bearer s3cret-w0rd-s3cret-w0rd",
        "curl -H 'Authorization: Basic czNjcmV0LXcwcmQ6czNjcmV0LXcwcmQ='",
        "dbt_s3cret-w0rd_1234567890",
        "dbs_s3cret-w0rd_1234567890",
    ],
)
def test_credentials_are_known_by_their_form(text: str) -> None:
    for found in (redact(f"it said {text} again"), str(redacted({"detail": [{"said": text}]}))):
        assert "s3cret-w0rd" not in found
        assert "czNjcmV0" not in found


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:5001/api/meters", "tb_key=energy", "dedup_key=disk:x", "sqlite:////var/lib/x/store.db", "Basic"],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | WORDS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.sampled_from(sorted(NAMES)), inner, max_size=3)
        ),
        max_leaves=12,
    ),
    PLANTED,
    st.sampled_from([*sorted(NAMES), "Authorization", "mqtt.password", "API-KEY"]),
)
def test_no_document_shows_what_has_a_secrets_name(document: object, secret: str, name: str) -> None:
    shown = redacted({"around": document, "deep": [{"er": {name: secret}}], "also": {name: [secret, {"x": secret}]}})
    assert json.dumps(shown, default=str).count(json.dumps(secret)[1:-1]) == json.dumps(document).count(
        json.dumps(secret)[1:-1]
    )


def test_depth_has_an_end_and_octets_are_not_shown() -> None:
    deep: object = "s3cret"
    for _ in range(40):
        deep = [deep]
    assert "s3cret" not in str(redacted(deep))
    assert redacted(b"s3cret") == STARS
    assert redacted({"password": None, "token": "", "secret": False}) == {
        "password": None,
        "token": "",
        "secret": False,
    }


def test_a_log_hides_what_its_program_knows() -> None:
    logs.hide([b"w0rd-of-the-log"])
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs._Lines())
    record = logging.LogRecord("x", logging.INFO, "x", 1, "could not log in: %s", (b"w0rd-of-the-log".hex(),), None)
    handler.handle(record)
    assert "could not log in: ********" in stream.getvalue()


def test_the_settings_know_their_secrets() -> None:
    found = load(
        "/nowhere",
        {
            "DLMS_BRIDGE_MQTT_PASSWORD": "broker-w0rd",
            "DLMS_BRIDGE_MQTT_USERNAME": "cloud-t0ken",
            "DLMS_BRIDGE_MQTT_MODE": "tb_gateway",
            "DLMS_BRIDGE_NOTIFY_URLS": "json://a:b@c tgram://d/e",
            "DLMS_BRIDGE_STORE_URL": "postgresql://meters:db-w0rd@host/x",
        },
    )
    assert set(found.secrets) == {b"broker-w0rd", b"cloud-t0ken", b"json://a:b@c", b"tgram://d/e", b"db-w0rd"}


def test_the_table_knows_every_secret_of_a_wish() -> None:
    assert set(SECRETS) <= NAMES
    assert 7 in ATTRIBUTES[15]
    assert 2 in METHODS[64]
