"""What can go wrong between a worker and its meter besides the protocol: names, sockets, deadlines, counters, the line.

Goes in: a text that names what is wrong. Comes out: a typed error in the family that says what the caller does next.
"""

from common.errors import Again, Hopeless, Relink, Skip


class NameUnresolved(Relink):
    """The meter's host name has no address, or none came in time."""


class ConnectTimeout(Relink):
    """No answer to the connection request within its deadline."""


class ConnectRefused(Relink):
    """The host is there, and nobody listens at the port."""


class HostUnreachable(Relink):
    """The network knows no way to the host."""


class ConnectFailed(Relink):
    """The system would not connect for any other reason; its text is in the detail."""


class PeerReset(Relink):
    """The connection was broken off by the peer or the network."""


class LinkLost(Relink):
    """Two waits in a row passed without one octet: the meter is not listening any more."""


class ExchangeOverrun(Relink):
    """Octets kept coming and no exchange came to its end within its absolute limit."""


class SerialMissing(Hopeless):
    """A serial line was asked for, and pyserial is not installed."""


class BadCounterFile(Hopeless):
    """The file of the invocation counter is damaged or cannot be read."""


class CounterFileHeld(Again):
    """Another process counts with these keys at this moment."""


class CounterUnsaved(Again):
    """The disk did not take the invocation counter: without it nothing may be protected."""


class LineHeld(Again):
    """Another process of this machine holds the line to the meter."""


class WindowOverrun(Again):
    """A window of a load profile took longer than the live readings can wait; it is tried again, smaller."""


class Withdrawn(Again):
    """Whoever asked for it does not want it any more; nothing is wrong with the link."""


class ProfileUnusable(Skip):
    """What was named as a load profile has rows without times."""


class Interrupted(Exception):
    """Not an error: the loop has something better to do than to wait for this meter (stop, pause, a new address)."""
