"""Is docs/kernels.md what the last run on other kernels found, and of the hooks that there are?"""

import json
from pathlib import Path

from tcpwatch.kernel.programs import HOOKS
from tests.kernels.archive import KERNELS
from tests.kernels.lanes import chosen
from tests.kernels.table import page

ALL = {hook.target for hook in HOOKS}
ALWAYS = {hook.target for hook in HOOKS if not hook.feature and not hook.for_want_of}  # some tell what others cannot


def test_the_page_is_what_was_found(root: Path) -> None:
    """Written by `make test-kernels ARGS=--write`, and by nobody else."""
    run = json.loads((root / "docs" / "kernels.json").read_text())
    assert (root / "docs" / "kernels.md").read_text() == page(run)


def test_every_kernel_was_tried_with_every_hook_and_passed(root: Path) -> None:
    """A hook or a lane that is new has to be tried there, and what is promised has to hold."""
    results = json.loads((root / "docs" / "kernels.json").read_text())["kernels"]
    assert [result["name"] for result in results] == [source.name for source in KERNELS]
    looked_at: set[str] = set()
    for result in results:
        lanes = chosen(result["name"], ())
        assert result["doctor"].keys() == {lane.hooks for lane in lanes if lane.hooks}, result["name"]
        for hooks in result["doctor"].values():
            tried = {found["name"].partition("/")[2] for found in hooks}
            assert ALWAYS <= tried <= ALL
            looked_at |= tried
        assert {test["lane"] for test in result["tests"]} == {lane.name for lane in lanes}, result["name"]
        assert {test["outcome"] for test in result["tests"]} == {"passed"}, result["name"]
        assert (result["left"], result["log"]) == ([], []), result["name"]
    assert looked_at == ALL
