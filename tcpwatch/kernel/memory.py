"""How the C library keeps memory that NumPy gave back. Knows nothing of what was in it."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
_LARGE_BYTES = 1 << 20
_KEPT_BYTES = 16 << 20


def settle() -> None:
    """Give large arrays back to the system as soon as they are freed, and keep the rest at hand. Left alone, glibc
    raises its threshold with the largest block it saw (up to 32 MB), and a session that makes such arrays every second
    keeps several of each; while its heap gives back what each frame's small arrays then have to page in anew."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # another C library may not have it, nor the habits
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
