"""docs/configuration.md lists every setting there is, with its default, and none that is not."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.settings import Installation
from shared.settings import ServiceSettings
from tests.sources import ROOT, SERVICES

DOCS = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

# Read by the command line alone, which has no settings of its own.
VERBS = {"LEEWAY_ADMIN_KEY"}


def settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every environment variable that a process reads, with its field."""
    kinds: list[type[ServiceSettings]] = [Installation]
    kinds += [import_module(f"services.{name}.settings").Settings for name in SERVICES]
    for kind in kinds:
        prefix = kind.model_config.get("env_prefix", "")
        for name, field in kind.model_fields.items():
            yield f"{prefix}{name}".upper(), field


def rows() -> dict[str, str]:
    """The second column of every setting's row, by the names in its first."""
    found = re.findall(r"^\| ((?:`LEEWAY_\w+`(?:, )?)+) \|([^|]*)\| ", DOCS, re.MULTILINE)
    return {
        name: default.strip()
        for names, default in found
        for name in re.findall(r"LEEWAY_\w+", names)
    }


def default_text(field: FieldInfo) -> str:
    """A default as the docs write it: nothing where it is empty, a secret, or a place in the installation."""
    default = field.get_default(call_default_factory=True, validated_data={})
    match default:
        case bool():
            return f"`{default}`".lower()
        case float() if default.is_integer():
            return f"`{int(default)}`"
        case int() | float():
            return f"`{default}`"
        case str() | Path() if default and not Path(default).is_absolute():
            return f"`{default}`"
        case _:
            return ""


@pytest.mark.parametrize(("name", "field"), [*settings()])
def test_a_setting_stands_in_the_docs_with_its_default(name: str, field: FieldInfo) -> None:
    assert rows()[name] == default_text(field)


def test_no_setting_in_the_docs_is_unknown_to_the_code() -> None:
    assert set(re.findall(r"LEEWAY_[A-Z_]+[A-Z]", DOCS)) == {name for name, _ in settings()} | VERBS


@pytest.mark.parametrize(("name", "field"), [*settings()])
def test_a_setting_named_like_a_secret_is_never_printed(name: str, field: FieldInfo) -> None:
    secret = re.search(r"_(PASSWORD|PEPPER|DATABASE_URL|STATE_URL)$", name) is not None

    assert secret == (field.annotation is SecretStr)
