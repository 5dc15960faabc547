"""Every run of the tests is the same run: hypothesis draws the same examples, however slow the machine."""

from hypothesis import settings

settings.register_profile("leeway", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("leeway")
