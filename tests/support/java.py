"""Programs in Java, compiled under `make soak`; skipped where Java, Maven or a library is not."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.conftest import SOAK

if TYPE_CHECKING:
    from pathlib import Path

_BUILD_SECONDS = 400


def compiled(source: Path, folder: Path, name: str, *options: str) -> list[str]:
    """The command that runs the class of this name.

    Args:
        source: A folder with `Client.java` and `pom.xml`, which names its libraries.
        folder: Where to build it.
        name: The class, with its package.
        options: More words for Maven.
    """
    if not SOAK:
        pytest.skip("clients in Java are built and tried under `make soak`")
    java, javac, maven = (shutil.which(each) for each in ("java", "javac", "mvn"))
    if java is None or javac is None or maven is None:
        pytest.skip("this needs a JDK and Maven, which are not here")
    listed = folder / "classpath"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)

    pom = ("-q", "-B", "-f", str(source / "pom.xml"), *options)
    fetched = run(maven, *pom, "dependency:build-classpath", f"-Dmdep.outputFile={listed}")
    if fetched.returncode:
        pytest.skip(f"the client's libraries cannot be had here: {fetched.stdout[-500:]}")
    classpath = f"{folder / 'out'}:{listed.read_text()}"
    done = run(javac, "-Xlint:all,-processing", "-cp", classpath, "-d", "out", str(source / "Client.java"))
    assert done.returncode == 0, done.stderr  # a program that no longer builds is no reason to skip
    return [java, "-cp", classpath, name]
