"""Transactions by each client, committed and aborted, read by each client; offsets in transactions; fenced producers."""

import asyncio
import json
import subprocess
import sys

import aiokafka
import kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

servers, kafkajs = sys.argv[1:3]
admin = AdminClient({"bootstrap.servers": servers})
for future in admin.create_topics([NewTopic("t", 1, 1), NewTopic("out", 1, 1)]).values():
    future.result(10)


def confluent_writes():
    producer = Producer({"bootstrap.servers": servers, "transactional.id": "confluent"})
    producer.init_transactions(20)
    for commits in [True, False, True]:
        producer.begin_transaction()
        for n in range(3):
            producer.produce("t", f"confluent {commits} {n}")
        # What is aborted shall have been written.
        assert producer.flush(10) == 0
        producer.commit_transaction(20) if commits else producer.abort_transaction(20)


def python_writes():
    producer = kafka.KafkaProducer(bootstrap_servers=servers, transactional_id="python")
    producer.init_transactions()
    for commits in [True, False, True]:
        producer.begin_transaction()
        for n in range(3):
            producer.send("t", f"python {commits} {n}".encode())
        producer.flush(10)
        producer.commit_transaction() if commits else producer.abort_transaction()
    producer.close()


async def aio_writes():
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=servers, transactional_id="aio")
    await producer.start()
    for commits in [True, False, True]:
        await producer.begin_transaction()
        for n in range(3):
            await producer.send_and_wait("t", f"aio {commits} {n}".encode())
        await (producer.commit_transaction() if commits else producer.abort_transaction())
    await producer.stop()


def js(*args):
    command = ["node", kafkajs, servers, *map(str, args)]
    return subprocess.run(command, check=True, timeout=180, stdout=subprocess.PIPE).stdout


confluent_writes()
python_writes()
asyncio.run(aio_writes())
js("transactions", "t")
committed = [
    f"{name} True {n}".encode() for name in ["confluent", "python", "aio", "kafkajs"] for _ in range(2) for n in range(3)
]


def confluent_reads(isolation):
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "none", "isolation.level": isolation,
                         "enable.partition.eof": True})
    consumer.assign([TopicPartition("t", 0, 0)])
    found = []
    while True:
        message = consumer.poll(10)
        assert message is not None
        if message.error():
            assert message.error().name() == "_PARTITION_EOF", message.error()
            break
        found.append(message.value())
    consumer.close()
    return found


def python_reads():
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=servers, isolation_level="read_committed", consumer_timeout_ms=3000
    )
    consumer.assign([kafka.TopicPartition("t", 0)])
    consumer.seek_to_beginning()
    found = [message.value for message in consumer]
    consumer.close()
    return found


async def aio_reads():
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed")
    await consumer.start()
    partition = aiokafka.TopicPartition("t", 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    found = []
    while len(found) < len(committed):
        found.append((await asyncio.wait_for(consumer.getone(), 10)).value)
    await consumer.stop()
    return found


assert confluent_reads("read_committed") == committed
assert len(confluent_reads("read_uncommitted")) == 36
assert python_reads() == committed, python_reads()
assert asyncio.run(aio_reads()) == committed
assert json.loads(js("read", "t", len(committed), "read_committed")) == [value.decode() for value in committed]
assert len(json.loads(js("read", "t", 36, "read_uncommitted"))) == 36

# Reading, writing, and remembering how far, all or nothing.
for commits, expected in [(False, None), (True, 5)]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "mover", "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "isolation.level": "read_committed"})
    consumer.subscribe(["t"])
    producer = Producer({"bootstrap.servers": servers, "transactional.id": "mover"})
    producer.init_transactions(20)
    producer.begin_transaction()
    for n in range(5):
        message = consumer.poll(20)
        assert message is not None and message.value() == committed[n], message
        producer.produce("out", message.value())
    place = consumer.position(consumer.assignment())
    producer.send_offsets_to_transaction(place, consumer.consumer_group_metadata(), 20)
    producer.commit_transaction(20) if commits else producer.abort_transaction(20)
    (at,) = consumer.committed([TopicPartition("t", 0)], 10)
    assert (at.offset > 0) == commits, at
    consumer.close()
js("move", "t", "out", 5)
moved = Consumer({"bootstrap.servers": servers, "group.id": "none", "isolation.level": "read_committed"})
moved.assign([TopicPartition("out", 0, 0)])
assert [moved.poll(10).value() for _ in range(10)] == committed[:5] * 2
assert moved.poll(1) is None
moved.close()

# Whoever comes second takes the place of the first.
first = Producer({"bootstrap.servers": servers, "transactional.id": "one"})
first.init_transactions(20)
first.begin_transaction()
first.produce("t", "never")
first.flush(10)
second = Producer({"bootstrap.servers": servers, "transactional.id": "one"})
second.init_transactions(20)
try:
    first.commit_transaction(20)
    raise AssertionError("it is not fenced")
except KafkaException as error:
    assert error.args[0].fatal(), error
assert confluent_reads("read_committed") == committed
print("well")
