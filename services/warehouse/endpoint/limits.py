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
    "max_threads": 2,
    "max_block_size": 65_409,
}
_FIXED = {
    "timeout_before_checking_execution_speed": "0",
    "result_overflow_mode": "throw",
    # The time is looked at between blocks: an array can make a block that one function works on for long.
    "function_range_max_elements_in_block": "1000000",
}

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


def analyst_settings(asked: Mapping[str, str], memory_bytes: int) -> dict[str, str]:
    """The settings of a tenant's query that may have `memory_bytes` at most. Raises `SqlFault` for one that
    its client may not choose."""
    memory = min(CEILINGS["max_memory_usage"], memory_bytes)
    ceilings = CEILINGS | {"max_memory_usage": memory}
    settings = {name: str(ceiling) for name, ceiling in ceilings.items()} | _FIXED
    for name, value in asked.items():
        ceiling = ceilings.get(name)
        settings[name] = _chosen(name, value) if ceiling is None else _lowered(name, value, ceiling)
    return settings


def _lowered(name: str, value: str, ceiling: int) -> str:
    if not value.isdigit():
        raise SqlFault(BAD_ARGUMENTS, f"{name}: expected a whole number, found '{value}'.")
    wanted = int(value)
    return str(min(wanted, ceiling) if wanted else ceiling)


def _chosen(name: str, value: str) -> str:
    names_a_file = any(word in name for word in _FILE_SETTINGS)
    if name in _CHOICES or (name.startswith(_CHOSEN_PREFIX) and not names_a_file):
        return value
    raise SqlFault(READONLY, f"Cannot modify '{name}' setting in readonly mode.")
