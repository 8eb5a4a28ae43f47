"""What stands for 16 bytes, for many of them at once: answers are remembered, so that a function is asked only for what
is new. Knows nothing of what the bytes mean."""

from collections.abc import Callable

import numpy as np

_SLOT_BITS = 16  # 2 MB, whatever comes
_HALVES = np.dtype([("left", "u8"), ("right", "u8")])
_WHOLE = np.dtype("V16")
_MIXERS = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)


class Substitution:
    """answer: from (n, 16) u1 to (n, 16) u1, which is given each of them once, in the order of their bits. Zeros must
    stand for zeros."""

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray]) -> None:
        self._answer = answer
        # The latest of those that a slot is for, and its answer. Empty slots are right as they are: zeros for zeros
        self._known = np.zeros(1 << _SLOT_BITS, _HALVES)
        self._stand_ins = np.zeros(1 << _SLOT_BITS, _WHOLE)

    def replace(self, column: np.ndarray) -> None:
        """In place. column: (n, 16) u1, or (n,) of 16 bytes each."""
        whole = column.view(_WHOLE).reshape(-1)
        wanted = np.ascontiguousarray(whole).view(_HALVES)
        slots = ((wanted["left"] * _MIXERS[0] + wanted["right"]) * _MIXERS[1]) >> np.uint64(64 - _SLOT_BITS)
        slots = slots.astype(np.intp)
        known = self._known.take(slots)
        missing = np.flatnonzero((known["left"] != wanted["left"]) | (known["right"] != wanted["right"]))
        found = self._stand_ins.take(slots)
        if len(missing):
            found[missing] = self._ask(wanted[missing], slots[missing])
        whole[...] = found  # last: what is wanted may be the same memory

    def _ask(self, wanted: np.ndarray, slots: np.ndarray) -> np.ndarray:
        order = np.lexsort((wanted["right"].byteswap(), wanted["left"].byteswap()))
        ordered = wanted[order]
        new = np.ones(len(order), bool)
        new[1:] = ordered[1:] != ordered[:-1]
        unique = ordered[new]
        answers = np.ascontiguousarray(self._answer(unique.view(np.uint8).reshape(-1, 16))).view(_WHOLE).reshape(-1)
        # where several are for one slot, one of them gets it, as key and as answer
        taken, chosen = np.unique(slots[order][new], return_index=True)
        self._known[taken], self._stand_ins[taken] = unique[chosen], answers[chosen]
        found = np.empty(len(wanted), _WHOLE)
        found[order] = answers[np.cumsum(new) - 1]
        return found
