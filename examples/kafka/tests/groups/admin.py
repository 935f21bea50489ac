"""What administrators do with groups, by two clients."""

import time

import kafka
import sys
from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, Producer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from kafka.admin import KafkaAdminClient

servers = sys.argv[1]
producer = Producer({"bootstrap.servers": servers})
for n in range(10):
    producer.produce("t", str(n))
assert producer.flush(10) == 0
admin = AdminClient({"bootstrap.servers": servers})


def consumer(group):
    made = Consumer({"bootstrap.servers": servers, "group.id": group, "auto.offset.reset": "earliest",
                     "enable.auto.commit": False})
    made.subscribe(["t"])
    message = made.poll(20)
    assert message is not None and not message.error()
    made.commit(message, asynchronous=False)
    return made


one, two = consumer("one"), consumer("two")
two.close()


def names(**filters):
    listed = admin.list_consumer_groups(**filters).result(10)
    assert not listed.errors, listed.errors
    return sorted(group.group_id for group in listed.valid)


assert names() == ["one", "two"], names()
assert names(states={ConsumerGroupState.EMPTY}) == ["two"]
assert names(states={ConsumerGroupState.STABLE}) == ["one"]
described = {name: future.result(10) for name, future in admin.describe_consumer_groups(["one", "two"]).items()}
assert described["one"].state == ConsumerGroupState.STABLE and described["two"].state == ConsumerGroupState.EMPTY
(member,) = described["one"].members
assert member.client_id == "rdkafka" and "127.0.0.1" in member.host, (member.client_id, member.host)

# Only a group without members is moved or deleted.
at = [TopicPartition("t", 0, 7)]
(future,) = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions("two", at)]).values()
future.result(10)
(future,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("two")]).values()
(found,) = future.result(10).topic_partitions
assert found.offset == 7, found
for name, ok in [("one", False), ("two", True)]:
    (future,) = admin.delete_consumer_groups([name]).values()
    try:
        future.result(10)
        assert ok
    except KafkaException as error:
        assert not ok and error.args[0].name() == "NON_EMPTY_GROUP", error
assert names() == ["one"]

other = KafkaAdminClient(bootstrap_servers=servers)
offsets = other.list_group_offsets(["one"]) if hasattr(other, "list_group_offsets") else other.list_consumer_group_offsets("one")
assert "1" in str(offsets), offsets
one.close()
time.sleep(0.2)
(future,) = admin.delete_consumer_groups(["one"]).values()
future.result(10)
assert names() == []
print("well")
