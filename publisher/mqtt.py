"""One MQTT session: a paho client from its connect to its end. The only module that knows paho.

In: a target, messages to publish, readiness of the socket. Out: what happened, as plain facts to be collected by the
caller: opened, acknowledged, ended. paho gets a fresh client for every session, so that the outbox alone decides what
is sent again, and keeps no queue: the caller keeps within ``window``. No thread of paho runs; a connect blocks, so the
caller runs ``dial`` in a thread, and everything else in its own once ``dial`` has returned.
"""

import socket
import ssl
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from common.errors import Hopeless, Skip
from common.routes import Target
from publisher.delivery import Fault, fault_of_code
from publisher.telemetry import Message

KEEPALIVE_S: Final = 30
DIAL_TIMEOUT_S: Final = 5.0  # TCP, and again the TLS handshake
USER_TIMEOUT_MS: Final = 20_000  # octets that the peer's kernel does not confirm for this long end the connection
# What paho lets through when a broker sends what no broker may: the session is over, the process is not
_FOREIGN: Final = (OSError, ValueError, LookupError, AssertionError, struct.error, MQTTException)


class Unpublishable(Skip):
    """MQTT has no such message: a topic with wildcards, or too long."""


class _Unreadable(Hopeless):
    """A certificate, key or CA file cannot be read."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a session is over: the next step's name, a text for a person, the broker's reason code (0: it gave none)."""

    fault: Fault
    text: str
    code: int = 0


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A PUBACK; ``code`` 0: delivered, also where nobody subscribes."""

    mid: int
    code: int = 0
    text: str = ""


class Session:
    """See the module's text. ``opened`` and ``ended`` are facts; acknowledgements are collected by ``take``."""

    def __init__(self, target: Target, will: Message | None, window: int) -> None:
        self._target = target
        self._client = _client(target, will)
        self._client.on_socket_open = self._on_socket_open
        self._client.on_socket_register_write = _later
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._socket: socket.socket | None = None
        self._acknowledged: list[Acknowledged] = []
        self._properties = {} if target.protocol < MQTTProtocolVersion.MQTTv5 else _lane_properties()
        self.window = window
        self.max_packet = 0  # octets; 0: the broker named no limit
        self.retains = True
        self.opened = False
        self.ended: Ended | None = None

    def dial(self) -> None:
        """Connect; blocks up to twice DIAL_TIMEOUT_S and what the name's resolution takes. Raises nothing."""
        try:
            if self._target.tls:
                self._client.tls_set_context(_tls(self._target))
            self._client.connect(self._target.host, self._target.port, KEEPALIVE_S)
        except ssl.SSLError as error:
            self._end(Fault.REFUSED, f"TLS: {error.reason or error}")
        except _Unreadable as error:
            self._end(Fault.REFUSED, f"TLS: {error.detail}")
        except (OSError, ValueError) as error:
            self._end(Fault.UNREACHABLE, f"{getattr(error, 'strerror', None) or error or type(error).__name__}")

    def fileno(self) -> int:
        """Return the socket's descriptor; -1 when there is none."""
        return -1 if self._socket is None or self.ended else self._socket.fileno()

    def wants_write(self) -> bool:
        """Return whether octets wait for the socket."""
        return self._client.want_write()

    def read(self) -> None:
        """Take what the socket has."""
        for _ in range(max(self.window, 1)):
            self._run(self._client.loop_read)
            if self.ended or not isinstance(self._socket, ssl.SSLSocket) or not self._socket.pending():
                break
        self._confirm_quickly()

    def write(self) -> None:
        """Give the socket what waits."""
        if not self.ended and self._client.want_write():
            self._run(self._client.loop_write)
            self._confirm_quickly()

    def _confirm_quickly(self) -> None:
        """Ask the kernel not to delay its ACK: a broker with Nagle's algorithm holds back PUBACKs until it comes.

        Linux forgets the option by itself (tcp(7)). Measured with Mosquitto's defaults: ten PUBACKs for a burst of ten
        messages took 41 ms without, 2 ms with it.
        """
        if self._socket is not None and not self.ended:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def tick(self) -> None:
        """Keep the session alive, notice a dead one; once a second."""
        if not self.ended:
            self._run(self._client.loop_misc)

    def publish(self, message: Message) -> int:
        """Queue a message with QoS 1 for ``write``; return the name of its acknowledgement. Raises Unpublishable."""
        retain = message.retain and self.retains
        try:
            properties = self._properties.get(message.lane)
            return self._client.publish(message.topic, message.payload, 1, retain, properties).mid
        except ValueError as error:
            raise Unpublishable(f"topic {message.topic[:100]!r}: {error}") from None

    def take(self) -> list[Acknowledged]:
        """Return the acknowledgements since the last call."""
        taken, self._acknowledged = self._acknowledged, []
        return taken

    def close(self) -> None:
        """Say DISCONNECT as far as the socket takes it, and end: the broker forgets the last will."""
        if not self.ended:
            self._client.disconnect()
            self.write()
            self._end(Fault.STOPPED, "closed by us")
        self._shut(reset=False)

    def abort(self, fault: Fault, text: str) -> None:
        """End at once; what the socket still holds is thrown away, so that it cannot overtake a later session."""
        self._end(fault, text)
        self._shut(reset=True)

    def _shut(self, *, reset: bool) -> None:
        if self._socket is None:
            return
        if reset and self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
        self._socket = None

    def _run(self, step: Callable[[], MQTTErrorCode]) -> None:
        try:
            step()
        except _FOREIGN as error:
            self.abort(Fault.LOST, f"what the broker sent is not MQTT: {type(error).__name__}: {error}")

    def _end(self, fault: Fault, text: str, code: int = 0) -> None:
        if self.ended is None:
            self.ended = Ended(fault, text if code == 0 else f"{text} (0x{code:02x})", code)

    def _on_socket_open(self, _client: paho.Client, _data: object, opened: object) -> None:
        self._socket = cast("socket.socket", opened)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: object, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._end(fault_of_code(code.value, opened=False), f"refused by the broker: {code}", code.value)
            return
        self.opened = True
        limits = _limits(properties)
        self.window = min(self.window, limits.get("ReceiveMaximum", self.window))
        self.max_packet = limits.get("MaximumPacketSize", 0)
        self.retains = limits.get("RetainAvailable", 1) == 1
        if limits.get("MaximumQoS", 1) < 1:
            self._end(Fault.REFUSED, "the broker does not take QoS 1, so nothing would ever be acknowledged")

    def _on_disconnect(
        self, _client: paho.Client, _data: object, flags: paho.DisconnectFlags, code: ReasonCode, _properties: object
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._end(fault_of_code(code.value, opened=True), f"ended by the broker: {code}", code.value)
        elif self.opened:
            self._end(Fault.LOST, f"connection lost: {code}")
        else:
            self._end(Fault.UNREACHABLE, f"no session: the broker closed the connection before it answered ({code})")

    def _on_publish(self, _client: paho.Client, _data: object, mid: int, code: ReasonCode, _properties: object) -> None:
        fact = Acknowledged(mid, code.value, str(code)) if code.is_failure else Acknowledged(mid)
        self._acknowledged.append(fact)


def _client(target: Target, will: Message | None) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=target.client_id,
        protocol=MQTTProtocolVersion(target.protocol),
        reconnect_on_failure=False,
    )
    client.connect_timeout = DIAL_TIMEOUT_S
    client.max_inflight_messages = 0  # no queue inside paho, and no walk through one at each PUBACK
    if target.username:
        client.username_pw_set(target.username, target.password.reveal() or None)
    if will:
        client.will_set(will.topic, will.payload, 1, will.retain)
    return client


def _tls(target: Target) -> ssl.SSLContext:
    """Return the context of a connection: certificate and host name are checked, and nothing turns that off."""
    for name in filter(None, (target.ca_file, target.cert_file, target.key_file)):
        try:
            Path(name).open("rb").close()  # ssl does not say which of the files it cannot read
        except OSError as error:
            raise _Unreadable(f"{name}: {error.strerror}") from None
    if target.key_file and (mode := stat.S_IMODE(Path(target.key_file).stat().st_mode)) & 0o077:
        raise _Unreadable(f"{target.key_file}: open to other users (mode {mode:03o}); chmod 0600")
    context = ssl.create_default_context(cafile=target.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if target.cert_file:
        context.load_cert_chain(target.cert_file, target.key_file or None)
    return context


def _later(_client: paho.Client, _data: object, _socket: object) -> None:
    """Stand in for a loop's registration: with it paho leaves writing to ``write``, one system call for many."""


def _lane_properties() -> dict[str, Properties]:
    return {lane: _user_property("lane", lane) for lane in ("live", "backlog", "strict")}


def _user_property(name: str, value: str) -> Properties:
    properties = cast("Callable[[int], Properties]", Properties)(PacketTypes.PUBLISH)  # paho left it untyped
    properties.UserProperty = (name, value)
    return properties


def _limits(properties: Properties | None) -> dict[str, int]:
    """Return the numbers of a CONNACK's properties by name (MQTT 5, section 3.2.2.3)."""
    values = {} if properties is None else vars(properties)
    return {name: value for name, value in values.items() if isinstance(value, int)}
