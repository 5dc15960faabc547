"""What an analyst's query may use, and which settings its client may choose for it."""

from collections.abc import Mapping

from services.warehouse.faults import BAD_ARGUMENTS, READONLY, SqlFault
from services.warehouse.words import words

# Bounds of one query of a tenant's user; a client may ask for less.
CEILINGS = {
    "max_execution_time": 30,  # seconds
    "max_memory_usage": 1_000_000_000,  # bytes
    "max_result_rows": 1_000_000,
    "max_result_bytes": 256_000_000,
    "max_threads": 4,
    "max_block_size": 65_409,
}
_FIXED = {"timeout_before_checking_execution_speed": "0", "result_overflow_mode": "throw"}

# Settings that change how an answer is written, or what a join without a match gives; never what may be read.
_CHOICES = words(
    """
    aggregate_functions_null_for_empty date_time_input_format date_time_output_format empty_result_for_aggregation_by_empty_set
    extremes group_by_use_nulls join_use_nulls prefer_column_name_to_alias session_timezone
    cast_keep_nullable cast_string_to_dynamic_use_inference totals_mode union_default_mode use_variant_as_common_type
    """
)
_CHOSEN_PREFIX = "output_format_"
_FILE_SETTINGS = ("schema", "template", "path", "file")


def analyst_settings(asked: Mapping[str, str]) -> dict[str, str]:
    """The settings of a tenant's query. Raises `SqlFault` for one that its client may not choose."""
    settings = {name: str(ceiling) for name, ceiling in CEILINGS.items()} | _FIXED
    for name, value in asked.items():
        settings[name] = _lowered(name, value) if name in CEILINGS else _chosen(name, value)
    return settings


def _lowered(name: str, value: str) -> str:
    if not value.isdigit():
        raise SqlFault(BAD_ARGUMENTS, f"{name}: expected a whole number, found '{value}'.")
    wanted = int(value)
    return str(min(wanted, CEILINGS[name]) if wanted else CEILINGS[name])


def _chosen(name: str, value: str) -> str:
    names_a_file = any(word in name for word in _FILE_SETTINGS)
    if name in _CHOICES or (name.startswith(_CHOSEN_PREFIX) and not names_a_file):
        return value
    raise SqlFault(READONLY, f"Cannot modify '{name}' setting in readonly mode.")
