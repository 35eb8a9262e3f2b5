"""Errors by what the caller does next."""

import pytest

from common.errors import Again, Barred, BridgeError, Hopeless, Reassociate, Relink, Skip
from poller.dlms import errors

FAMILIES = (Again, Barred, Hopeless, Reassociate, Relink, Skip)


def test_every_leaf_is_in_exactly_one_family() -> None:
    leaves = [leaf for leaf in vars(errors).values() if isinstance(leaf, type) and leaf.__module__ == errors.__name__]
    assert len(leaves) > 20
    for leaf in leaves:
        assert sum(issubclass(leaf, family) for family in FAMILIES) == 1, leaf
        assert leaf.__doc__


@pytest.mark.parametrize(
    ("result", "kind", "family"),
    [
        (1, "hardware_fault", Skip),
        (2, "temporary_failure", Again),
        (3, "access_denied", Skip),
        (4, "object_undefined", Skip),
        (9, "class_inconsistent", Skip),
        (11, "object_unavailable", Skip),
        (12, "type_unmatched", Skip),
        (13, "scope_violated", Skip),
        (14, "block_unavailable", Skip),
        (15, "block_unavailable", Skip),
        (16, "block_unavailable", Skip),
        (19, "block_unavailable", Skip),
        (250, "other_reason", Skip),
        (99, "other_reason", Skip),
    ],
)
def test_data_access_results(result: int, kind: str, family: type[BridgeError]) -> None:
    error = errors.access_error(result)
    assert error.kind == kind
    assert isinstance(error, family)
    assert str(result) in error.detail
