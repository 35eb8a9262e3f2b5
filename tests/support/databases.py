"""Stores on a real PostgreSQL server that is started when first asked for: one database each, from a template."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from common.store.engine import open_store
from common.vault import Vault
from tests.support.postgresql import TEMPLATE, Cluster, running


class Databases:
    """A server that may not have been needed yet."""

    def __init__(self, ends: ExitStack) -> None:
        self._ends = ends
        self._cluster: Cluster | None = None

    @contextmanager
    def store(self) -> Iterator[str]:
        """Give the URL of a store at the newest schema, empty and for us alone."""
        cluster = self.cluster
        with cluster.database(TEMPLATE) as name:
            yield cluster.url(name)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Give the URL of a database without any table."""
        with self.cluster.database() as name:
            yield self.cluster.url(name)

    @property
    def cluster(self) -> Cluster:
        """The server, running, with a template of the newest schema."""
        if self._cluster is None:
            self._cluster = self._ends.enter_context(running())
            self._cluster.execute(f"CREATE DATABASE {TEMPLATE}")
            store = open_store(self._cluster.url(TEMPLATE), Vault(bytes(32)))
            store.upgrade()
            store.close()
        return self._cluster


@contextmanager
def databases() -> Iterator[Databases]:
    """Give a server for as long as it is wanted."""
    with ExitStack() as ends:
        yield Databases(ends)
