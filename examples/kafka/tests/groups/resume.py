"""Offsets that one client commits, and from which the others go on; in the second part after a restart of the broker."""

import asyncio
import json
import subprocess
import sys

import aiokafka
import kafka
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

servers, part, kafkajs = sys.argv[1:4]


def confluent(count):
    consumer = Consumer({
        "bootstrap.servers": servers, "group.id": "g", "enable.auto.commit": False, "auto.offset.reset": "earliest",
    })
    consumer.subscribe(["t"])
    found = []
    while len(found) < count:
        message = consumer.poll(20)
        assert message is not None and not message.error(), message and message.error()
        found.append(int(message.value()))
        consumer.commit(message, asynchronous=False)
    consumer.close()
    return found


def python(count):
    consumer = kafka.KafkaConsumer(
        "t", bootstrap_servers=servers, group_id="g", enable_auto_commit=False, auto_offset_reset="earliest",
        consumer_timeout_ms=20000,
    )
    found = []
    for message in consumer:
        found.append(int(message.value))
        if len(found) == count:
            break
    at = kafka.structs.OffsetAndMetadata(found[-1] + 1, "python was here", -1)
    consumer.commit({kafka.TopicPartition("t", 0): at})
    consumer.close()
    return found


async def aio(count):
    consumer = aiokafka.AIOKafkaConsumer(
        "t", bootstrap_servers=servers, group_id="g", enable_auto_commit=False, auto_offset_reset="earliest",
    )
    await consumer.start()
    found = [int((await asyncio.wait_for(consumer.getone(), 20)).value) for _ in range(count)]
    await consumer.commit({aiokafka.TopicPartition("t", 0): found[-1] + 1})
    await consumer.stop()
    return found


def js(count):
    command = ["node", kafkajs, servers, "resume", "g", "t", str(count)]
    return json.loads(subprocess.run(command, check=True, timeout=180, stdout=subprocess.PIPE).stdout)


if part == "write":
    producer = Producer({"bootstrap.servers": servers})
    for number in range(40):
        producer.produce("t", str(number))
    assert producer.flush(10) == 0
    begin = 0
else:
    begin = 20
for n, read in enumerate([confluent, python, lambda count: asyncio.run(aio(count)), js]):
    found = read(5)
    first = begin + 5 * n
    assert found == list(range(first, first + 5)), (n, found)
consumer = Consumer({"bootstrap.servers": servers, "group.id": "g"})
(committed,) = consumer.committed([TopicPartition("t", 0)], 10)
assert committed.offset == begin + 20, committed
consumer.close()
print("well")
