"""What every implementation of kept answers holds, as one suite; a harness says how each is set up."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Protocol

import numpy as np

from services.serving.cache.nearest import Likeness
from services.serving.cache.port import Cache, Part, Saved, Scope
from tests.builders import NOW

QUESTIONS = 4
ACME = Scope("acme", sha256(b"rules").hexdigest())
LONG_AGO = NOW - timedelta(days=1)


class Harness(Protocol):
    """A cache that compares the newest `QUESTIONS` of a group, on a clock that stands at `NOW`."""

    cache: Cache

    async def passes(self, seconds: float) -> None:
        """Return when so much time has passed."""
        ...


def a_key(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def a_saved(body: bytes = b'{"id":"1"}', **changes: object) -> Saved:
    """An answer saved at `NOW`, of which something is known of everything."""
    saved = Saved((Part(body),), NOW, Decimal("0.0000125"), a_key("subject"))
    return replace(saved, **changes)  # type: ignore[arg-type]


def a_question(angle: float = 0.0, **changes: object) -> Likeness:
    """A question so many degrees away from the one at 0, of other words."""
    vector = np.zeros(8, np.float32)
    vector[:2] = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    words = sha256(str(angle).encode()).digest()[:16]
    question = Likeness(a_key("group"), vector, sha256(b"marks").digest(), words, words)
    return replace(question, **changes)  # type: ignore[arg-type]


class CacheSuite:
    """Subclasses give the fixture `kept`. One degree is a cosine distance of 0.00015, ten are 0.015."""

    async def test_an_answer_comes_back_as_it_was_put(self, kept: Harness) -> None:
        saved = a_saved(
            parts=(
                Part(b"event: a\ndata: \xff\x00\n\n", b'{"a":1}'),
                Part(b": note\n\n", hidden=True),
                Part(b"data: [DONE]\n\n", final=True),
            )
        )

        await kept.cache.put(ACME, a_key("1"), saved, 60)

        assert await kept.cache.get(ACME, a_key("1")) == saved

    async def test_an_answer_whose_cost_is_not_known_is_nobodys(self, kept: Harness) -> None:
        saved = a_saved(cost_usd=None, subject="")

        await kept.cache.put(ACME, a_key("1"), saved, 60)

        assert await kept.cache.get(ACME, a_key("1")) == saved

    async def test_no_other_tenant_and_no_other_rules_find_it(self, kept: Harness) -> None:
        saved = a_saved(likeness=a_question())
        await kept.cache.put(ACME, a_key("1"), saved, 60)

        for scope in (Scope("umbrella", ACME.rules), Scope("acme", a_key("others"))):
            assert await kept.cache.get(scope, a_key("1")) is None
            assert await kept.cache.near(scope, a_question(), 0.5, LONG_AGO) is None
        assert await kept.cache.get(ACME, a_key("2")) is None

    async def test_the_last_put_stands(self, kept: Harness) -> None:
        await kept.cache.put(ACME, a_key("1"), a_saved(b"first"), 60)
        await kept.cache.put(ACME, a_key("1"), a_saved(b"last"), 60)

        found = await kept.cache.get(ACME, a_key("1"))

        assert found is not None
        assert found.parts[0].raw == b"last"

    async def test_an_answer_ends_when_it_was_to(self, kept: Harness) -> None:
        await kept.cache.put(ACME, a_key("1"), a_saved(likeness=a_question()), 60)

        await kept.passes(59)
        before = await kept.cache.get(ACME, a_key("1"))
        await kept.passes(1)

        assert before is not None
        assert await kept.cache.get(ACME, a_key("1")) is None
        assert await kept.cache.near(ACME, a_question(), 0.5, LONG_AGO) is None

    async def test_what_was_saved_too_long_ago_is_not_put(self, kept: Harness) -> None:
        await kept.passes(61)

        await kept.cache.put(ACME, a_key("1"), a_saved(), 60)

        assert await kept.cache.get(ACME, a_key("1")) is None

    async def test_the_nearest_question_is_answered(self, kept: Harness) -> None:
        for name, angle in (("far", 9.0), ("near", 3.0), ("off", 40.0)):
            saved = a_saved(name.encode(), likeness=a_question(angle))
            await kept.cache.put(ACME, a_key(name), saved, 60)

        found = await kept.cache.near(ACME, a_question(0), 0.015, LONG_AGO)

        assert found is not None
        assert found.parts[0].raw == b"near"

    async def test_beyond_the_distance_nothing_is_near(self, kept: Harness) -> None:
        await kept.cache.put(ACME, a_key("1"), a_saved(likeness=a_question(10)), 60)

        assert await kept.cache.near(ACME, a_question(0), 0.014, LONG_AGO) is None
        assert await kept.cache.near(ACME, a_question(0), 0.016, LONG_AGO) is not None

    async def test_another_group_other_marks_or_words_turned_round_are_not_near(
        self, kept: Harness
    ) -> None:
        asked = a_question()
        await kept.cache.put(ACME, a_key("1"), a_saved(likeness=asked), 60)

        for other in (
            replace(asked, group=a_key("other")),
            replace(asked, marks=bytes(32)),
            replace(asked, order=bytes(16)),
        ):
            assert await kept.cache.near(ACME, other, 0.5, LONG_AGO) is None

    async def test_a_question_saved_before_the_time_asked_for_is_passed_over(
        self, kept: Harness
    ) -> None:
        await kept.cache.put(ACME, a_key("1"), a_saved(likeness=a_question()), 60)

        assert await kept.cache.near(ACME, a_question(), 0.5, NOW) is not None
        later = NOW + timedelta(seconds=1)
        assert await kept.cache.near(ACME, a_question(), 0.5, later) is None

    async def test_of_a_group_the_newest_questions_are_compared(self, kept: Harness) -> None:
        for angle in range(QUESTIONS + 1):
            saved = a_saved(likeness=a_question(angle * 20.0))
            await kept.cache.put(ACME, a_key(str(angle)), saved, 60)

        assert await kept.cache.near(ACME, a_question(0), 0.001, LONG_AGO) is None
        assert await kept.cache.near(ACME, a_question(20), 0.001, LONG_AGO) is not None

    async def test_a_tenant_is_forgotten_and_no_other(self, kept: Harness) -> None:
        other = Scope("acme-2", ACME.rules)
        for scope in (ACME, other):
            await kept.cache.put(scope, a_key("1"), a_saved(likeness=a_question()), 60)
            await kept.cache.put(scope, a_key("2"), a_saved(subject=""), 60)

        forgotten = await kept.cache.forget("acme")

        assert forgotten == 2
        assert await kept.cache.get(ACME, a_key("1")) is None
        assert await kept.cache.near(ACME, a_question(), 0.5, LONG_AGO) is None
        assert await kept.cache.get(other, a_key("1")) is not None
        assert await kept.cache.near(other, a_question(), 0.5, LONG_AGO) is not None

    async def test_a_subject_is_forgotten_with_its_questions_and_no_other(
        self, kept: Harness
    ) -> None:
        ann = a_saved(subject=a_key("ann"), likeness=a_question(0))
        bob = a_saved(subject=a_key("bob"), likeness=a_question(60))
        await kept.cache.put(ACME, a_key("1"), ann, 60)
        await kept.cache.put(ACME, a_key("2"), bob, 60)

        forgotten = await kept.cache.forget("acme", a_key("ann"))

        assert forgotten == 1
        assert await kept.cache.get(ACME, a_key("1")) is None
        assert await kept.cache.near(ACME, a_question(0), 0.001, LONG_AGO) is None
        assert await kept.cache.get(ACME, a_key("2")) is not None
        assert await kept.cache.near(ACME, a_question(60), 0.001, LONG_AGO) is not None
        assert await kept.cache.forget("acme", a_key("ann")) == 0
