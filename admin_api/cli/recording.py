"""What a subscriber gets from the broker, line by line into a file or to whoever audits: proof from outside.

In: the settings' broker and topic. Out: arrivals in their order, each with the time it came; a session of its own at
the broker, QoS 1, which outlives a broker that goes away and comes back. Generic mode only: elsewhere readings carry
no name. No thread: the caller's loop waits in here.
"""

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, cast

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from admin_api.audit.facts import line_of
from common.clock import Clock
from common.errors import Again, Hopeless
from common.settings import MqttSettings

KEEPALIVE_S: Final = 30
SUBSCRIBED_S: Final = 10.0
RETRY_S: Final = 1.0
KEPT_S: Final = 3600  # the broker keeps for us what comes while we are cut off
WINDOW: Final = 1000  # messages the broker may send before we acknowledge
Take = Callable[[bytes, str, int], None]  # payload, lane, UTC in milliseconds


class NotRecordable(Hopeless):
    """The system does not deliver in generic mode, or the file cannot be written."""


class NoBroker(Again):
    """The broker did not confirm the subscription."""


class Recorder:
    """See the module's text; a context manager. ``take`` gets every arrival; ``path`` its lines."""

    def __init__(self, mqtt: MqttSettings, clock: Clock, take: Take | None = None, path: Path | None = None) -> None:
        if mqtt.mode != "generic":
            raise NotRecordable(f"[mqtt] mode is {mqtt.mode}: only generic payloads name their readings")
        self._mqtt, self._clock, self._take = mqtt, clock, take
        self._topic = mqtt.topic.replace("{meter}", "+").replace("{uid}", "+")
        self._is_5 = mqtt.protocol == "5"
        self._client = self._new_client()
        self._subscribed = self._connected = False
        self._next_try = 0.0
        try:
            self._file = path.open("ab", buffering=0) if path else None
        except OSError as error:
            raise NotRecordable(f"{path}: {error.strerror}") from None
        self.count = 0

    def __enter__(self) -> "Recorder":
        limit = self._clock.monotonic() + SUBSCRIBED_S
        while not self._subscribed:
            self.wait(min(RETRY_S, max(0.0, limit - self._clock.monotonic())))
            if self._clock.monotonic() >= limit and not self._subscribed:
                self.__exit__(None, None, None)
                raise NoBroker(f"{self._mqtt.host}:{self._mqtt.port}: no subscription within {SUBSCRIBED_S:.0f} s")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._connected:
            self._client.disconnect(properties=_expiry(0, PacketTypes.DISCONNECT) if self._is_5 else None)
            self._client.loop_misc()
        if self._file:
            self._file.close()

    def wait(self, seconds: float) -> None:
        """Take what arrives within a time."""
        limit = self._clock.monotonic() + seconds
        while (left := limit - self._clock.monotonic()) > 0:
            if not self._connected:
                self._connect(left)
            elif not self._turn(left):
                self._connected = False

    def _turn(self, seconds: float) -> bool:
        try:
            return self._client.loop(seconds) is MQTTErrorCode.MQTT_ERR_SUCCESS
        except (OSError, ValueError, MQTTException):
            return False

    def _connect(self, left_s: float) -> None:
        now = self._clock.monotonic()
        if now < self._next_try:
            self._clock.sleep(min(left_s, self._next_try - now))
            return
        self._next_try = now + RETRY_S
        properties = _expiry(KEPT_S, PacketTypes.CONNECT) if self._is_5 else None
        try:
            self._client.connect(self._mqtt.host, self._mqtt.port, KEEPALIVE_S, properties=properties)
        except (OSError, ValueError):
            return
        self._connected = True

    def _new_client(self) -> paho.Client:
        mqtt = self._mqtt
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{mqtt.client_id}-record-{os.getpid()}",
            protocol=MQTTProtocolVersion.MQTTv5 if self._is_5 else MQTTProtocolVersion.MQTTv311,
            clean_session=None if self._is_5 else False,
            reconnect_on_failure=False,
        )
        if mqtt.username:
            client.username_pw_set(mqtt.username, mqtt.password.reveal() or None)
        if mqtt.tls:
            client.tls_set(mqtt.ca_file or None, mqtt.cert_file or None, mqtt.key_file or None)
        client.on_connect, client.on_subscribe, client.on_message = (
            self._on_connect,
            self._on_subscribe,
            self._on_message,
        )
        return client

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if not code.is_failure:
            client.subscribe(self._topic, 1)

    def _on_subscribe(
        self, _client: paho.Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: object
    ) -> None:
        self._subscribed = self._subscribed or not any(code.is_failure for code in codes)

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        lane = str(dict(getattr(message.properties, "UserProperty", [])).get("lane", ""))
        payload, at_ms = bytes(message.payload), self._clock.wall_ms()
        self.count += 1
        if self._file:
            self._file.write(line_of(message.topic, payload, lane, at_ms, duplicate=message.dup))
        if self._take:
            self._take(payload, lane, at_ms)


def _expiry(seconds: int, packet: int) -> Properties:
    properties = cast("Callable[[int], Properties]", Properties)(packet)  # paho left it untyped
    properties.SessionExpiryInterval = seconds
    if packet == PacketTypes.CONNECT:
        properties.ReceiveMaximum = WINDOW
    return properties
