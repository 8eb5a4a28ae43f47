"""Compiles C to BPF with the distribution's bcc. A script for an interpreter that has it, which may be older than ours
and has nothing of this package; it loads nothing into the kernel and needs no privilege. Once it has answered it ends,
and LLVM's 100 MB end with it.

Argument: the number of the process that asks. stdin: {"text": C (or "", to know the version alone), "flags": [...],
"headers": a kernel's headers, null for those that bcc finds itself}. stdout: {"version", "functions": {name:
instructions in base64}}, or {"missing": why there is no bcc, "other": the path of another bcc}, or {"version",
"failed": why}. What the compiler has to say goes to stderr."""

from __future__ import annotations

import base64
import ctypes
import json
import os
import sys
from typing import Any

Answer = dict[str, Any]
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9


def main() -> None:
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libbcc prints
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)  # when nobody waits for the answer any more
    if os.getppid() != int(sys.argv[1]):  # nobody does already
        os._exit(1)
    bcc, lacking = find()
    request = json.load(sys.stdin)
    json.dump(lacking or compiled(bcc, request), answer)
    answer.flush()
    os._exit(0)  # without taking LLVM down piece by piece


def find() -> tuple[Any, Answer | None]:
    """The module, or None and what is missing. PyPI has another package of that name."""
    other = ""
    for place in sys.path:
        package = os.path.join(place, "bcc")
        if os.path.exists(os.path.join(package, "libbcc.py")):
            sys.path.insert(0, place)
            break
        if os.path.exists(package) or os.path.exists(package + ".py"):
            other = other or package
    else:
        return None, {"missing": f"{sys.executable} has no bcc", "other": other}
    try:
        import bcc  # type: ignore[import-not-found]
    except (ImportError, OSError, AttributeError) as error:  # its library is not there, or of another version
        return None, {"missing": str(error), "other": ""}
    return bcc, None


def compiled(bcc: Any, request: Answer) -> Answer:
    if not request["text"]:
        return {"version": bcc.__version__}
    if request["headers"]:
        os.environ["BCC_KERNEL_SOURCE"] = request["headers"]
    try:
        module = bcc.BPF(text=request["text"].encode(), cflags=request["flags"])
    except Exception as error:  # noqa: BLE001 - bcc raises nothing more special
        return {"version": bcc.__version__, "failed": str(error)}
    names = [bcc.lib.bpf_function_name(module.module, at) for at in range(bcc.lib.bpf_num_functions(module.module))]
    functions = {name.decode(): base64.b64encode(module.dump_func(name)).decode() for name in names}
    return {"version": bcc.__version__, "functions": functions}


if __name__ == "__main__":
    main()
