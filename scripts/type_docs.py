"""Type the commands of pages as their reader would, from an empty folder; count minutes and failures.

    python scripts/type_docs.py README.md docs/quickstart.md docs/tutorial.md

Each page gets a clone and an empty home. A block of `sh` is typed into the terminal that its title names, a block
titled with a file's name is saved, and a block of `text` or `json` below commands is what they must print, where `…`
stands for anything. Of the environment there is only what leads to package registries.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[1]
FENCE = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
IS_SERVING = re.compile(r"(listening|running on) +https?://", re.IGNORECASE)
IS_READ = re.compile(r"((get |curl (?!.*(-d|--json|-X) )).*\n)+")
KEPT = ("PIP_", "UV_", "SSL_CERT_", "http_proxy", "https_proxy", "no_proxy", "LANG")
MINUTES = 10
SETTLES_IN = 10.0
"""How long a reader would wait for what a page says will be so "within a second", on the slowest machine."""

LOOP = """
set -E
trap 'printf "\\035%s\\n" "$BASH_COMMAND"' ERR
while read -r -u "$0" file; do . "$file" < /dev/null; printf '\\036\\n'; done
"""
"""A shell that reads scripts from a descriptor: they share functions and variables, and no program eats the next."""


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    language: str
    title: str
    text: str

    @property
    def is_typed(self) -> bool:
        """Whether it is a reader's to type."""
        return self.language == "sh"

    @property
    def is_saved(self) -> bool:
        """Whether it is a file."""
        return not self.is_typed and bool(self.title)

    @property
    def is_output(self) -> bool:
        """Whether it is what the commands above it print."""
        return self.language in {"text", "json"} and not self.title


def blocks_of(page: str) -> list[Block]:
    """The blocks of code on a page, in order."""
    return [Block(found["language"], found["title"] or "", found["text"]) for found in FENCE.finditer(page)]


def is_printed(expected: str, printed: str) -> bool:
    """Whether each expected line is among the printed ones, in that order."""
    lines = iter(printed.splitlines())
    for line in filter(None, map(str.strip, expected.splitlines())):
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        if not any(pattern.fullmatch(found.strip()) for found in lines):
            return False
    return True


@dataclass
class Terminal:
    """A shell, in which blocks are typed one after the other until one of them is a server."""

    folder: Path
    environment: Mapping[str, str]
    _process: subprocess.Popen[bytes] = field(init=False)
    _scripts: IO[str] = field(init=False)
    _typed: int = 0

    def __enter__(self) -> Self:
        """Open it."""
        there, here = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "--norc", "-c", LOOP, str(there)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[there],
            start_new_session=True,
        )
        os.close(there)
        self._scripts = os.fdopen(here, "w")
        return self

    def __exit__(self, *_: object) -> None:
        """Close it, and whatever runs in it."""
        self._scripts.close()
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate()

    def type(self, text: str, patience: float) -> str:
        """Type commands, and return what they printed until they ended or served."""
        self._typed += 1
        script = self.folder / f".typed-{id(self)}-{self._typed}"
        script.write_text(f"{text}\n:\n")  # `.` itself has not failed
        print(script.name, file=self._scripts, flush=True)
        printed = self._read(time.monotonic() + patience)
        script.unlink()
        return printed

    def _read(self, deadline: float) -> str:
        output = self._process.stdout
        assert output is not None
        printed = b""
        with selectors.DefaultSelector() as ready:
            ready.register(output, selectors.EVENT_READ)
            while b"\x1e\n" not in printed and not IS_SERVING.search(printed.decode(errors="replace")):
                if not ready.select(deadline - time.monotonic()):
                    return printed.decode(errors="replace") + "\x1dnothing more was printed\n"
                chunk = os.read(output.fileno(), 65536)
                if not chunk:
                    return printed.decode(errors="replace") + "\x1dthe shell ended\n"
                printed += chunk
        return printed.decode(errors="replace").replace("\x1e\n", "")


@dataclass
class Typist:
    """Types a page."""

    folder: Path
    environment: Mapping[str, str]
    ports: Mapping[str, str] = field(default_factory=dict[str, str])
    failures: list[str] = field(default_factory=list[str])

    def type_page(self, page: str) -> list[str]:
        """Type all of it, and return what failed."""
        blocks = blocks_of(page)
        with ExitStack() as ends:
            terminals: dict[str, Terminal] = {}
            for block, below in zip(blocks, [*blocks[1:], None], strict=True):
                if block.is_saved:
                    (self.folder / block.title).write_text(self._here(block.text))
                elif block.is_typed:
                    if block.title not in terminals:
                        terminals[block.title] = ends.enter_context(Terminal(self.folder, self.environment))
                    self._type(terminals[block.title], block, below.text if below and below.is_output else "")
        return self.failures

    def _type(self, terminal: Terminal, block: Block, expected: str) -> None:
        started = time.monotonic()
        text = self._here(block.text)
        printed = terminal.type(text, MINUTES * 60)
        while not is_printed(self._here(expected), printed) and IS_READ.fullmatch(text):
            if time.monotonic() > started + SETTLES_IN:
                break
            time.sleep(0.1)
            printed = terminal.type(text, MINUTES * 60)
        self.failures += [f"failed: {line}" for line in re.findall("\x1d(.*)", printed)]
        if not is_printed(self._here(expected), printed):
            self.failures.append(f"expected:\n{self._here(expected)}printed:\n{printed}")
        print(f"{time.monotonic() - started:6.1f} s  {block.text.strip().splitlines()[-1]}", flush=True)

    def _here(self, text: str) -> str:
        for written, real in self.ports.items():
            text = re.sub(rf"\b{written}\b", real, text)
        return text


def empty_environment(home: Path) -> dict[str, str]:
    """What a new account has, and where packages come from."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
    ours = Path(sys.prefix, "bin")
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder) != ours]
    return kept | {"HOME": str(home), "PATH": os.pathsep.join(path), "TERM": "dumb"}


def clone(into: Path) -> None:
    """Copy what is committed or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)


def is_taken(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def type_pages(pages: Iterable[Path]) -> int:
    """Type each page in a clone and a home of its own, say how long it took, and count what failed."""
    failed = 0
    for page in pages:
        print(f"\n{page}", flush=True)
        started = time.monotonic()
        with TemporaryDirectory(prefix="gatepass-typed-") as empty:
            folder, home = Path(empty, "gatepass"), Path(empty, "home")
            folder.mkdir()
            home.mkdir()
            clone(folder)
            failures = Typist(folder, empty_environment(home)).type_page(page.read_text())
        print(f"{page}: {(time.monotonic() - started) / 60:.1f} minutes, {len(failures)} failures")
        for failure in failures:
            print(f"  {failure}", file=sys.stderr)
        failed += len(failures)
    return failed


if __name__ == "__main__":
    if taken := [port for port in (8000, 9000) if is_taken(port)]:
        sys.exit(f"error: something listens on {taken}\nhint: The pages are typed as they are: free these ports.")
    sys.exit(type_pages(map(Path, sys.argv[1:])) > 0)
