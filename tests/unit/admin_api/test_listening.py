"""Whether the API may listen as the settings say."""

from dataclasses import replace
from pathlib import Path

import pytest

from admin_api.cli.programs import gunicorn_conf
from admin_api.listening import check, modern
from common.settings import BadSettings, Settings, load
from tests.support.authority import Authority


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(str(tmp_path), {})


def with_api(settings: Settings, **changes: object) -> Settings:
    return replace(settings, api=replace(settings.api, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_tls(settings: Settings, host: str) -> None:
    check(with_api(settings, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "", "meters.example"])
def test_beyond_loopback_needs_tls_or_somebodys_word(settings: Settings, host: str) -> None:
    with pytest.raises(BadSettings, match=r"\[api\] host .*tls_cert_file.*insecure = true"):
        check(with_api(settings, host=host))
    check(with_api(settings, host=host, insecure=True))


def test_a_certificate_and_its_key_make_it_https(settings: Settings, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path / "ca").issue("api")
    key.chmod(0o600)
    found = with_api(settings, host="0.0.0.0", tls_cert_file="ca/api.crt", tls_key_file=str(key))
    check(found)
    values: dict[str, object] = {}
    exec(gunicorn_conf(found), values)
    assert (values["certfile"], values["keyfile"]) == (str(certificate), str(key))
    assert callable(values["ssl_context"])
    assert values["preload_app"] is True


def test_a_key_that_others_may_read_is_refused(settings: Settings, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path / "ca").issue("api")
    key.chmod(0o640)
    with pytest.raises(BadSettings, match=r"mode 640\); chmod 0600"):
        check(with_api(settings, tls_cert_file=str(certificate), tls_key_file=str(key)))


def test_half_a_pair_a_wrong_pair_and_no_file_are_named(settings: Settings, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("api")
    _, other = authority.issue("other")
    other.chmod(0o600)
    for changes, said in (
        ({"tls_cert_file": str(certificate)}, "tls_key_file"),
        ({"tls_key_file": str(key)}, "tls_cert_file"),
        ({"tls_cert_file": str(certificate), "tls_key_file": str(other)}, "MISMATCH"),
        ({"tls_cert_file": str(certificate), "tls_key_file": "gone.key"}, "gone.key: No such file"),
    ):
        with pytest.raises(BadSettings, match=said):
            check(with_api(settings, **changes))


def test_nothing_older_than_tls_1_2_with_forward_secrecy() -> None:
    import ssl

    context = modern(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    names = {str(cipher["name"]) for cipher in context.get_ciphers()}
    assert all(name.startswith(("TLS_", "ECDHE-")) and ("GCM" in name or "CHACHA20" in name) for name in names)
