"""How are modules imported while something is at stake already? Knows nothing of which ones."""

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """While modules are being imported. Ctrl-C waits, and so do SIGTERM and SIGHUP: in the middle of an import they
    would become somebody's ImportError (which holds while there is no other thread). And nobody looks for garbage:
    there is none among what modules make, neither now nor later, and to look for it takes a tenth of a short command's
    time."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
