"""Are the records of a ring whole where they reach over its end? The ring is a file that looks like the kernel's."""

import mmap
import os
import struct
from collections.abc import Iterator

import numpy as np
import pytest

from tcpwatch import wire
from tcpwatch.kernel.ring import Ring

PAGE = mmap.PAGESIZE
SIZE = 4 * PAGE
SLOT = 8 + wire.EVENT.itemsize
PRODUCED = PAGE  # where the producers' position is; the data begin a page later
BUSY = 1 << 31


class Producer:
    """Writes records as the kernel does: the data's first page shows again behind its end."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("ring")
        os.ftruncate(self.descriptor, 2 * PAGE + 2 * SIZE)
        self.position = 0

    def write(self, count: int, first: int, busy: int | None = None) -> None:
        """Records numbered from `first`. busy: the number of one that is not finished."""
        for number in range(first, first + count):
            event = np.zeros(1, wire.EVENT)
            event["time_ns"] = event["bytes_sent"] = number
            header = wire.EVENT.itemsize | (BUSY if number == busy else 0)
            for offset, byte in enumerate(struct.pack("<II", header, 0) + event.tobytes()):
                place = (self.position + offset) % SIZE
                for copy in (place, place + SIZE):
                    os.pwrite(self.descriptor, bytes([byte]), 2 * PAGE + copy)
            self.position += SLOT
        os.pwrite(self.descriptor, struct.pack("<Q", self.position), PRODUCED)


@pytest.fixture
def producer() -> Iterator[Producer]:
    made = Producer()
    yield made
    os.close(made.descriptor)


def take(ring: Ring, limit: int) -> list[int]:
    events = np.concatenate(ring.ready(limit))
    assert events["time_ns"].tolist() == events["bytes_sent"].tolist()
    numbers = events["time_ns"].tolist()
    ring.release(len(events))
    return numbers


@pytest.mark.parametrize("step", [1, 7, 23, SIZE // SLOT])
def test_records_are_whole_however_they_lie(producer: Producer, step: int) -> None:
    """Three times round, so that they reach over the end in different places."""
    ring = Ring(producer.descriptor, SIZE)
    seen: list[int] = []
    while len(seen) < 3 * SIZE // SLOT:
        producer.write(step, len(seen))
        seen += take(ring, 1000)
        assert not ring.holds_back
    assert seen == list(range(len(seen)))
    ring.close()


def test_an_unfinished_record_beyond_the_end(producer: Producer) -> None:
    """What lies before it is given, and it and what follows are held back."""
    ring = Ring(producer.descriptor, SIZE)
    whole = SIZE // SLOT
    producer.write(whole - 3, 0)
    take(ring, 1000)
    producer.write(11, whole - 3, busy=whole + 5)
    assert take(ring, 1000) == list(range(whole - 3, whole + 5))
    assert ring.holds_back
    ring.close()


def test_a_limit_before_the_end(producer: Producer) -> None:
    """No more than was asked for."""
    ring = Ring(producer.descriptor, SIZE)
    whole = SIZE // SLOT
    producer.write(whole - 3, 0)
    take(ring, 1000)
    producer.write(11, whole - 3)
    assert take(ring, 2) == [whole - 3, whole - 2]
    assert take(ring, 1000) == list(range(whole - 1, whole + 8))
    ring.close()
