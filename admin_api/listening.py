"""Whether the API may listen as the settings say, and how it speaks TLS.

In: settings. Out: nothing, or BadSettings that names the setting at fault; the context for gunicorn. Without TLS it
listens on loopback alone, unless somebody vouches for what does TLS before it. Whoever starts the API asks first.
"""

import ipaddress
import os
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from common.settings import BadSettings, Settings

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption alone; those of TLS 1.3 are all such."""


def check(settings: Settings) -> None:
    """Raise BadSettings when the API would be open to a network without TLS, or its certificate is of no use."""
    api = settings.api
    if bool(api.tls_cert_file) != bool(api.tls_key_file):
        missing = "tls_key_file" if api.tls_cert_file else "tls_cert_file"
        raise BadSettings(f"[api] {missing}: a certificate and its key are needed together")
    if speaks_tls(settings):
        _check_files(*files(settings))
    elif not is_loopback(api.host) and not api.insecure:
        raise BadSettings(
            f"[api] host {api.host}: beyond loopback tokens would pass in the clear; set tls_cert_file, tls_key_file,"
            " or insecure = true where something before the API does TLS"
        )


def speaks_tls(settings: Settings) -> bool:
    """Return whether the API speaks HTTPS itself."""
    return bool(settings.api.tls_cert_file)


def files(settings: Settings) -> tuple[Path, Path]:
    """Return where certificate and key are; paths start from the state directory."""
    root = settings.paths.root
    return root / settings.api.tls_cert_file, root / settings.api.tls_key_file


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host's address; a name but localhost is not looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def modern(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return a server's context that takes nothing older than TLS 1.2 with forward secrecy."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    return context


def gunicorn_context(_config: object, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return the context that gunicorn serves with: its hook ``ssl_context``."""
    return modern(default())


def _check_files(certificate: Path, key: Path) -> None:
    try:
        with key.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        certificate.open("rb").close()
    except OSError as error:
        raise BadSettings(f"[api] TLS: {error.filename}: {error.strerror}") from None
    if mode & 0o077:
        raise BadSettings(f"[api] tls_key_file {key}: open to other users (mode {mode:03o}); chmod 0600")
    try:
        modern(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)).load_cert_chain(certificate, key, password=_none)
    except (ssl.SSLError, ValueError) as error:
        why = "needs a passphrase" if isinstance(error, ValueError) else error.reason or "not PEM"
        raise BadSettings(f"[api] TLS: {certificate} and {key} are no certificate and its key: {why}") from None


def _none() -> str:
    """Answer OpenSSL's question for a passphrase, which nobody is there to answer."""
    return ""
