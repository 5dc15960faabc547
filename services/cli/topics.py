"""`leeway topics`: Kafka's topics, as the code needs them."""

import asyncio
from typing import Annotated

import typer
from aiokafka.errors import KafkaError

from services.cluster import cluster_of
from services.settings import Installation
from shared.clock import SystemClock
from shared.errors import Invalid, Unavailable
from shared.log.kafka import layout
from shared.log.kafka.cluster import Cluster

app = typer.Typer(help="Kafka's topics.", no_args_is_help=True, add_completion=False)


@app.callback()
def topics() -> None:
    """Kafka's topics."""


@app.command()
def apply(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    replication: Annotated[
        int, typer.Option(help="How many brokers keep a new topic; 0: all, but three at most.")
    ] = 0,
) -> None:
    """Make the topics that are missing, and bring the settings of the others to what they must be."""
    cluster = cluster_of(Installation())
    if cluster is None:
        raise Invalid(
            "The log is embedded and has no topics to make: LEEWAY_KAFKA names no servers."
        )
    changes = asyncio.run(apply_topics(cluster, replication, dry_run=dry_run))
    for change in changes:
        print(change)
    print("Nothing to change." if not changes else "Nothing was changed." if dry_run else "Done.")


async def apply_topics(
    cluster: Cluster, replication: int = 0, *, dry_run: bool = False
) -> list[layout.Change]:
    """Make and change topics, unless it is a dry run; what is (or would be) done. Raises `Unavailable`."""
    admin = cluster.admin()
    try:
        await admin.start()
        copies = await layout.replicas(admin, replication)
        changes = await layout.plan(admin, layout.layouts(cluster), copies)
        if not dry_run:
            await layout.apply(admin, changes, SystemClock())
    except KafkaError as error:
        raise Unavailable(f"Kafka at {cluster.servers} does not answer: {error!r}.") from error
    else:
        return changes
    finally:
        await admin.close()
