"""What does the distribution's bcc make of our C? A process of its own, under the interpreter that has bcc, turns text
into instructions. Knows nothing of what they do; tcpwatch/kernel/loaders/helper.py is the other end."""

import base64
import binascii
import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tcpwatch.errors import KernelLacks, TcpwatchError

INTERPRETER = "/usr/bin/python3"  # the distribution's, whatever runs us: its bcc is a module of that one
INSTALL = "apt-get install python3-bpfcc (Debian, Ubuntu) or python3-bcc (Fedora)"
_HELPER = Path(__file__).with_name("helper.py")
_PATIENCE_S = 300.0  # an emulated machine with a kernel's headers takes 40
_INSTRUCTION_BYTES = 8
_FOREIGN = ("BCC_", "PYTHON", "ARCH")  # variables by which others steer bcc, and Python


class Compiler:
    """Begins at once to load bcc, which takes longer than most else."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        try:
            # -I: neither the user's own packages nor the directory of the script, where other modules lie
            self._process = subprocess.Popen(
                [INTERPRETER, "-I", str(_HELPER), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
                process_group=0,  # a terminal's Ctrl-C is for us alone, who will end it
            )
        except OSError as error:
            raise KernelLacks(f"bcc cannot be used: {INTERPRETER}: {error.strerror}", INSTALL) from error

    def compile(self, text: str, flags: Sequence[str], headers: str | None) -> dict[str, bytes]:
        """The instructions of each function. headers: where the kernel's are; None: where the distribution puts them.

        To be called once. Raises KernelLacks where there is no bcc or it refuses the text, TcpwatchError where it
        breaks down."""
        return _functions(*self._answer({"text": text, "flags": list(flags), "headers": headers}))

    def version(self) -> str:
        """bcc's, instead of anything compiled. Raises as compile()."""
        answer, _ = self._answer({"text": ""})
        return str(answer.get("version", "?"))

    def _answer(self, request: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        """And what else was said. Raises KernelLacks where there is no bcc."""
        try:
            answered, said = self._process.communicate(json.dumps(request).encode(), _PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            raise TcpwatchError(f"bcc has not compiled the programs in {_PATIENCE_S:.0f} s") from error
        finally:
            self.close()
        answer = _parsed(answered, self._process.returncode)
        if "missing" in answer:
            what = f"bcc cannot be used: {answer['missing']}"
            if answer["other"]:
                what += f" ({answer['other']} is another package of that name)"
            raise KernelLacks(what, INSTALL)
        return answer, said.decode(errors="replace")

    def close(self) -> None:
        """Whatever it is doing: nobody waits for it any more."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):  # what was written and not read yet
                    pipe.close()


def _parsed(answered: bytes, code: int) -> Mapping[str, Any]:
    if code < 0:
        cure = "the machine may be out of memory: compiling takes 150 MB" if code == -signal.SIGKILL else ""
        raise TcpwatchError(f"bcc's process was killed by {signal.Signals(-code).name}", cure)
    with suppress(ValueError):
        answer = json.loads(answered)
        if isinstance(answer, dict):
            return answer
    raise TcpwatchError(f"bcc's process ended with code {code} and without an answer")


def _functions(answer: Mapping[str, Any], said: str) -> dict[str, bytes]:
    if "failed" in answer:
        complaint = _complaint(said)
        cure = "report it, please"
        if re.match(r"(include|arch)/", complaint):  # in the kernel's own headers
            cure = f"bcc {answer.get('version', '?')} may be too old for this kernel: install a newer one"
        raise KernelLacks(f"bcc does not compile the programs: {complaint or answer['failed']}", cure)
    try:
        functions = {name: base64.b64decode(code, validate=True) for name, code in answer["functions"].items()}
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise TcpwatchError(f"bcc's process gave no programs: {error!r}") from error
    if not functions or any(len(code) % _INSTRUCTION_BYTES for code in functions.values()):
        raise TcpwatchError("bcc's process gave no whole programs")
    return functions


def _complaint(said: str) -> str:
    """The first error of the compiler, with its place; what follows one is often its consequence."""
    lines = said.splitlines()
    return next((line.strip() for line in lines if re.search(r"\b(fatal )?error: ", line)), lines[-1] if lines else "")
