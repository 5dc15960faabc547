"""The users of a ClickHouse server: each tenant one of its own, with its rows only."""

from services.warehouse.access import access
from services.warehouse.gate.tables import VIEWS
from services.warehouse.store import FACT_TABLES


def test_a_tenant_gets_a_user_of_its_name_with_the_hash_of_its_password() -> None:
    statements = access({"acme": "secret"}, [])

    assert statements[-2:] == [
        (
            "CREATE USER OR REPLACE `acme` IDENTIFIED WITH sha256_hash BY"
            " '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b'"
            " DEFAULT DATABASE leeway GRANTEES NONE"
        ),
        "GRANT leeway_analyst TO `acme`",
    ]


def test_a_tenant_that_is_gone_loses_its_user() -> None:
    assert access({"acme": "secret"}, ["acme", "beta"])[-1] == "DROP USER IF EXISTS `beta`"


def test_rows_are_filtered_on_every_table_before_anybody_may_read() -> None:
    statements = access({"acme": "secret"}, [])
    policies = [n for n, s in enumerate(statements) if s.startswith("CREATE ROW POLICY")]
    grant = next(n for n, s in enumerate(statements) if s.startswith("GRANT SELECT"))

    assert [statements[n] for n in policies] == [
        f"CREATE ROW POLICY OR REPLACE leeway_analyst ON leeway.{table.name}"
        " FOR SELECT USING tenant = currentUser() TO leeway_analyst"
        for table in FACT_TABLES
    ]
    assert max(policies) < grant


def test_an_analyst_may_read_the_views_and_their_tables_and_nothing_else() -> None:
    [grant] = [s for s in access({}, []) if s.startswith("GRANT SELECT")]
    named = {f"leeway.{name}" for name in VIEWS} | {f"leeway.{t.name}" for t in FACT_TABLES}

    assert grant.endswith(" TO leeway_analyst WITH REPLACE OPTION")
    assert set(grant.split(" TO ")[0].replace("GRANT ", "").split(", ")) == {
        f"SELECT ON {name}" for name in named
    }


def test_over_shards_the_local_tables_are_filtered_too() -> None:
    single, sharded = access({}, []), access({}, [], sharded=True)

    assert len(sharded) == len(single) + len(FACT_TABLES)
    assert any("ON leeway.usage_local FOR SELECT" in statement for statement in sharded)


def test_a_name_cannot_leave_its_quotes() -> None:
    [drop] = [s for s in access({}, ["a`b\\"]) if s.startswith("DROP")]

    assert drop == "DROP USER IF EXISTS `a\\`b\\\\`"


def test_a_client_may_ask_for_less_and_not_for_no_bound() -> None:
    [profile] = [s for s in access({}, []) if "SETTINGS PROFILE" in s]

    assert "max_execution_time = 30 MIN 1 MAX 30 CHANGEABLE_IN_READONLY" in profile
    assert "readonly = 1," in profile
