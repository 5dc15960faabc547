"""The committed seed is what the builder makes of the pinned package: no rate was edited by hand."""

from infra.prices.build_seed import SEED, seed_text


def test_the_seed_is_what_the_builder_makes() -> None:
    assert seed_text() == SEED.read_text()
