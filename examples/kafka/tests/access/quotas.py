"""What librdkafka tells its application when the broker slows it down."""

import sys
import time

from confluent_kafka import Consumer, Producer

servers = sys.argv[1]
told = []
# No compression: the quota is 100,000 bytes a second, of which a burst may be one second's.
producer = Producer({"bootstrap.servers": servers, "client.id": "greedy", "throttle_cb": told.append, "linger.ms": 1,
                     "batch.size": 20000})
begun = time.monotonic()
for _ in range(300):
    producer.produce("t", b"x" * 1000)
    producer.poll(0)
assert producer.flush(60) == 0
took = time.monotonic() - begun
assert 1 <= took <= 10, took
assert told and max(event.throttle_time for event in told) > 0, told

# Another client is not slowed down by what this one did.
other = []
producer = Producer({"bootstrap.servers": servers, "client.id": "modest", "throttle_cb": other.append})
begun = time.monotonic()
producer.produce("t", b"x" * 1000)
assert producer.flush(20) == 0
assert time.monotonic() - begun < 10 and not other, other

told.clear()
consumer = Consumer({"bootstrap.servers": servers, "client.id": "greedy", "group.id": "g", "throttle_cb": told.append,
                     "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100})
consumer.subscribe(["t"])
read, begun = 0, time.monotonic()
while read < 301 and time.monotonic() - begun < 60:
    message = consumer.poll(1)
    if message is not None:
        assert not message.error(), message.error()
        read += 1
took = time.monotonic() - begun
assert read == 301 and took >= 1, (read, took)
assert told and max(event.throttle_time for event in told) > 0, told
consumer.close()
print("well")
