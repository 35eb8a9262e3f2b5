"""Who is let in to a simulated meter: contexts, mechanisms, passwords, challenges.

An association request and the meter's kind in; a diagnostic, and what is granted, out. Secrets are compared here and
nowhere else. The AARE itself is made in ``application``.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from poller.simulator import axdr, hls
from poller.simulator.acse import AssociationRequest, Diagnostic
from poller.simulator.association import (
    HLS_GMAC,
    HLS_SHA256,
    LLS,
    LN,
    LN_CIPHERED,
    NO_MECHANISM,
    SN,
    SN_CIPHERED,
    Granted,
)
from poller.simulator.faults import FaultKind
from poller.simulator.hls import Side
from poller.simulator.notes import Mood
from poller.simulator.objects import DataAccess, Done
from poller.simulator.personality import CONFORMANCE_BLOCK_GET, CONFORMANCE_GENERAL_BLOCKS, Personality, SignOn
from poller.simulator.secrecy import OVERHEAD, TITLE, Guard, KeyRing
from poller.simulator.values import OCTETS, Value

_UNLIMITED: Final = 0xFFFF
_ENDLESS: Final = 1 << 32
"""Room where long answers are cut by general block transfer, below their services."""
_CIPHERED: Final = frozenset({LN_CIPHERED, SN_CIPHERED})


@dataclass(slots=True)
class Admission:
    """The door of one meter, for one connection."""

    kind: Personality
    ring: KeyRing | None = None
    random: Random | None = None

    def verdict(self, client: int, request: AssociationRequest, guard: Guard | None, mood: Mood) -> Diagnostic:
        """Return why a client is not let in, NONE when it is."""
        if request.context not in ({SN, SN_CIPHERED} if self.kind.short_names else {LN, LN_CIPHERED}):
            return Diagnostic.CONTEXT_NOT_SUPPORTED
        if (request.context in _CIPHERED) is not (guard is not None):
            return Diagnostic.CONTEXT_NOT_SUPPORTED
        if client not in self.kind.saps and client not in self.kind.sign_on:
            return Diagnostic.NO_REASON
        sign_on = self.kind.sign_on.get(client)
        if sign_on is not None:
            return self._challenged(sign_on, request, mood)
        return _password(self.kind.saps[client], request, mood)

    def _challenged(self, sign_on: SignOn, request: AssociationRequest, mood: Mood) -> Diagnostic:
        if request.mechanism == NO_MECHANISM:
            return Diagnostic.AUTHENTICATION_REQUIRED
        if request.mechanism != sign_on.mechanism:
            return Diagnostic.MECHANISM_NOT_RECOGNISED
        if request.mechanism in {HLS_GMAC, HLS_SHA256} and len(request.client_title) != TITLE:
            return Diagnostic.TITLE_NOT_RECOGNISED
        size = len(request.secret or b"")
        if not hls.SHORTEST <= size <= hls.LONGEST or FaultKind.REFUSE_LLS in mood:
            return Diagnostic.AUTHENTICATION_FAILURE
        return Diagnostic.NONE

    def grant(self, client: int, request: AssociationRequest, conformance: int) -> Granted:
        """Return what is agreed on with a client that is let in."""
        max_pdu = min(request.max_pdu or _UNLIMITED, self.kind.max_pdu)
        sign_on = self.kind.sign_on.get(client)
        granted = Granted(
            client,
            conformance,
            max_pdu,
            trusted=request.mechanism == LLS,
            context=request.context,
            mechanism=request.mechanism,
            client_title=request.client_title,
        )
        granted.room = self._room(granted)
        if sign_on is not None:
            granted.pending = True
            granted.client_challenge = request.secret or b""
            granted.server_challenge = self._challenge()
        return granted

    def _challenge(self) -> bytes:
        return self.random.randbytes(hls.CHALLENGE) if self.random is not None else bytes(range(hls.CHALLENGE))

    def _room(self, granted: Granted) -> int:
        general = granted.conformance & CONFORMANCE_GENERAL_BLOCKS
        if general and (self.kind.general_blocks or not granted.conformance & CONFORMANCE_BLOCK_GET):
            return _ENDLESS
        return max(OVERHEAD, granted.max_pdu - OVERHEAD) if granted.ciphered else granted.max_pdu

    def prove(self, value: Value, granted: Granted, guard: Guard | None) -> Done:
        """Judge a client's answer to the challenge (pass 3); return our answer to its own (pass 4)."""
        if not granted.pending or value.tag != OCTETS:
            return Done(DataAccess.READ_WRITE_DENIED)
        if granted.mechanism == HLS_GMAC:
            return self._prove_by_key(value, granted, guard)
        secret = self.kind.sign_on[granted.client].secret
        client = Side(granted.client_title, granted.client_challenge)
        server = Side(self.ring.title if self.ring else b"", granted.server_challenge)
        if value.octets != hls.proof(granted.mechanism, secret, client, server):
            return Done(DataAccess.READ_WRITE_DENIED)
        return _proven(granted, hls.proof(granted.mechanism, secret, server, client))

    def _prove_by_key(self, value: Value, granted: Granted, guard: Guard | None) -> Done:
        if guard is None and self.ring is not None:
            guard = Guard(self.ring, granted.client_title)
        if guard is None or not guard.proven(value.octets, granted.server_challenge):
            return Done(DataAccess.READ_WRITE_DENIED)
        return _proven(granted, guard.proof(granted.client_challenge))


def _proven(granted: Granted, answer: bytes) -> Done:
    granted.pending = False
    granted.trusted = True
    return Done(data=axdr.octet_string(answer))


def _password(password: bytes | None, request: AssociationRequest, mood: Mood) -> Diagnostic:
    if request.mechanism == NO_MECHANISM:
        return Diagnostic.NONE if password is None else Diagnostic.AUTHENTICATION_REQUIRED
    if request.mechanism != LLS or password is None:
        return Diagnostic.MECHANISM_NOT_RECOGNISED
    if request.secret != password or FaultKind.REFUSE_LLS in mood:
        return Diagnostic.AUTHENTICATION_FAILURE
    return Diagnostic.NONE
