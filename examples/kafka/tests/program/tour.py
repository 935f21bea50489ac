"""Everything that one client can ask a broker for: its versions are in the broker's trace. `tour.py SERVERS CLIENT`."""

import asyncio
import sys

servers, client = sys.argv[1:3]
USER, PASSWORD = "alice", "secret"


def confluent():
    from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicCollection, TopicPartition
    from confluent_kafka.admin import (
        AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec,
    )

    config = {"bootstrap.servers": servers, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
              "sasl.username": USER, "sasl.password": PASSWORD}

    def only(futures):
        ((_, future),) = futures.items()
        return future.result(10)

    admin = AdminClient(config)
    only(admin.create_topics([NewTopic("t", 1, 1)]))
    only(admin.create_partitions([NewPartitions("t", 2)]))
    resource = ConfigResource(ConfigResource.Type.TOPIC, "t")
    only(admin.describe_configs([resource]))
    only(admin.alter_configs([ConfigResource(ConfigResource.Type.TOPIC, "t", set_config={"retention.ms": "-1"})]))
    entry = ConfigEntry("retention.ms", "-1", incremental_operation=AlterConfigOpType.SET)
    only(admin.incremental_alter_configs(
        [ConfigResource(ConfigResource.Type.TOPIC, "t", incremental_configs=[entry])]
    ))
    producer = Producer({**config, "transactional.id": "tx"})
    producer.init_transactions(20)
    producer.begin_transaction()
    for n in range(5):
        producer.produce("t", str(n), partition=0)
    consumer = Consumer({**config, "group.id": "g", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    producer.flush(10)
    producer.commit_transaction(20)
    consumer.subscribe(["t"])
    message = consumer.poll(20)
    assert message is not None and not message.error()
    consumer.commit(message, asynchronous=False)
    consumer.committed([TopicPartition("t", 0)], 10)
    for _ in range(40):
        consumer.poll(0.1)  # long enough for a heartbeat
    producer.begin_transaction()
    producer.produce("t", "x", partition=0)
    producer.send_offsets_to_transaction([TopicPartition("t", 0, 2)], consumer.consumer_group_metadata(), 20)
    producer.commit_transaction(20)
    consumer.offsets_for_times([TopicPartition("t", 0, 0)], 10)
    consumer.close()
    only(admin.list_offsets({TopicPartition("t", 0): OffsetSpec.latest()}))
    only(admin.describe_topics(TopicCollection(["t"])))
    admin.describe_cluster().result(10)
    admin.list_consumer_groups().result(10)
    only(admin.describe_consumer_groups(["g"]))
    only(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions("g", [TopicPartition("t", 0, 1)])]))
    only(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("g")]))
    only(admin.delete_consumer_groups(["g"]))
    only(admin.delete_records([TopicPartition("t", 0, 3)]))
    only(admin.delete_topics(["t"]))


def sasl():
    return dict(bootstrap_servers=servers, security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN",
                sasl_plain_username=USER, sasl_plain_password=PASSWORD)


def python():
    import kafka
    from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic

    admin = KafkaAdminClient(**sasl())
    admin.create_topics([NewTopic("t", 1, 1)])
    admin.create_partitions({"t": NewPartitions(2)})
    admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "t")])
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "t", {"retention.ms": "-1"})])
    admin.describe_topics(["t"])
    admin.describe_cluster()
    producer = kafka.KafkaProducer(**sasl(), transactional_id="tx")
    producer.init_transactions()
    producer.begin_transaction()
    for n in range(5):
        producer.send("t", str(n).encode(), partition=0)
    producer.flush(10)
    producer.commit_transaction()
    consumer = kafka.KafkaConsumer("t", **sasl(), group_id="g", auto_offset_reset="earliest", enable_auto_commit=False,
                                   consumer_timeout_ms=20000, heartbeat_interval_ms=300)
    next(consumer)
    consumer.commit()
    partition = kafka.TopicPartition("t", 0)
    consumer.committed(partition)
    for _ in range(10):
        consumer.poll(100)
    producer.begin_transaction()
    at = kafka.structs.OffsetAndMetadata(2, "", -1)
    producer.send_offsets_to_transaction({partition: at}, "g")
    producer.commit_transaction()
    producer.close()
    consumer.offsets_for_times({partition: 0})
    consumer.close()
    admin.list_groups() if hasattr(admin, "list_groups") else admin.list_consumer_groups()
    admin.describe_groups(["g"]) if hasattr(admin, "describe_groups") else admin.describe_consumer_groups(["g"])
    admin.list_group_offsets(["g"]) if hasattr(admin, "list_group_offsets") else admin.list_consumer_group_offsets("g")
    admin.delete_groups(["g"]) if hasattr(admin, "delete_groups") else admin.delete_consumer_groups(["g"])
    admin.delete_records({partition: 3})
    admin.delete_topics(["t"])


async def aio():
    import aiokafka
    from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    admin = AIOKafkaAdminClient(**sasl())
    await admin.start()
    await admin.create_topics([NewTopic("t", 1, 1)])
    await admin.create_partitions({"t": NewPartitions(2)})
    await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "t")])
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "t", {"retention.ms": "-1"})])
    await admin.describe_topics(["t"])
    await admin.describe_cluster()
    producer = aiokafka.AIOKafkaProducer(**sasl(), transactional_id="tx")
    await producer.start()
    await producer.begin_transaction()
    for n in range(5):
        await producer.send_and_wait("t", str(n).encode(), partition=0)
    await producer.commit_transaction()
    consumer = aiokafka.AIOKafkaConsumer("t", **sasl(), group_id="g", auto_offset_reset="earliest",
                                         enable_auto_commit=False, heartbeat_interval_ms=300)
    await consumer.start()
    await asyncio.wait_for(consumer.getone(), 20)
    await consumer.commit()
    partition = aiokafka.TopicPartition("t", 0)
    await consumer.committed(partition)
    await consumer.getmany(timeout_ms=1000)
    await producer.begin_transaction()
    await producer.send_offsets_to_transaction({partition: 2}, "g")
    await producer.commit_transaction()
    await producer.stop()
    await consumer.offsets_for_times({partition: 0})
    await consumer.stop()
    await admin.list_consumer_groups()
    await admin.describe_consumer_groups(["g"])
    await admin.list_consumer_group_offsets("g")
    await admin.delete_records({partition: aiokafka.admin.RecordsToDelete(before_offset=3)})
    await admin.delete_topics(["t"])
    await admin.close()


{"confluent": confluent, "python": python, "aio": lambda: asyncio.run(aio())}[client]()
print("well")
