"""What supervisord knows of a process, as values.

In: its own words. Out: frozen values that pure decisions may use. No socket may enter.
"""

from dataclasses import dataclass
from enum import StrEnum


class ProcessState(StrEnum):
    """The states of a process in supervisord's words; ABSENT: no such program."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"
    UNKNOWN = "UNKNOWN"
    ABSENT = "ABSENT"


@dataclass(frozen=True, slots=True)
class Process:
    """One process. ``started_s``: whole seconds UTC of its last start; only its change means anything."""

    name: str
    state: ProcessState = ProcessState.ABSENT
    pid: int = 0
    started_s: int = 0
    exit_status: int = 0
    error: str = ""
