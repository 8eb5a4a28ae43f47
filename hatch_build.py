"""The wheel's build hook: compiles the BPF objects into the tree, from where pyproject.toml's `artifacts` takes them,
and adds the C that they are made of, which the bcc loader compiles where they do not serve. The wheel stays
py3-none-any, since BPF bytecode for both byte orders serves every CPU."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BpfObjects(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before hatchling collects files. Fails the build where it cannot: a wheel without them is no use. Not
        for an editable install: make compiles for that, and a recording can be replayed without."""
        if version == "editable":
            return
        builder = runpy.run_path(str(Path(self.root) / "bpf" / "build.py"))
        try:
            builder["build"]()
        except builder["CannotBuild"] as error:
            self.app.abort(f"tcpwatch: {error}")
        sources = Path(self.root) / "bpf"
        for path in sources.rglob("*.[ch]"):
            build_data["force_include"][str(path)] = f"tcpwatch/kernel/bpf/{path.relative_to(sources)}"
