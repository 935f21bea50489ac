"""What operators do: the admin clients of confluent-kafka and kafka-python."""

import sys

from confluent_kafka import Producer, TopicPartition, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)
import kafka
from kafka.admin import KafkaAdminClient

servers = sys.argv[1]


def only(futures):
    ((_, future),) = futures.items()
    return future.result(10)


admin = AdminClient({"bootstrap.servers": servers})
only(admin.create_topics([NewTopic("told", 1, 1, config={"retention.ms": "1000"})]))
resource = ConfigResource(ConfigResource.Type.TOPIC, "told")


def setting(name):
    return only(admin.describe_configs([resource]))[name].value


assert setting("retention.ms") == "1000"
entry = ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND)
only(
    admin.incremental_alter_configs(
        [ConfigResource(ConfigResource.Type.TOPIC, "told", incremental_configs=[entry])]
    )
)
assert setting("cleanup.policy") == "compact,delete" and setting("retention.ms") == "1000"
only(admin.alter_configs([ConfigResource(ConfigResource.Type.TOPIC, "told", set_config={"retention.ms": "-1"})]))
assert setting("cleanup.policy") == "delete" and setting("retention.ms") == "-1"
broker = ConfigResource(ConfigResource.Type.BROKER, "1")
assert only(admin.describe_configs([broker]))["broker.id"].value == "1"

only(admin.create_partitions([NewPartitions("told", 3)]))
described = admin.describe_topics(TopicCollection(["told"]))["told"].result(10)
assert len(described.partitions) == 3
cluster = admin.describe_cluster().result(10)
assert len(cluster.nodes) == 1 and cluster.controller.id == 1

producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True})
for n in range(5):
    producer.produce("told", str(n).encode(), partition=0)
assert producer.flush(10) == 0
only(admin.delete_records([TopicPartition("told", 0, 3)]))
first = only(admin.list_offsets({TopicPartition("told", 0): OffsetSpec.earliest()}))
last = only(admin.list_offsets({TopicPartition("told", 0): OffsetSpec.latest()}))
assert (first.offset, last.offset) == (3, 5)

other = KafkaAdminClient(bootstrap_servers=servers)
assert other.list_topics() == ["told"], other.list_topics()
(told,) = other.describe_topics(["told"])
assert len(told["partitions"]) == 3, told
other.delete_topics(["told"])
assert "told" not in admin.list_topics(timeout=10).topics
print("well")
