"""What passes on lines and to the broker: of one meter and of all."""

from typing import Literal

from admin_api.schemas.shape import Answer, Field, Instant, Query, Time

Resolution = Literal["300", "3600"]


class NetworkQuery(Query):
    """Over which time."""

    since: Instant | None = Field(None, alias="from", description="Periods that touch this time or later; an hour ago.")
    to: Instant | None = Field(None, description="Periods that begin before this time; now.")
    resolution: Resolution = Field("300", description="Seconds of a period.")


class LineCounts(Answer):
    """What passed on meters' lines since their workers began."""

    requests: int = Field(description="Quantities that were asked for.")
    responses: int = Field(description="Quantities that were answered.")
    frames_sent: int
    frames_received: int
    octets_sent: int
    octets_received: int
    bad_frames: int
    out_of_sequence: int
    resent: int
    connects: int
    connect_failures: int
    reconnects: int
    associations: int
    auth_refusals: int


class Sockets(Answer):
    """Sockets that a worker's process holds; null where this host does not tell."""

    open: int | None
    connected: int | None = Field(description="TCP connections that stand.")


class MessageCounts(Answer):
    """Messages to the broker of one meter."""

    messages: int = Field(description="Acknowledged by the broker.")
    waiting: int
    dropped: int


class NetworkPeriod(Answer):
    """What was measured within one period; ``at`` is its begin."""

    at: Time
    measured_s: float
    requests: int
    responses: int
    frames_sent: int
    frames_received: int
    octets_sent: int
    octets_received: int
    connect_failures: int
    reconnects: int
    hdlc_errors: int
    delivered: int


class Rates(Answer):
    """Per second over the periods of the answer; null where nothing was measured."""

    measured_s: float
    requests_per_s: float | None
    responses_per_s: float | None
    octets_sent_per_s: float | None
    octets_received_per_s: float | None
    messages_per_s: float | None


class MeterNetwork(Answer):
    """A meter's line."""

    meter_id: int
    uid: str
    name: str
    line: LineCounts
    sockets: Sockets
    mqtt: MessageCounts
    rates: Rates
    items: list[NetworkPeriod]


class BrokerCounts(Answer):
    """What the publisher sent since it began."""

    messages: int | None
    octets: int | None
    sessions: int | None
    disconnects: int | None


class BrokerPeriod(Answer):
    """What the publisher sent within one period."""

    at: Time
    messages: int
    octets: int
    sessions: int
    disconnects: int


class NetworkMetrics(Answer):
    """All lines together, and the broker."""

    meters: int
    line: LineCounts
    mqtt: BrokerCounts
    rates: Rates
    items: list[NetworkPeriod]
    broker: list[BrokerPeriod]
