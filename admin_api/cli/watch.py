"""Live readings on the terminal as a subscriber sees them at the broker: proof that every process does its part.

In: the broker's address and a topic filter. Out: a line for each reading. A broker that is away is tried again at the
next call; what is not a reading of ours is passed over. No thread: the caller's loop waits in here.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final, cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from admin_api.cli.output import show_line

KEEPALIVE_S: Final = 30
MAX_LINE: Final = 160  # characters
MAX_NAME: Final = 16


class Watch:
    """One subscription without memory: what arrives while nobody listens is not shown."""

    def __init__(self, host: str, port: int, topic: str) -> None:
        self._address = (host, port)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self._client.on_connect = self._subscribe
        self._client.on_message = _show
        self._topic = topic
        self._connected = False

    def wait(self, timeout_s: float) -> bool:
        """Show what arrives within a time; return False, at once, while there is no broker."""
        try:
            if not self._connected:
                self._client.connect(*self._address, KEEPALIVE_S)
                self._connected = True
            self._connected = self._client.loop(timeout_s) is MQTTErrorCode.MQTT_ERR_SUCCESS
        except (OSError, ValueError):
            self._connected = False
        return self._connected

    def _subscribe(self, client: paho.Client, _data: object, _flags: object, _code: object, _more: object) -> None:
        client.subscribe(self._topic)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()


def _show(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
    line = reading_line(message.payload)
    if line:
        show_line(line)


def reading_line(payload: bytes | bytearray) -> str:
    """Return a reading's payload as a line for people; nothing for what is none."""
    try:
        document = json.loads(payload)
    except ValueError:
        return ""
    match document:
        case {"ts": int(ts_ms), "meter": str(meter), "values": dict(values)} if 0 <= ts_ms < 1 << 42:
            units = cast("Mapping[str, str]", document.get("units") or {})
            told = "  ".join(f"{key} {value} {units.get(key, '')}".rstrip() for key, value in values.items())
            at = datetime.fromtimestamp(ts_ms / 1000).astimezone().strftime("%H:%M:%S")
            return f"{at}  {meter[:MAX_NAME]:<8} {told}"[:MAX_LINE]
    return ""
