"""Is a picture encoded once, however many scrape, and is what is true at the moment of a scrape new each time?"""

import gzip
import time
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from prometheus_client.core import Metric

from bench.pictures import picture
from tcpwatch.metrics.picture import Family, Picture
from tcpwatch.serve.negotiation import OPENMETRICS, TEXT
from tcpwatch.serve.press import Press
from tcpwatch.serve.shelf import Shelf

from .scraped import openmetrics, text, value


@pytest.mark.parametrize(("form", "read"), [(TEXT, text), (OPENMETRICS, openmetrics)])
def test_once_for_each_form(form: str, read: Callable[[bytes], Mapping[str, Metric]]) -> None:
    """The very same bytes for all who ask at once, and for those who come later; others only for another picture."""
    press, shown = Press(Shelf()), picture(60)
    with ThreadPoolExecutor(23) as pool:
        plain = list(pool.map(lambda _: press.print(shown, form, gzip=False), range(23)))
        packed = list(pool.map(lambda _: press.print(shown, form, gzip=True), range(23)))
    for answers in (plain, packed):
        assert len({id(begun) for begun, _ in answers}) == 1
    for begun, rest in packed:
        assert gzip.decompress(begun + rest).startswith(plain[0][0])
    assert press.print(picture(60, turn=1), form, gzip=False)[0] is not plain[0][0]
    assert read(b"".join(plain[0])).keys() == read(gzip.decompress(b"".join(packed[0]))).keys()


class _Read(str):
    """A label's value that knows whether somebody looked at it."""

    looked_at = 0

    def replace(self, *change: Any) -> str:
        _Read.looked_at += 1
        return str.replace(self, *change)


def test_labels_are_written_down_ahead() -> None:
    """When a picture comes, and not while somebody waits for it; those that were known before, not again."""
    shelf = Shelf()
    press = Press(shelf)

    def shown(*ports: str) -> Picture:
        values = tuple((_Read(port),) for port in ports)
        return Picture(1, (Family("tcpwatch_x", "gauge", "X.", "", ("a",), values, np.arange(len(ports)) + 1.0),))

    first, second, third = (f"{n}-{uuid4()}" for n in range(3))  # that no other picture ever had
    for ports, new in ((first, second), 2), ((second, third), 1):
        before, drawn = _Read.looked_at, shown(*ports)
        shelf.put(drawn)
        assert _Read.looked_at == before + new
        begun, _ = press.print(drawn, TEXT, gzip=False)
        assert _Read.looked_at == before + new
        assert begun.endswith(f'tcpwatch_x{{a="{ports[0]}"}} 1\ntcpwatch_x{{a="{ports[1]}"}} 2\n'.encode())


def test_one_stream() -> None:
    """Not one behind the other: browsers and curl stop after the first."""
    begun, rest = Press(Shelf()).print(picture(23), TEXT, gzip=True)
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert stream.decompress(begun + rest).endswith(b"\n")
    assert stream.eof
    assert stream.unused_data == b""


def test_how_old_it_is() -> None:
    """As of the scrape, though the picture is the same."""
    shelf = Shelf()
    press, shown = Press(shelf), picture(1)
    shelf.put(shown)
    ages = []
    for _ in range(2):
        ages.append(value(text(b"".join(press.print(shown, TEXT, gzip=False))), "tcpwatch_view_age_seconds"))
        time.sleep(0.01)
    assert 0 <= ages[0] <= ages[1] - 0.01


def test_scrapes_are_measured() -> None:
    """In the histogram that the next one gets."""
    press, shown = Press(Shelf()), picture(1)
    press.observe(time.monotonic() - 0.3)
    found = text(b"".join(press.print(shown, TEXT, gzip=False)))
    assert value(found, "tcpwatch_scrape_duration_seconds_count") == press.scrapes == 1
    assert 0.3 <= value(found, "tcpwatch_scrape_duration_seconds_sum") < 60
