"""`tcpwatch demo`: real trouble of every kind, under the terminal UI."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from tcpwatch.commands import screen
from tcpwatch.scenarios import SCENARIOS
from tcpwatch.scenarios.show import Company, check, choose

if TYPE_CHECKING:
    from tcpwatch.filter import Filter


def run(options: Namespace, expression: str, _wanted: "Filter | None") -> int:
    if options.list:
        width = max(map(len, SCENARIOS))
        sys.stdout.writelines(f"{name:<{width}}  {one.line}\n" for name, one in SCENARIOS.items())
        return 0
    company = Company(choose(options.scenarios))
    check()
    try:
        return screen.live(options, expression, company.begin)
    finally:
        company.end()
