"""Where cases are played: the product with simulated meters and its API under gunicorn, in order again for each round.

In: a running System whose requests_per_minute are the most there may be. Out: the API's URL, an admin's token, meters
and a user by known names; what cases left behind is cleared away.
"""

from contextlib import suppress
from http import HTTPStatus
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from common.settings import load
from common.store.engine import Store, open_from_settings
from common.store.errors import UserTaken
from common.store.model import Role
from tests.support.system import START_S, System
from tests.support.waiting import wait_until

USER: Final = "somebody"
SETTINGS: Final = {"api": {"requests_per_minute": 600_000, "workers": 2, "open_metrics": False}}
CALL_S: Final = 5.0
KEPT_HASH: Final = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"  # of no password


class Stage:
    """A system that cases are played against."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.url = f"http://127.0.0.1:{system.api_port}"
        self.meters = tuple(system.simulator.meters)
        self.token = ""
        wait_until(self._answers, START_S, "the API")

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/health", timeout=CALL_S) as response:
                return bool(response.status == HTTPStatus.OK)
        except (URLError, ConnectionError):
            return False

    def renew(self) -> None:
        """Put back what cases need: a token, the simulated meters, a user; remove the meters that they made."""
        store = open_from_settings(load(str(self._system.state), {}))
        try:
            self.token = store.tokens.create(Role.ADMIN, "cases")[1].reveal()
            self._renew_meters(store)
            with suppress(UserTaken):
                store.users.add(USER, Role.VIEWER, KEPT_HASH, "cases")
        finally:
            store.close()

    def _renew_meters(self, store: Store) -> None:
        there = {meter.wish.name: meter for meter in store.meters.list()}
        for name, meter in there.items():
            if name not in self.meters:
                store.meters.remove(meter.id, "cases", purge=True)
        for name in self.meters:
            if name not in there:
                self._system.add_meter(name)
