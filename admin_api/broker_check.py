"""Whether a broker takes a meter's token: one MQTT session, opened and closed again, within LIMIT_S.

In: the broker that a meter's own settings name. Out: accepted, or why not, as a word and a text. Nothing is published;
the client's name is its own, so that no session of the publisher is thrown out. paho runs in a thread that is left to
itself when it takes too long: looking up a name knows no time limit.
"""

import os
import ssl
import threading
from dataclasses import dataclass
from typing import Final

import paho.mqtt.client as paho
from paho.mqtt import MQTTException
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from common.clock import Clock
from common.errors import Hopeless
from common.secret import Secret
from common.settings import MqttSettings
from common.store.model import MeterWish

LIMIT_S: Final = 5.0
STEP_S: Final = 0.1
KEEPALIVE_S: Final = 10
TLS_PORT: Final = 8883
_FOREIGN: Final = (ValueError, LookupError, AssertionError, MQTTException)


class NoThingsboard(Hopeless):
    """The meter has no ThingsBoard of its own."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a session is to be opened, and as whom."""

    host: str
    port: int
    token: Secret
    tls: bool
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of it; ``kind``: accepted, refused, unreachable, tls, not_mqtt, no_answer."""

    ok: bool
    kind: str
    detail: str
    seconds: float = 0.0


def own_broker(wish: MeterWish, mqtt: MqttSettings) -> Broker:
    """Return the broker that a meter's readings go to by its own settings; raise NoThingsboard."""
    if not (wish.tb_token or wish.tb_host):
        raise NoThingsboard("the meter has neither a token nor a host of its own")
    return Broker(wish.tb_host or mqtt.host, wish.tb_port, wish.tb_token, wish.tb_port == TLS_PORT, mqtt.ca_file)


def check_broker(broker: Broker, clock: Clock, limit_s: float = LIMIT_S) -> Answered:
    """Open a session and close it; return what came of it. Raises nothing."""
    attempt = _Attempt(broker, clock, limit_s)
    begun = clock.monotonic()
    thread = threading.Thread(target=attempt.run, name="broker-check", daemon=True)
    thread.start()
    thread.join(limit_s)
    found = attempt.answered or Answered(False, "no_answer", f"no answer within {limit_s:g} s")
    return Answered(found.ok, found.kind, found.detail, round(clock.monotonic() - begun, 3))


class _Attempt:
    """One session; ``answered`` is set when it is known what came of it."""

    def __init__(self, broker: Broker, clock: Clock, limit_s: float) -> None:
        self.answered: Answered | None = None
        self._broker = broker
        self._clock = clock
        self._limit_s = limit_s
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"dlms-bridge-check-{os.urandom(6).hex()}",
            protocol=MQTTProtocolVersion.MQTTv311,  # ThingsBoard's own level
            reconnect_on_failure=False,
        )
        self._client.connect_timeout = limit_s
        self._client.on_connect = self._on_connect
        self._client.username_pw_set(broker.token.reveal() or None)

    def run(self) -> None:
        """Connect and wait for the answer."""
        try:
            self._dial()
            self._wait()
        except ssl.SSLError as error:
            self._end("tls", f"TLS: {error.reason or error}")
        except OSError as error:
            self._end("unreachable", error.strerror or str(error) or type(error).__name__)
        except _FOREIGN as error:
            self._end("not_mqtt", f"what answered is no MQTT broker: {type(error).__name__}")
        finally:
            self._client.disconnect()

    def _dial(self) -> None:
        if self._broker.tls:
            self._client.tls_set_context(ssl.create_default_context(cafile=self._broker.ca_file or None))
        self._client.connect(self._broker.host, self._broker.port, KEEPALIVE_S)

    def _wait(self) -> None:
        until = self._clock.monotonic() + self._limit_s
        while self.answered is None and self._clock.monotonic() < until:
            if self._client.loop(STEP_S) is not MQTTErrorCode.MQTT_ERR_SUCCESS and self.answered is None:
                self._end("not_mqtt", "the connection was closed before a broker answered")

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if code.is_failure:
            self._end("refused", f"refused by the broker: {code}")
        else:
            self.answered = Answered(True, "accepted", "the broker took the token")

    def _end(self, kind: str, detail: str) -> None:
        self.answered = self.answered or Answered(False, kind, detail)
