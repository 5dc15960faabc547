"""A store that is bounded by bytes, and keeps what is asked again."""

from hypothesis import given
from hypothesis import strategies as st

from services.serving.cache.fifo import S3Fifo

CAPACITY = 1_000


def a_store() -> tuple[S3Fifo[str, int], list[str]]:
    left: list[str] = []
    return S3Fifo(CAPACITY, lambda key, _: left.append(key)), left


def test_what_is_asked_again_stays_while_thousands_pass() -> None:
    store, _ = a_store()
    for name in ("a", "b", "c"):
        store.put(name, 1, 100)
        store.get(name)

    for number in range(3_000):
        store.put(f"once-{number}", number, 100)
        if number % 5 == 0:
            assert all(store.get(name) == 1 for name in ("a", "b", "c"))

    assert store.bytes <= CAPACITY


def test_what_was_known_before_is_let_in_as_known() -> None:
    store, _ = a_store()
    store.put("a", 1, 100)
    for number in range(10):
        store.put(f"once-{number}", number, 100)
    gone = store.get("a")

    store.put("a", 2, 100)
    for number in range(20, 29):
        store.put(f"once-{number}", number, 100)

    assert gone is None
    assert store.get("a") == 2


def test_a_value_that_is_replaced_or_removed_does_not_count_as_gone() -> None:
    store, left = a_store()

    store.put("a", 1, 400)
    store.put("a", 2, 500)
    removed = store.remove("a")

    assert (removed, store.bytes, len(store), left) == (2, 0, 0, [])
    assert store.remove("a") is None


def test_what_is_larger_than_all_is_not_held_and_takes_nothing_along() -> None:
    store, left = a_store()
    store.put("a", 1, 100)

    assert not store.put("b", 2, CAPACITY + 1)
    assert store.put("c", 3, CAPACITY)
    assert left == ["a"]


STEPS = st.lists(
    st.tuples(st.sampled_from("gpr"), st.sampled_from("abcdefgh"), st.integers(1, 600)),
    max_size=200,
)


@given(STEPS)
def test_it_is_never_too_full_and_never_wrong(steps: list[tuple[str, str, int]]) -> None:
    store, left = a_store()
    held: dict[str, int] = {}
    for step, key, size in steps:
        match step:
            case "g":
                assert store.get(key) == held.get(key)
            case "r":
                assert store.remove(key) == held.pop(key, None)
            case _:
                assert store.put(key, size, size)
                held[key] = size
        for gone in left:
            del held[gone]
        left.clear()

        assert dict(store.items()) == held
        assert store.bytes == sum(held.values()) <= CAPACITY
        assert len(store) == len(held)
