"""The calls that the gateway served last: bounded for each tenant, and restored from small blobs."""

from services.billing.served import MARKS_PER_PAGE, PREFIX, AppSpan, Served


def a_span(number: int, tenant: str = "acme") -> AppSpan:
    return AppSpan(tenant, f"{number:032x}", f"{number:016x}")


def some_spans(first: int, count: int, tenant: str = "acme") -> list[AppSpan]:
    return [a_span(number, tenant) for number in range(first, first + count)]


def test_a_span_of_another_tenant_or_trace_was_not_served() -> None:
    served = Served(100)
    served.remember([a_span(1)])

    assert a_span(1) in served
    assert a_span(1, "globex") not in served
    assert AppSpan("acme", a_span(2).trace_id, a_span(1).span_id) not in served


def test_a_tenant_forgets_its_own_oldest_page_and_no_others() -> None:
    served = Served(MARKS_PER_PAGE)
    served.remember([a_span(0, "globex")])

    served.remember(some_spans(0, MARKS_PER_PAGE))
    changes = served.remember(some_spans(MARKS_PER_PAGE, MARKS_PER_PAGE))

    assert changes[f"{PREFIX}acme/0"] is None
    assert a_span(0) not in served
    assert all(span in served for span in some_spans(MARKS_PER_PAGE, MARKS_PER_PAGE))
    assert a_span(0, "globex") in served


def test_a_batch_writes_its_tenants_last_page_only() -> None:
    served = Served(10_000)
    first = served.remember(some_spans(0, MARKS_PER_PAGE + 1))

    again = served.remember([a_span(5), a_span(MARKS_PER_PAGE + 1)])

    assert {name: len(blob or b"") for name, blob in first.items()} == {
        f"{PREFIX}acme/0": 4_096,
        f"{PREFIX}acme/1": 16,
    }
    assert {name: len(blob or b"") for name, blob in again.items()} == {f"{PREFIX}acme/1": 32}
    assert served.remember([a_span(5)]) == {}


def test_what_is_restored_remembers_and_forgets_like_what_was_stored() -> None:
    served, stored = Served(MARKS_PER_PAGE), dict[str, bytes]()
    for tenant in ("acme", "a/b"):
        for first in (0, MARKS_PER_PAGE):
            changes = served.remember(some_spans(first, MARKS_PER_PAGE - 1, tenant))
            stored |= {name: blob for name, blob in changes.items() if blob is not None}

    restored = Served(MARKS_PER_PAGE)
    restored.restore({**stored, "other": b"x"})

    more = some_spans(MARKS_PER_PAGE * 3, 3, "a/b")
    assert a_span(MARKS_PER_PAGE, "a/b") in restored
    assert restored.remember(more) == served.remember(more)
