"""Reading a BPF iterator to its end into one array. Knows nothing of what the records mean."""

import os

import numpy as np

from tcpwatch import wire
from tcpwatch.errors import TcpwatchError
from tcpwatch.kernel import libbpf


def read_all(link: int, dtype: np.dtype, expected: int) -> np.ndarray:
    """Walk the iterator attached as `link` once: (n,) of dtype. expected: a guess at n, to allocate well.

    An iterator of network objects walks the namespace of the thread that opens it."""
    blocks = [np.empty(max(256, expected + expected // 8), dtype)]
    filled = 0  # bytes of the last one
    descriptor = libbpf.open_iterator(link)
    try:
        while True:
            window = blocks[-1].view(np.uint8).data[filled:]
            if not len(window):
                blocks.append(np.empty(sum(map(len, blocks)), dtype))
                filled = 0
                continue
            try:
                got = os.readv(descriptor, [window])
            except BlockingIOError:  # a million objects in a row without a record: the kernel lets others run
                continue
            if not got:
                break
            filled += got
    finally:
        os.close(descriptor)
    if filled % dtype.itemsize:
        raise TcpwatchError(f"an iterator gave {filled} bytes, not a whole number of {dtype.itemsize}-byte records")
    return wire.joined([*blocks[:-1], blocks[-1][: filled // dtype.itemsize]])
