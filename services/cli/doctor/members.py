"""How many members Kafka's groups have.

aiokafka reads the answer to its newest DescribeGroups by the schema of an older one, so version 2 is asked for here
(https://kafka.apache.org/protocol#The_Messages_DescribeGroups).
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DescribeGroupsRequest_v2
from aiokafka.protocol.api import Request

from shared.log.kafka.cluster import Cluster


class _DescribeGroups(Request[DescribeGroupsRequest_v2]):  # type: ignore[misc]
    API_KEY = 15

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = groups

    def build(
        self, request_struct_class: type[DescribeGroupsRequest_v2]
    ) -> DescribeGroupsRequest_v2:
        return request_struct_class(self._groups)


async def members(
    admin: AIOKafkaAdminClient, cluster: Cluster, groups: Iterable[str]
) -> Counter[str]:
    """The members of each group. Raises `KafkaError`."""
    found = Counter[str]()
    client = cluster.client()
    try:
        await client.bootstrap()
        for group in groups:
            coordinator = await admin.find_coordinator(cluster.prefix + group)
            asked = _DescribeGroups([cluster.prefix + group])
            response = await client.send(coordinator, asked)
            found[group] = sum(len(one["members"]) for one in response.to_object()["groups"])
    finally:
        await client.close()
    return found
