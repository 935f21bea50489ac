"""One client writes numbers over connections that break; they are there once, in their order."""

import asyncio
import logging
import subprocess
import sys

import aiokafka
import kafka
from confluent_kafka import Consumer, Producer, TopicPartition

servers, client, kafkajs = sys.argv[1:4]
COUNT = 400
logging.disable()


def confluent_writes():
    producer = Producer({
        "bootstrap.servers": servers, "enable.idempotence": True, "log_level": 0, "reconnect.backoff.max.ms": 100,
        "retry.backoff.ms": 20, "linger.ms": 1, "batch.num.messages": 3, "socket.timeout.ms": 5000,
    })
    errors = []
    for number in range(COUNT):
        producer.produce(client, str(number), partition=0, on_delivery=lambda error, _: error and errors.append(error))
        if number % 20 == 19:
            producer.poll(0.02)
    assert producer.flush(60) == 0 and not errors, errors[:3]


def python_writes():
    producer = kafka.KafkaProducer(
        bootstrap_servers=servers, enable_idempotence=True, reconnect_backoff_max_ms=100, retry_backoff_ms=20,
        batch_size=100, request_timeout_ms=5000, max_block_ms=60000,
    )
    sent = [producer.send(client, str(number).encode(), partition=0) for number in range(COUNT)]
    for future in sent:
        future.get(60)
    producer.close()


async def aio_writes():
    while True:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=servers, enable_idempotence=True, retry_backoff_ms=20, max_batch_size=100,
            request_timeout_ms=5000,
        )
        try:
            await producer.start()
            break
        except aiokafka.errors.KafkaError:
            # It does not try again while it starts.
            await producer.stop()
    sent = [await producer.send(client, str(number).encode(), partition=0) for number in range(COUNT)]
    await asyncio.wait_for(asyncio.gather(*sent), 60)
    await producer.stop()


def js_writes():
    subprocess.run(["node", kafkajs, servers, "retry", client, str(COUNT)], check=True, timeout=240)


{"confluent": confluent_writes, "python": python_writes, "aio": lambda: asyncio.run(aio_writes()),
 "kafkajs": js_writes}[client]()

consumer = Consumer({"bootstrap.servers": servers, "group.id": "unused", "enable.partition.eof": True, "log_level": 0,
                     "reconnect.backoff.max.ms": 100, "enable.auto.commit": False})
consumer.assign([TopicPartition(client, 0, 0)])
found = []
while True:
    message = consumer.poll(30)
    assert message is not None, len(found)
    if message.error():
        if message.error().name() == "_PARTITION_EOF":
            break
        assert message.error().retriable() or message.error().code() < 0, message.error()
        continue
    found.append(int(message.value()))
consumer.close()
assert found == list(range(COUNT)), (len(found), found)
print("well")
