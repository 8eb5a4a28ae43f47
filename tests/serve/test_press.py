"""Is a picture encoded once, however many scrape, and is what is true at the moment of a scrape new each time?"""

import gzip
import time
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.core import Metric

from bench.pictures import picture
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
