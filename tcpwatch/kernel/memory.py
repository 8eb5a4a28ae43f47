"""How the C library keeps memory that NumPy gave back. Knows nothing of what was in it."""

import ctypes

_M_MMAP_THRESHOLD = -3  # mallopt(3)
_LARGE_BYTES = 1 << 20


def return_large_blocks() -> None:
    """Give large arrays back to the system as soon as they are freed. Left alone, glibc raises its threshold with the
    largest block it saw (up to 32 MB), and a session that makes such arrays every second keeps several of each."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # another C library may not have it, nor the habit
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
