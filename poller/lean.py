"""Modules that our imports load and a worker never uses: each gets a stand-in that loads it when somebody does.

In: nothing. Out: ``sys.modules`` with stand-ins, before anything else is imported. ``dataclasses`` imports ``inspect``
for classes without a docstring, ``pathlib`` by way of ``urllib.parse`` imports ``ipaddress``, ``socket`` imports
``selectors`` for sendfile, ``zmq`` imports ``random`` for port numbers and ``platform`` to choose what it is built on
where nobody says it, ``traceback`` imports ``textwrap`` and ``tokenize`` for source lines: together some 1.6 MiB in
each worker.
"""

import os
import sys
from importlib import import_module
from types import ModuleType

UNUSED = ("inspect", "ipaddress", "platform", "random", "selectors", "textwrap", "tokenize")


class Deferred(ModuleType):
    """Stands in for a module until one of its names is asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # asked by the import system about the stand-in itself
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def defer_unused_modules() -> None:
    """Put a stand-in in the place of each unused module that is not loaded yet."""
    os.environ.setdefault("PYZMQ_BACKEND", "cython")  # that of CPython; read once, by zmq
    for name in UNUSED:
        sys.modules.setdefault(name, Deferred(name))
