"""Prompts in a folder of files that change while they are in use."""

import asyncio
from pathlib import Path

import pytest

from services.serving.prompts.files import FilePrompts
from shared.clock import SimulatedClock
from shared.errors import Invalid
from tests.builders import NOW
from tests.waiting import until


def a_file(text: str = "Hello.", name: str = "greeting", tenant: str = "acme") -> str:
    versions = f'{{1: {{messages: [{{role: user, content: "{text}"}}]}}}}'
    return f"name: {name}\ntenants: [{tenant}]\nversions: {versions}\n"


def said(prompts: FilePrompts, name: str = "greeting", tenant: str = "acme") -> str:
    prompt = prompts.prompt(tenant, name)
    return "" if prompt is None else prompt.versions[1].messages[0].content


async def opened(folder: Path) -> FilePrompts:
    return await FilePrompts(folder, SimulatedClock(NOW)).__aenter__()


async def twice(prompts: FilePrompts) -> None:
    """Two looks: the first sees a change, the second that it stood still."""
    await prompts.look()
    await prompts.look()


async def test_every_file_is_read_when_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(a_file())
    (tmp_path / "two.yaml").write_text(a_file("Bye.", "parting", "umbrella"))
    (tmp_path / ".hidden.yaml").write_text("no prompt")
    (tmp_path / "README.md").write_text("no prompt")

    prompts = await opened(tmp_path)

    assert said(prompts) == "Hello."
    assert said(prompts, "parting", "umbrella") == "Bye."
    assert said(prompts, "parting") == ""


async def test_it_does_not_open_with_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(a_file())
    (tmp_path / "two.yaml").write_text("name: [")
    (tmp_path / "three.yaml").write_bytes(b"name: \xff")

    with pytest.raises(Invalid) as raised:
        await opened(tmp_path)

    assert [fault.split(":")[0] for fault in raised.value.faults] == ["three.yaml", "two.yaml"]


async def test_it_does_not_open_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        await opened(tmp_path / "none")


async def test_one_prompt_is_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(a_file())
    (tmp_path / "two.yaml").write_text(a_file("Bye."))

    with pytest.raises(Invalid) as raised:
        await opened(tmp_path)

    assert raised.value.faults == ("two.yaml: the prompt 'greeting' of 'acme' is in another file.",)


async def test_a_changed_file_is_taken_once_it_stands_still(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(a_file())
    prompts = await opened(tmp_path)

    file.write_text(a_file("Good day."))
    await prompts.look()
    at_first = said(prompts)
    file.write_text(a_file("Good evening."))
    await prompts.look()
    while_it_changes = said(prompts)
    await prompts.look()

    assert (at_first, while_it_changes, said(prompts)) == ("Hello.", "Hello.", "Good evening.")


async def test_a_file_that_is_half_written_keeps_what_it_said(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(a_file())
    prompts = await opened(tmp_path)

    whole = a_file("Good day.")
    file.write_text(whole[:-10])
    await twice(prompts)
    half = said(prompts)
    file.write_text(whole)
    await twice(prompts)

    assert (half, said(prompts)) == ("Hello.", "Good day.")


async def test_the_others_are_taken_beside_one_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(a_file())
    prompts = await opened(tmp_path)

    (tmp_path / "one.yaml").write_text("name: [")
    (tmp_path / "two.yaml").write_text(a_file("Bye.", "parting"))
    await twice(prompts)

    assert said(prompts) == "Hello."
    assert said(prompts, "parting") == "Bye."


async def test_a_prompt_leaves_with_its_file_and_not_with_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "one.yaml").write_text(a_file())
    (folder / "two.yaml").write_text(a_file("Bye.", "parting"))
    prompts = await opened(folder)

    (folder / "two.yaml").unlink()
    await prompts.look()
    without_its_file = said(prompts, "parting")
    folder.rename(tmp_path / "away")
    await prompts.look()

    assert without_its_file == ""
    assert said(prompts) == "Hello."


async def test_a_prompt_in_hand_does_not_change(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(a_file())
    prompts = await opened(tmp_path)
    held = prompts.prompt("acme", "greeting")

    file.write_text(a_file("Good day."))
    await twice(prompts)

    assert held is not None
    assert held.versions[1].messages[0].content == "Hello."
    assert said(prompts) == "Good day."


async def test_it_looks_at_its_files_as_long_as_it_runs(tmp_path: Path) -> None:
    file, clock, stop = tmp_path / "one.yaml", SimulatedClock(NOW), asyncio.Event()
    file.write_text(a_file())
    async with FilePrompts(tmp_path, clock, seconds=2) as prompts:
        running = asyncio.create_task(prompts.run(stop))
        file.write_text(a_file("Good day."))

        def is_taken() -> bool:
            clock.advance(2)
            return said(prompts) == "Good day."

        await until(is_taken)
        stop.set()
        await running
