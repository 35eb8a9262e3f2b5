"""Simulated DLMS/COSEM meters over TCP to try everything against, with an encoder and a parser of their own.

    from poller.simulator import Fleet, MeterSpec

    with Fleet([MeterSpec("sim-1"), MeterSpec("sim-2", "wrapper")], log=Path("answers.jsonl")) as fleet:
        fleet.meters["sim-1"].port
        fleet.do(meter="sim-1", do="stall", seconds=5, count=1)
        fleet.status("sim-1")["gets"]

Personalities: ``microstar`` (HDLC, one-octet address 1, SAP 1/17/32 with passwords 22222222/00000000/11111111, SAP 16
without, no GET-with-list), ``generic-list`` (HDLC, four-octet address 1/17, lists), ``wrapper`` (WRAPPER, lists). Every
option, fault and field of the log is in docs/SIMULATOR.md. The poller's core and the simulator never import each other.
"""

from poller.simulator.device import MeterSpec
from poller.simulator.faults import Asked, Fault, FaultKind, Where
from poller.simulator.fleet import Fleet
from poller.simulator.personality import Personality, personality

__all__ = ["Asked", "Fault", "FaultKind", "Fleet", "MeterSpec", "Personality", "Where", "personality"]
