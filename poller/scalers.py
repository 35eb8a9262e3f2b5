"""The scaler cache: what a register's scaler and unit are need not be asked twice.

In: the meter's identity at each association, scaler_unit values as they are read. Out: what is known. Pure. A hit is a
round trip that was not made; a miss is one that has to be.
"""

from poller.dlms.cosem import AttributeRef, ScalerUnit


class ScalerCache:
    """Scalers and units by the attribute that holds them, for one meter."""

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self._known: dict[AttributeRef, ScalerUnit] = {}
        self._identity: tuple[str, str] | None = None

    def __len__(self) -> int:
        return len(self._known)

    def associated(self, serial: str, firmware: str) -> bool:
        """A new association: keep what is known only of the same meter with the same firmware; return whether kept.

        A meter that names neither serial nor firmware cannot be known again: its scalers live for one association.
        """
        identity = (serial, firmware)
        kept = identity == self._identity and any(identity)
        if not kept:
            self._known.clear()
        self._identity = identity
        return kept

    def look_up(self, ref: AttributeRef) -> ScalerUnit | None:
        """Return what is known, and count a hit or a miss."""
        known = self._known.get(ref)
        if known is None:
            self.misses += 1
        else:
            self.hits += 1
        return known

    def keep(self, ref: AttributeRef, scaling: ScalerUnit) -> None:
        """Remember what was read."""
        self._known[ref] = scaling
