"""Who may ask what of a ClickHouse server: the statements that give each tenant a user of its own.

Embedded, the gate stands between a tenant's user and the engine; on a server these statements do. The
engine in this process can parse them and not execute them: it has no access control.
"""

import hashlib
from collections.abc import Iterable, Mapping

from services.warehouse.endpoint.limits import CEILINGS
from services.warehouse.gate.tables import VIEWS
from services.warehouse.store import FACT_TABLES

ANALYST = "leeway_analyst"
"""The role of every tenant's user, their settings profile, and the row policy that holds for them."""

ANALYSTS = (
    "SELECT user_name FROM system.role_grants"  # noqa: S608
    f" WHERE granted_role_name = '{ANALYST}' AND user_name IS NOT NULL"
)
"""The query for the users that are there now."""

# A setting that a reader may choose within its bounds: 0 would mean that there is none.
_CHOSEN = "{name} = {ceiling} MIN 1 MAX {ceiling} CHANGEABLE_IN_READONLY"
_FIXED = (
    "readonly = 1",
    "result_overflow_mode = 'throw'",
    # The tenant is a part of every sorting key: before FINAL its rows can be found by the index, and are the same.
    "apply_row_policy_after_final = 0",
    # A plan that is sent whole to another server arrives without the row policies (ClickHouse issue 112891).
    "serialize_query_plan = 0",
)


def access(
    passwords: Mapping[str, str], there: Iterable[str], *, sharded: bool = False
) -> list[str]:
    """The statements after which the tenants of `passwords`, by id, have users named as they are, and no other has.

    `there` are the users that `ANALYSTS` finds. Each statement can be run again. Rows are filtered before
    there is anybody to read them, so that a start that breaks off in between shows nobody too much.
    """
    tables = [f"leeway.{table.name}{end}" for table in FACT_TABLES for end in _ends(sharded)]
    gone = sorted(set(there) - set(passwords))
    return [
        f"CREATE ROLE IF NOT EXISTS {ANALYST}",
        *(_row_policy(table) for table in tables),
        _profile(),
        _grant([*tables, *(f"leeway.{view}" for view in sorted(VIEWS))]),
        *(each for tenant in sorted(passwords) for each in _user(tenant, passwords[tenant])),
        *(f"DROP USER IF EXISTS {_quoted(user)}" for user in gone),
    ]


def _ends(sharded: bool) -> tuple[str, ...]:  # noqa: FBT001
    return ("", "_local") if sharded else ("",)


def _row_policy(table: str) -> str:
    return (
        f"CREATE ROW POLICY OR REPLACE {ANALYST} ON {table}"
        f" FOR SELECT USING tenant = currentUser() TO {ANALYST}"
    )


def _profile() -> str:
    chosen = (_CHOSEN.format(name=name, ceiling=ceiling) for name, ceiling in CEILINGS.items())
    settings = ", ".join([*_FIXED, *chosen])
    return f"CREATE SETTINGS PROFILE OR REPLACE {ANALYST} SETTINGS {settings} TO {ANALYST}"


def _grant(names: list[str]) -> str:
    # A view reads as whoever asks it (SQL SECURITY INVOKER): the tables are granted too, and so their row
    # policies hold. REPLACE takes back whatever else the role was given.
    grants = ", ".join(f"SELECT ON {name}" for name in names)
    return f"GRANT {grants} TO {ANALYST} WITH REPLACE OPTION"


def _user(tenant: str, password: str) -> tuple[str, str]:
    digest = hashlib.sha256(password.encode()).hexdigest()
    name = _quoted(tenant)
    return (
        (
            f"CREATE USER OR REPLACE {name} IDENTIFIED WITH sha256_hash BY '{digest}'"
            f" DEFAULT DATABASE leeway GRANTEES NONE"
        ),
        f"GRANT {ANALYST} TO {name}",
    )


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
