"""The image: small, not root, from the locks, and with every file that the code reads."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from services.warehouse.settings import Settings as WarehouseSettings
from shared.database import MIGRATIONS
from tests.deployment import (
    DOCKERFILE,
    INFRA,
    ROOT,
    image_environment,
    image_instructions,
    image_last_stage,
    setting_names,
)


def _sent() -> Iterator[str]:
    """The paths under infra that the builder is sent, by the last pattern of .dockerignore that matches."""
    patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for path in sorted(INFRA.rglob("*")):
        relative = path.relative_to(ROOT).as_posix()
        taken = True
        for pattern in patterns:
            name = pattern.removeprefix("!")
            if name and _matches(name, relative):
                taken = pattern.startswith("!")
        if taken:
            yield relative


def _matches(pattern: str, path: str) -> bool:
    translated = re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
    return re.match(f"{translated}(/|$)", path) is not None


def test_both_stages_are_one_slim_python() -> None:
    stages = [rest for word, rest in image_instructions() if word == "FROM"]

    assert stages == ["python:3.11-slim-bookworm AS build", "python:3.11-slim-bookworm"]


def test_what_it_installs_is_locked_with_hashes() -> None:
    installs = re.findall(r"pip install[^&]*", " ".join(rest for _, rest in image_instructions()))

    assert len(installs) == 2
    assert all("--require-hashes -r requirements" in install for install in installs)


def test_it_runs_as_a_user_that_is_not_root() -> None:
    users = [rest for word, rest in image_last_stage() if word == "USER"]

    assert users == ["10001:10001"]


def test_the_last_stage_has_no_tool_that_installs() -> None:
    taken = [rest for word, rest in image_last_stage() if word == "COPY"]

    assert taken == ["--from=build /venv /venv", "--from=build /leeway /leeway"]
    assert "python -m venv --without-pip /venv" in DOCKERFILE.read_text(encoding="utf-8")


def test_everything_it_copies_is_there() -> None:
    copies = [rest.split() for word, rest in image_instructions() if word == "COPY"]
    sources = [source for words in copies if "--from" not in words[0] for source in words[:-1]]

    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_it_holds_the_migrations_and_no_other_file_of_infra() -> None:
    sent = set(_sent())
    needed = {
        path.relative_to(ROOT).as_posix()
        for folder in (WarehouseSettings().migrations, MIGRATIONS)
        for path in Path(folder).rglob("*.*")
        if "__pycache__" not in path.parts
    }

    assert needed <= sent
    assert {path.split("/")[1] for path in sent} == {"clickhouse", "postgres"}
    assert not any(path.startswith("infra/clickhouse/server") for path in sent)


def test_the_settings_that_it_fixes_exist() -> None:
    fixed = {name for name in image_environment() if name.startswith("LEEWAY_")}

    assert fixed - setting_names() == set()


def test_its_health_is_asked_where_operations_answer() -> None:
    [health] = [rest for word, rest in image_last_stage() if word == "HEALTHCHECK"]
    port = image_environment()["LEEWAY_OPERATIONS_PORT"]

    assert f"http://127.0.0.1:{port}/readyz" in health
    assert f"EXPOSE 8080 {port}" in DOCKERFILE.read_text(encoding="utf-8")


def test_signals_reach_the_process_itself() -> None:
    [entry] = [rest for word, rest in image_last_stage() if word == "ENTRYPOINT"]

    assert json.loads(entry) == ["python", "-m", "services"]
