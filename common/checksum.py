"""CRC-32C (Castagnoli), by the extension module of the package ``crc32c`` alone.

The package's own ``__init__`` pulls in argparse and importlib.metadata for a command line of its own: 4 MiB in every
worker for nothing. So its extension is looked up and loaded without the package around it.
"""

from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import cast


def _load() -> Callable[[bytes, int], int]:
    package = PathFinder.find_spec("crc32c")
    spec = package and PathFinder.find_spec("_crc32c", package.submodule_search_locations)
    if spec is None or spec.loader is None:
        raise ImportError("the package crc32c is not installed, or without its extension module")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Callable[[bytes, int], int]", module.crc32c)


_crc32c = _load()


def crc32c(octets: bytes, start: int = 0) -> int:
    """Return the CRC-32C of octets; ``start`` is that of what came before."""
    return _crc32c(octets, start)
