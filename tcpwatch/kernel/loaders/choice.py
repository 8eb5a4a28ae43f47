"""Which loader serves here?"""

from tcpwatch.errors import KernelLacks
from tcpwatch.kernel.loaders.core import Core
from tcpwatch.kernel.loaders.loaded import Loader

NAMES = ("auto", "core", "bcc")


def choose(name: str) -> Loader:
    """auto: core where the kernel has BTF and there is an object, else bcc. Raises KernelLacks."""
    because = None
    if name != "bcc":
        try:
            return Core()
        except KernelLacks as error:
            if name == "core":
                raise
            because = error
    from tcpwatch.kernel.loaders.bcc import Bcc  # most never need it

    return Bcc(because)
