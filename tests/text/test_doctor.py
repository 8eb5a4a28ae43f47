"""What programs read of the doctor: the keys, and that each word they meet is in the document."""

import io
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from tcpwatch.findings import Finding, Report, Status
from tcpwatch.text import doctor

DOCUMENT = (Path(__file__).parents[2] / "docs/output.md").read_text()
SECTION = DOCUMENT.split("## `doctor`")[1].split("\n## ")[0]
ROWS = {row[0].strip(" `"): row[1] for row in (line.split("|")[1:] for line in SECTION.splitlines() if "|" in line)}


def test_the_keys_are_those_of_the_document() -> None:
    """All of them, in its order; what is not known is null."""
    out = io.StringIO()
    doctor.write(Report((Finding("machine", "btf", "missing"),), 4), "jsonl", out)
    record = json.loads(out.getvalue())
    assert list(record) == [key for key in ROWS if key not in ("key", "---")]
    assert record == {
        "schema": 1,
        "item": "machine",
        "name": "btf",
        "status": "missing",
        "value": None,
        "reason": None,
        "cure": None,
    }


@pytest.mark.parametrize(("key", "known"), [("item", ("verdict", *doctor._TITLES)), ("status", get_args(Status))])
def test_each_word_is_explained(key: str, known: tuple[str, ...]) -> None:
    """And no other."""
    assert set(re.findall(r"`(\w+)`", ROWS[key])) == set(known)
