"""Each Python client reads a topic whole: `readers.py SERVERS TOPIC VALUES`, the values in JSON."""

import asyncio
import json
import sys

import aiokafka
import kafka
from confluent_kafka import Consumer, TopicPartition

servers, topic, values = sys.argv[1:4]
expected = [value.encode() for value in json.loads(values)]


def confluent():
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while len(found) < len(expected):
        message = consumer.poll(10)
        assert message is not None and not message.error(), message and message.error()
        found.append(message.value())
    consumer.close()
    return found


def python():
    consumer = kafka.KafkaConsumer(bootstrap_servers=servers, consumer_timeout_ms=10000)
    consumer.assign([kafka.TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    found = [message.value for message, _ in zip(consumer, expected)]
    consumer.close()
    return found


async def aio():
    consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    partition = aiokafka.TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    found = [(await asyncio.wait_for(consumer.getone(), 10)).value for _ in expected]
    await consumer.stop()
    return found


for name, found in [("confluent", confluent()), ("kafka-python", python()), ("aiokafka", asyncio.run(aio()))]:
    assert found == expected, (name, found)
print("well")
