"""YAML as a tree whose values know their line, without the parts of YAML that hide or multiply things."""

from collections.abc import Iterator
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 20

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the file: its node, and the path of keys that leads to it."""

    node: Node
    path: str

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    @property
    def type(self) -> str:
        """The YAML type: map, seq, str, int, float, bool, null, timestamp."""
        return str(self.node.tag).removeprefix(_TAG)

    @property
    def text(self) -> str:
        """A scalar exactly as it is written; the empty string for a list or a mapping."""
        return str(self.node.value) if isinstance(self.node, ScalarNode) else ""

    def items(self) -> tuple["Value", ...]:
        """The items of a list; nothing for anything else."""
        if not isinstance(self.node, SequenceNode):
            return ()
        return tuple(
            Value(node, f"{self.path}[{index}]") for index, node in enumerate(self.node.value)
        )

    def entries(self) -> Iterator[tuple["Value", "Value"]]:
        """The keys of a mapping with their values, duplicates included; nothing for anything else."""
        if not isinstance(self.node, MappingNode):
            return
        for key, node in self.node.value:
            name = str(key.value) if isinstance(key, ScalarNode) else "?"
            path = f"{self.path}.{name}" if self.path else name
            yield Value(key, path), Value(node, path)


class Unreadable(Exception):
    """The text is not YAML, or uses a part of it that is refused here."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line
        self.sentence = sentence


def parse(text: str) -> Value | None:
    """The root of the document, or None when it is empty; raises `Unreadable`.

    Aliases are refused (ten lines of them expand to gigabytes), and so is deep nesting.
    """
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(1, f"the file is longer than {MAX_CHARACTERS} characters.")
    try:
        _refuse_aliases_and_depth(text)
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise Unreadable(_line_of(error), f"not valid YAML: {_sentence(error)}.") from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Unreadable(line, "not valid YAML: a control character.") from error
    except YAMLError as error:
        raise Unreadable(1, "not valid YAML.") from error
    value = None if root is None else Value(root, "")
    return None if value is None or value.type == "null" else value


def _refuse_aliases_and_depth(text: str) -> None:
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            raise Unreadable(line, "aliases (*name) are not read here: write the value out.")
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise Unreadable(line, f"nested deeper than {MAX_DEPTH} levels.")


def _line_of(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return 1 if mark is None else int(mark.line) + 1


def _sentence(error: MarkedYAMLError) -> str:
    problem = str(error.problem or error.context or "it cannot be parsed")
    if "'\\t'" in problem:
        return "a tab where an indent must be spaces"
    if "another document" in problem:
        return "a second document ('---'): one file holds one"
    return " ".join(problem.split())
