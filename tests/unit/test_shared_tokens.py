"""API keys as text: made, shown, split and recognised by one form."""

import re

from shared.live import split_key
from shared.tokens import is_token, new_token, token_prefix


def test_a_token_has_the_documented_form() -> None:
    form = r"lk_production_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}_[0-9a-f]{6}"

    assert all(re.fullmatch(form, new_token("production")) for _ in range(200))


def test_a_token_splits_into_its_public_id_and_its_secret() -> None:
    token = new_token("production")

    key_id, secret = split_key(token)

    assert token.startswith(f"{token_prefix('production', key_id)}_{secret}_")
    assert (len(key_id), len(secret)) == (8, 43)


def test_an_environment_can_not_add_parts_to_a_token() -> None:
    token = new_token("EU_west 1_blue")

    assert token.startswith("lk_eu-west-1-blue_")
    assert len(split_key(token)[1]) == 43


def test_no_two_tokens_are_alike() -> None:
    assert len({new_token("production") for _ in range(1_000)}) == 1_000


def test_only_a_whole_token_with_its_checksum_is_one() -> None:
    token = new_token("production")

    assert is_token(token)
    assert not is_token(token[:-1])
    assert not is_token(f"{token}\n")
    assert not is_token(token.replace("lk_production", "lk_staging"))
    assert not is_token("lk_production_short_secret_000000")
