"""Each client writes with each compression, and each reads all, from the beginning and from a time on."""

import asyncio
import json
import subprocess
import sys

import aiokafka
import kafka
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

servers, kafkajs = sys.argv[1:3]
COMPRESSIONS = ["none", "gzip", "snappy", "lz4", "zstd"]
TIME = 1_700_000_000_000

admin = AdminClient({"bootstrap.servers": servers})
# The times are some years ago, and nothing may be deleted for being old.
for future in admin.create_topics([NewTopic("all", 1, 1, config={"retention.ms": "-1"})]).values():
    future.result(10)
expected = []


def next_message(text):
    """A value and its time: a second after the one before."""
    expected.append(text.encode())
    return expected[-1], TIME + 1000 * len(expected)


def confluent_writes(compression, idempotent):
    producer = Producer(
        {"bootstrap.servers": servers, "compression.type": compression, "enable.idempotence": idempotent}
    )
    value, time = next_message(f"confluent {compression} {idempotent}")
    producer.produce("all", value, headers={"h": b"1"}, timestamp=time)
    assert producer.flush(10) == 0


def python_writes(compression, idempotent):
    producer = kafka.KafkaProducer(
        bootstrap_servers=servers,
        compression_type=None if compression == "none" else compression,
        enable_idempotence=idempotent,
    )
    value, time = next_message(f"python {compression} {idempotent}")
    producer.send("all", value, timestamp_ms=time).get(10)
    producer.close()


async def aio_writes(compression, idempotent):
    producer = aiokafka.AIOKafkaProducer(
        bootstrap_servers=servers,
        compression_type=None if compression == "none" else compression,
        enable_idempotence=idempotent,
    )
    await producer.start()
    value, time = next_message(f"aio {compression} {idempotent}")
    await producer.send_and_wait("all", value, timestamp_ms=time)
    await producer.stop()


def js_writes(compression, idempotent):
    value, time = next_message(f"kafkajs {compression} {idempotent}")
    command = ["node", kafkajs, servers, "write", "all", compression, str(idempotent).lower(), value, str(time)]
    subprocess.run(command, check=True, timeout=120)


for compression in COMPRESSIONS:
    for idempotent in [False, True]:
        confluent_writes(compression, idempotent)
        python_writes(compression, idempotent)
        asyncio.run(aio_writes(compression, idempotent))
        js_writes(compression, idempotent)

MIDDLE = len(expected) // 2
MIDDLE_TIME = TIME + 1000 * (MIDDLE + 1) - 500


def confluent_reads():
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "unused", "enable.auto.commit": False})
    (found,) = consumer.offsets_for_times([TopicPartition("all", 0, MIDDLE_TIME)], 10)
    assert found.offset == MIDDLE, found
    for start in [0, MIDDLE]:
        consumer.assign([TopicPartition("all", 0, start)])
        found = []
        while len(found) < len(expected) - start:
            message = consumer.poll(10)
            assert message is not None and not message.error(), message and message.error()
            found.append(message.value())
        assert found == expected[start:], found
    assert consumer.get_watermark_offsets(TopicPartition("all", 0)) == (0, len(expected))
    consumer.close()


def python_reads():
    consumer = kafka.KafkaConsumer(bootstrap_servers=servers, consumer_timeout_ms=10000)
    partition = kafka.TopicPartition("all", 0)
    assert consumer.offsets_for_times({partition: MIDDLE_TIME})[partition].offset == MIDDLE
    assert consumer.end_offsets([partition]) == {partition: len(expected)}
    consumer.assign([partition])
    for start in [0, MIDDLE]:
        consumer.seek(partition, start)
        found = []
        for message in consumer:
            found.append(message.value)
            if len(found) == len(expected) - start:
                break
        assert found == expected[start:], found
    consumer.close()


async def aio_reads():
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    partition = aiokafka.TopicPartition("all", 0)
    consumer.assign([partition])
    assert (await consumer.offsets_for_times({partition: MIDDLE_TIME}))[partition].offset == MIDDLE
    for start in [0, MIDDLE]:
        consumer.seek(partition, start)
        found = [(await asyncio.wait_for(consumer.getone(), 10)).value for _ in expected[start:]]
        assert found == expected[start:], found
    await consumer.stop()


def js_reads():
    for start in [0, MIDDLE]:
        count = str(len(expected) - start)
        command = ["node", kafkajs, servers, "read", "all", str(start), count, str(MIDDLE_TIME)]
        said = json.loads(subprocess.run(command, check=True, timeout=180, stdout=subprocess.PIPE).stdout)
        assert said["offset"] == MIDDLE, said["offset"]
        assert [value.encode() for value in said["values"]] == expected[start:], said


confluent_reads()
python_reads()
asyncio.run(aio_reads())
js_reads()
for future in admin.delete_topics(["all"]).values():
    future.result(10)
print("well")
