"""What `meterctl --json` prints, as JSON Schemas (2020-12): one file a command in docs/schemas, made by this module.

    python -m tests.house.schemas          writes docs/schemas anew

Where the API answers the same document its form is taken; what only the command line prints has its form here. A
command that prints a document a line (``lines``) has the schema of one line.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from admin_api.audit.verdict import Decision
from admin_api.schemas.access import UserAnswer
from admin_api.schemas.alarms import AlarmAnswer
from admin_api.schemas.jobs import JobAnswer
from admin_api.schemas.logs import LogLine
from admin_api.schemas.meters import Latest, MeterAnswer
from admin_api.schemas.quality import ActionPlan, Diagnosis, ReportAnswer
from admin_api.schemas.shape import Answer, Time
from admin_api.schemas.transfer import ImportReport
from common.meter_state import DesiredState, MeterState
from common.store.model import Role

DIRECTORY: Final = Path(__file__).parents[2] / "docs" / "schemas"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
Json = bool | int | float | str | list[object] | dict[str, object] | None
Scalar = bool | int | float | str | None
Uid = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Octets = Annotated[str, Field(pattern="^([0-9a-f]{2})*$")]


class Failure(Answer):
    """Why something was not done; ``kind`` is the interface, ``detail`` is for people."""

    kind: str
    detail: str
    at: str = ""
    hint: str = ""


class ErrorLine(Answer):
    """What stands on standard error when a command fails."""

    error: Failure


class Prepared(Answer):
    """What `init` made; the token is shown this once."""

    state: str
    settings: str
    token: str | None


class KnownMeter(MeterAnswer):
    """All that is known of one meter."""

    latest: Latest | None
    metrics: dict[str, float]
    facts: dict[str, str]
    alarms: list[AlarmAnswer]


class NamedAlarm(AlarmAnswer):
    """An alarm, with the name of its meter."""

    meter: str | None


class RemovedMeter(Answer):
    """A meter that is no more."""

    id: int
    uid: Uid
    name: str
    removed: Literal[True]


class WishedState(Answer):
    """What is wished of a meter now."""

    id: int
    name: str
    desired_state: DesiredState
    revision: int


class CommandSaid(Answer):
    """What a worker, or the publisher, answered."""

    meter: str
    verb: str
    state: Literal["pending", "dispatched", "done", "failed", "expired", "cancelled"]
    result: dict[str, object]
    error: Failure | None


class JobSaid(CommandSaid):
    """What became of long work, so far."""

    id: str
    progress: str


class ReadingLine(Latest):
    """A reading as it came."""

    meter: str
    uid: Uid


class StateLine(Answer):
    """A meter's new state."""

    meter: str
    state: MeterState
    cause: str
    detail: str


class NamedLogLine(LogLine):
    """A line of a log."""

    log: str


class HealthFound(Answer):
    """Whether the system does its work."""

    healthy: bool
    silent: list[str]
    troubled: dict[str, str]
    missed: dict[str, str]
    not_measured: list[str]
    alarms: dict[str, int]
    meters: dict[str, int]
    ages_s: dict[str, float | None]


class InvariantFound(Answer):
    """One invariant of the audit."""

    says: str
    decision: Decision
    reason: str
    numbers: dict[str, float | None]
    texts: list[str]


class AuditFound(Answer):
    """The verdict of the audit."""

    readings: int
    profile_readings: int
    repeats: int
    missing_cycles: int
    broken: list[str]
    invariants: dict[str, InvariantFound]
    latency_ms: dict[str, dict[str, float]]


class OutboxRowShown(Answer):
    """A reading that is set aside; ``values`` null: it is none."""

    row: int
    meter: str | None
    uid: Uid
    epoch: Octets
    seq: int
    ts: int
    reason: str
    age_s: float
    octets: int
    values: dict[str, Scalar] | None


class ExportedMeter(Answer):
    """A meter as a file holds it; `meterctl import` takes the same."""

    model_config = ConfigDict(extra="allow")
    uid: Uid
    name: str
    ip_address: str
    measurements: list[Json]


class SettingsShown(Answer):
    """All settings by section; a secret that is set shows as asterisks."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Scalar]] = Field(init=False)
    state: str


class TokenMade(Answer):
    """A token that was made; its text is shown this once."""

    id: int
    role: Role
    label: str
    expires_at: Time | None
    token: str


class TokenListed(Answer):
    """A token without its text."""

    id: int
    role: Role
    label: str
    state: str
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Time | None


class TokenRevoked(Answer):
    """A token that is worthless from now on."""

    id: int
    revoked: Literal[True]


class UserShown(UserAnswer):
    """Somebody who may log in."""


class UserRemoved(Answer):
    """Somebody who may not any more."""

    name: str
    removed: Literal[True]


class BackupMade(Answer):
    """A backup that was written, and how it was verified."""

    file: str
    octets: int
    revision: str
    with_key: bool
    key: str
    verified: Literal["checksums", "restored"]
    rows: dict[str, int]


class BackupRestored(Answer):
    """What a backup brought back."""

    file: str
    made_at: Time
    rows: dict[str, int]
    aside: str | None
    key_aside: str | None
    key_changed: bool
    settings_restored: bool
    secrets: bool


class MigrationStep(Answer):
    """One revision of the schema."""

    revision: str
    about: str


class Migrated(Answer):
    """What was done to the schema, or would be."""

    from_: str = Field(alias="from")
    to: str
    way: Literal["up", "down"]
    steps: list[MigrationStep]
    done: bool
    backup: str | None


class KeyRotated(Answer):
    """The master key in force now."""

    key: str
    before: str
    secrets: int
    sealed_anew: int
    finished_an_earlier_one: bool
    kept: str | None


class Provisioned(Answer):
    """A meter's device in ThingsBoard; ``changed``: the meter's wish was, or would be."""

    meter: str
    device: str
    device_id: str | None
    outcome: Literal["found", "created", "would be created"]
    changed: bool
    dry_run: bool


class ItemRead(Answer):
    """An attribute that was read, or why not."""

    obis: str
    class_id: int = Field(alias="class")
    value: Scalar = None
    raw: Json = None
    scaler: int | None = None
    unit: str | None = None
    error: Failure | None = None


class AttributeShown(Answer):
    """An attribute, its rights, and its value where it was read."""

    attribute: int
    name: str | None
    rights: list[str]
    selectors: list[int]
    value: Json = None
    raw: Json = None
    error: Failure | None = None


class MethodShown(Answer):
    """A method and its rights."""

    method: int
    name: str | None
    rights: list[str]


class ObjectShown(Answer):
    """An object of a meter."""

    class_id: int = Field(alias="class")
    class_name: str | None
    version: int
    obis: str
    name: str | None
    attributes: list[AttributeShown]
    methods: list[MethodShown]


class ColumnShown(Answer):
    """A column of a profile."""

    class_id: int = Field(alias="class")
    obis: str
    attribute: int
    index: int
    name: str | None
    unit: str | None
    scaler: int | None


class ProfileShown(Answer):
    """Rows of a profile."""

    columns: list[ColumnShown]
    rows: list[list[Scalar]]
    missing: list[str]


class ClockShown(Answer):
    """A meter's clock beside ours."""

    model_config = ConfigDict(extra="allow")
    obis: str
    raw: Octets
    time: str | None
    offset_s: float | None
    status: list[str]


class Written(Answer):
    """An attribute that was written."""

    obis: str
    class_id: int = Field(alias="class")
    attribute: int
    written: Json


class Invoked(Answer):
    """A method that was invoked, and what it returned."""

    obis: str
    class_id: int = Field(alias="class")
    method: int
    returned: Json


class Captured(Answer):
    """A capture that was written."""

    output: str
    pieces: int
    dropped_octets: int


class Explained(Answer):
    """A part of a line's octets, and what it means."""

    offset: int
    octets: Octets
    name: str
    meaning: str = ""
    fault: bool = False
    derived: bool = False
    children: "list[Explained]" = Field(default_factory=list)


class Pushed(Answer):
    """A push that was heard: what it says of itself and its value, or why it could not be read."""

    at: str
    peer: str
    source: str | int | None
    destination: str | int | None
    ciphered: bool
    kind: str = ""
    invoke: int = 0
    confirmed: bool = False
    time: str = ""
    names: list[str] = Field(default_factory=list)
    class_id: int = Field(0, alias="class")
    obis: str = ""
    attribute: int = 0
    value: Json = None
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command prints; ``lines``: one document a line."""

    of: object
    lines: bool = False


PRINTED: Final[dict[str, Printed]] = {
    "error": Printed(ErrorLine),
    "init": Printed(Prepared),
    "add": Printed(MeterAnswer),
    "edit": Printed(MeterAnswer),
    "remove": Printed(RemovedMeter, lines=True),
    "list": Printed(list[MeterAnswer]),
    "status": Printed(KnownMeter),
    "follow": Printed(ReadingLine | StateLine, lines=True),
    "logs": Printed(NamedLogLine, lines=True),
    "read": Printed(CommandSaid, lines=True),
    "test": Printed(CommandSaid, lines=True),
    "restart": Printed(CommandSaid, lines=True),
    "backfill": Printed(JobSaid),
    "discover": Printed(JobAnswer),
    "scan": Printed(JobAnswer),
    "jobs": Printed(list[JobAnswer]),
    "jobs-list": Printed(list[JobAnswer]),
    "jobs-show": Printed(JobAnswer),
    "jobs-cancel": Printed(JobAnswer),
    "pause": Printed(WishedState, lines=True),
    "resume": Printed(WishedState, lines=True),
    "stop": Printed(WishedState, lines=True),
    "start": Printed(WishedState, lines=True),
    "health": Printed(HealthFound),
    "alarms": Printed(list[NamedAlarm]),
    "alarms-list": Printed(list[NamedAlarm]),
    "alarms-ack": Printed(AlarmAnswer, lines=True),
    "report": Printed(ReportAnswer),
    "diagnose": Printed(Diagnosis),
    "action-plan": Printed(ActionPlan),
    "audit": Printed(AuditFound),
    "outbox-list": Printed(list[OutboxRowShown]),
    "outbox-retry": Printed(CommandSaid),
    "outbox-drop": Printed(CommandSaid),
    "token-create": Printed(TokenMade),
    "token-list": Printed(list[TokenListed]),
    "token-revoke": Printed(TokenRevoked),
    "user-add": Printed(UserShown),
    "user-list": Printed(list[UserShown]),
    "user-password": Printed(UserShown),
    "user-role": Printed(UserShown),
    "user-disable": Printed(UserShown),
    "user-enable": Printed(UserShown),
    "user-remove": Printed(UserRemoved),
    "backup": Printed(BackupMade),
    "restore": Printed(BackupRestored),
    "migrate": Printed(Migrated),
    "rotate-key": Printed(KeyRotated),
    "import": Printed(ImportReport),
    "export": Printed(list[ExportedMeter]),
    "provision": Printed(Provisioned, lines=True),
    "config-check": Printed(SettingsShown),
    "read-host": Printed(list[ItemRead]),
    "objects": Printed(list[ObjectShown]),
    "profile": Printed(ProfileShown),
    "clock": Printed(ClockShown),
    "set": Printed(Written),
    "action": Printed(Invoked),
    "capture": Printed(Captured),
    "decode": Printed(list[Explained]),
    "listen": Printed(Pushed, lines=True),
}
"""By the name of the file: the words of the command with hyphens between."""


def schema(name: str) -> dict[str, object]:
    """Return the JSON Schema of what a command prints."""
    printed = PRINTED[name]
    made = TypeAdapter[object](printed.of).json_schema(schema_generator=Answer.schemas)  # type: ignore[arg-type]
    title = f"meterctl {name.replace('-', ' ')}" if name != "error" else "an error, on standard error"
    told = "of one line; the command prints a line for each" if printed.lines else "of what the command prints"
    return {"$schema": DIALECT, "$comment": f"the schema {told}", **made, "title": title}


def text(name: str) -> str:
    """Return the content of a command's file."""
    return json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write all files, and remove those of commands that are no more."""
    DIRECTORY.mkdir(exist_ok=True)
    for path in DIRECTORY.glob("*.json"):
        if path.stem not in PRINTED:
            path.unlink()
    for name in PRINTED:
        (DIRECTORY / f"{name}.json").write_text(text(name), encoding="utf-8")
    print(f"{len(PRINTED)} schemas in {DIRECTORY}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
