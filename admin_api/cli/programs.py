"""supervisord's static configuration as text: all but the meters, whose programs supervisor_qos adds and removes.

In: settings and the directory of our console scripts. Out: the text of RUN/supervisord.conf, or UnsafeText. Pure.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from admin_api.listening import files, speaks_tls
from common.notify_urls import is_configured
from common.paths import Paths
from common.settings import Settings
from common.supervisord import SOCKET_NAME, quoted
from common.tether import tethered

MIN_FDS: Final = 2048  # every child closes as many on its start: 250 meters need 650 in supervisord, 1500 in publisher
LOG_OCTETS: Final = "5MB"
LOG_BACKUPS: Final = 2
GUNICORN_CONF: Final = "gunicorn.conf.py"
API_DIRECTORY: Final = "api"  # below RUN, empty: gunicorn puts its working directory first on its path
FOR_EVER: Final = 1_000_000  # retries of what nobody but supervisord would start again


@dataclass(frozen=True, slots=True)
class Program:
    """One static program; a lower priority starts earlier."""

    name: str
    command: Sequence[str]
    priority: int
    stop_wait_s: int = 10
    with_children: bool = False
    retries: int = 3  # then supervisor_qos starts it again, with capped delays
    directory: str = ""
    at_parents_end: str = "TERM"


def render(settings: Settings, scripts: Path) -> str:
    """Return the whole file; raise UnsafeText."""
    sections = [_section(settings.paths, program, scripts) for program in programs(settings, scripts)]
    return _head(settings.paths) + "".join(sections)


def programs(settings: Settings, scripts: Path) -> list[Program]:
    """Return what runs beside the meters, in the order of its start."""
    state = ["--state", str(settings.paths.root)]
    python = [str(scripts / "python"), "-P", "-m"]
    found = [
        Program("publisher", [str(scripts / "dlms-publisher"), *state], 30),
        Program("supervisor_qos", [str(scripts / "dlms-supervisor-qos"), *state], 40, retries=FOR_EVER),
        Program(
            "api",
            _gunicorn(settings, scripts),
            50,
            with_children=True,
            directory=str(settings.paths.run / API_DIRECTORY),
            at_parents_end="INT",  # gunicorn's quick end: TERM lets requests and idle connections take their time
        ),
    ]
    if is_configured(settings):
        found.append(Program("notifier", [str(scripts / "dlms-notifier"), *state], 60, retries=FOR_EVER))
    if settings.embedded.broker:
        found.append(Program("broker", [*python, "admin_api.cli.broker", *state], 10, with_children=True))
    if settings.embedded.simulator_meters:
        found.append(Program("simulator", _simulator(settings, scripts), 20))
    return sorted(found, key=lambda program: program.priority)


def _gunicorn(settings: Settings, scripts: Path) -> list[str]:
    return [str(scripts / "gunicorn"), "--config", str(settings.paths.run / GUNICORN_CONF), "admin_api.wsgi:app"]


def gunicorn_conf(settings: Settings) -> str:
    """Return gunicorn's configuration, which is Python: names it does not know yet or any more are passed over."""
    api = settings.api
    host = f"[{api.host}]" if ":" in api.host else api.host
    values = {
        "bind": f"{host}:{api.port}",
        "worker_class": "gthread",
        "workers": api.workers,
        "threads": api.threads,
        "limit_request_line": 8190,  # gunicorn's most; a query's texts have room, percent-encoded
        "graceful_timeout": 5,
        "worker_tmp_dir": str(settings.paths.run / API_DIRECTORY),
        "control_socket_disable": True,
        "proc_name": "dlms-bridge-api",
        "preload_app": True,  # its processes share what they count by (admin_api.throttle), and most of their memory
    }
    lines = [f"{name} = {value!r}\n" for name, value in values.items()]
    lines.append("from admin_api.live.gunicorn import post_worker_init\n")
    if speaks_tls(settings):
        certificate, key = files(settings)
        lines += [f"certfile = {str(certificate)!r}\n", f"keyfile = {str(key)!r}\n"]
        lines.append("from admin_api.listening import gunicorn_context as ssl_context\n")
    return "".join(lines)


def _simulator(settings: Settings, scripts: Path) -> list[str]:
    embedded, directory = settings.embedded, settings.paths.root / "sim"
    return [
        *(str(scripts / "meterctl"), "simulate", "--meters", str(embedded.simulator_meters)),
        *("--host", "127.0.0.1", "--port", str(embedded.simulator_port)),
        *("--log", str(directory / "log.jsonl"), "--control", str(settings.paths.sockets / "sim.sock")),
    ]


def _head(paths: Paths) -> str:
    socket = quoted(str(paths.sockets / SOCKET_NAME))
    return f"""\
; made by `meterctl run` at each start: changes are lost
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
logfile={quoted(str(paths.log / "supervisord.log"))}
logfile_maxbytes={LOG_OCTETS}
logfile_backups={LOG_BACKUPS}
pidfile={quoted(str(paths.run / "supervisord.pid"))}
directory={quoted(str(paths.root))}
identifier=dlms-bridge
nodaemon=true
silent=true
minfds={MIN_FDS}
environment=DLMS_BRIDGE_STATE="{quoted(str(paths.root))}"

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{socket}

[include]
files=conf.d/*.conf
"""


def _section(paths: Paths, program: Program, scripts: Path) -> str:
    command = tethered(program.command, scripts, program.at_parents_end)
    return f"""
[program:{program.name}]
command={quoted(shlex.join(command))}
directory={quoted(program.directory or str(paths.root))}
priority={program.priority}
autorestart=true
startsecs=1
startretries={program.retries}
stopwaitsecs={program.stop_wait_s}
stopasgroup=false
killasgroup={str(program.with_children).lower()}
redirect_stderr=true
stdout_logfile={quoted(str(paths.log / program.name))}.log
stdout_logfile_maxbytes={LOG_OCTETS}
stdout_logfile_backups={LOG_BACKUPS}
"""
