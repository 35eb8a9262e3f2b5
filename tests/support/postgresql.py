"""A real PostgreSQL server of our own, in a temporary directory, ended at the end: nobody else's is ever touched.

In: nothing, or a data directory. Out: a ``Cluster`` with a socket and a loopback port, and databases from a template in
which the store's newest schema lies, each made in milliseconds. PostgreSQL refuses to run as root: then it runs as
``postgres``, or as whoever is nobody.
"""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import psycopg

from tests.support.mosquitto import free_port
from tests.support.waiting import wait_until

START_S: Final = 30.0
TEMPLATE: Final = "schema_of_the_store"
USER: Final = "bridge"
_PROGRAMS: Final = ("/usr/lib/postgresql/15/bin", "/usr/local/bin", "/usr/bin")
_FAST: Final = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_wal_size=256MB", "autovacuum=off")
_TETHER: Final = ("setpriv", "--pdeathsig", "INT", "--")  # no server outlives the tests that were killed
_NUMBERS: Final = count(1)


class Cluster:
    """One server. ``durable``: with fsync, for tests that end it by force."""

    def __init__(self, *, durable: bool = False) -> None:
        self._directory = Path(mkdtemp(prefix="dlms-bridge-pg-", dir="/tmp"))
        self._data = self._directory / "data"
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._user = _unprivileged()
        if self._user is not None:
            shutil.chown(self._directory, self._user)
        words = ("--no-sync", "--encoding=UTF8", "--no-locale", "--auth=trust", f"--username={USER}")
        self._run("initdb", "-D", str(self._data), *words)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [] if self._durable else list(_FAST)
        settings += ["listen_addresses=127.0.0.1", f"port={self.port}", f"unix_socket_directories={self._directory}"]
        words = [word for setting in settings for word in ("-c", setting)]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_TETHER, _program("postgres"), "-D", str(self._data), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self._directory,
                start_new_session=True,
            )
        wait_until(self._answers, START_S, "PostgreSQL")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT cuts all connections in good order, SIGQUIT as a crash does."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(START_S)
            self._process = None

    def remove(self) -> None:
        """End the server and remove all that it has."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._directory, ignore_errors=True)

    def url(self, name: str) -> str:
        """Return the store's URL of a database, over the loopback port."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{name}"

    def execute(self, words: str, name: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside a transaction; return its rows."""
        with psycopg.connect(self._where(name), autocommit=True) as connection:
            cursor = connection.execute(words.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Give the name of a new database, which is gone afterwards."""
        name = f"test_{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _where(self, name: str) -> str:
        return f"host={self._directory} port={self.port} user={USER} dbname={name}"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._where("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, name: str, *words: str) -> None:
        subprocess.run(
            [_program(name), *words], check=True, stdout=subprocess.DEVNULL, user=self._user, cwd=self._directory
        )


@contextmanager
def running(*, durable: bool = False) -> Iterator[Cluster]:
    """Give a server that runs."""
    cluster = Cluster(durable=durable)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def _program(name: str) -> str:
    for directory in _PROGRAMS:
        if (Path(directory) / name).exists():
            return str(Path(directory) / name)
    raise FileNotFoundError(f"{name}: Debian's postgresql-15 is needed")


def _unprivileged() -> int | None:
    if os.getuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise LookupError("nobody")
