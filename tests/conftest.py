"""Every run of the tests is the same run: hypothesis draws the same examples, however slow the machine."""

import re

from hypothesis import settings

settings.register_profile("leeway", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("leeway")


def pytest_make_parametrize_id(val: object) -> str | None:
    """A test's name is the same in every process that shares the tests: keys and packed bytes are made anew in each."""
    if isinstance(val, bytes) and val.startswith(b"\x1f\x8b"):
        return "gzip"
    return _KEY.sub("lk_key", val) if isinstance(val, str) and "lk_" in val else None


_KEY = re.compile(r"lk_[a-z]+_\w{8}_[\w-]{43}_[0-9a-f]+")
