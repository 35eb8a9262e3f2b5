"""What gunicorn calls in each of its processes: streams of live values end when their process is asked to, and clients
that keep a thread waiting are cut.

gunicorn waits for threads that still answer; a stream answers for minutes. In: a worker of gunicorn. To be named in
gunicorn's configuration: ``from admin_api.live.gunicorn import post_worker_init``.
"""

from typing import Protocol

from flask import Flask

from admin_api.live import patience
from admin_api.live.hub import HUB, Hub
from admin_api.live.patience import PATIENCE, Patience


class Worker(patience.Worker, Protocol):
    """What we know of gunicorn's worker: the application it serves, and whether it goes on."""

    wsgi: object
    alive: bool


def post_worker_init(worker: Worker) -> None:
    """Let the streams of this process end when it does, and nobody keep its threads."""
    extensions = worker.wsgi.extensions if isinstance(worker.wsgi, Flask) else {}
    hub, waits = extensions.get(HUB), extensions.get(PATIENCE)
    if isinstance(hub, Hub):
        hub.stopping = lambda: not worker.alive
    if isinstance(waits, Patience) and hasattr(worker, "handle_request"):
        waits.watch(worker)
