"""A secret is a type that does not print: only ``reveal`` gives the text, so that every use can be searched for."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A password, token or key. Compares by content; its repr and str hide it."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __str__(self) -> str:
        return "********"

    def __bool__(self) -> bool:
        return bool(self._text)
