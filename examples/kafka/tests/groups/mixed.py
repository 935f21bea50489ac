"""Members of all kinds in one group: each partition is read by one of them, also when one dies and another leaves."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import aiokafka
import kafka
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

servers, kafkajs = sys.argv[1:3]
PARTITIONS = 12
SCRIPT = sys.orig_argv[sys.orig_argv.index("-c") + 1]


def member_confluent():
    consumer = Consumer({
        "bootstrap.servers": servers, "group.id": "mixed", "session.timeout.ms": 6000, "heartbeat.interval.ms": 500,
        "partition.assignment.strategy": "range", "auto.offset.reset": "earliest",
    })
    consumer.subscribe(["shared"])
    while True:
        consumer.poll(0.2)
        yield sorted(p.partition for p in consumer.assignment())


def member_python():
    consumer = kafka.KafkaConsumer(
        "shared", bootstrap_servers=servers, group_id="mixed", session_timeout_ms=6000, heartbeat_interval_ms=500,
        auto_offset_reset="earliest",
    )
    while True:
        consumer.poll(200)
        yield sorted(p.partition for p in consumer.assignment())


async def member_aio():
    consumer = aiokafka.AIOKafkaConsumer(
        "shared", bootstrap_servers=servers, group_id="mixed", session_timeout_ms=6000, heartbeat_interval_ms=500,
        partition_assignment_strategy=[RangePartitionAssignor], auto_offset_reset="earliest",
    )
    await consumer.start()
    while True:
        await consumer.getmany(timeout_ms=200)
        print(sorted(p.partition for p in consumer.assignment()), flush=True)


if len(sys.argv) > 3:
    kind = sys.argv[3]
    if kind == "aio":
        asyncio.run(member_aio())
    for assigned in {"confluent": member_confluent, "python": member_python}[kind]():
        print(assigned, flush=True)


class Member:
    """A member in a process of its own, and what it says that it reads."""

    def __init__(self, kind):
        command = [sys.executable, "-c", SCRIPT, servers, kafkajs, kind]
        if kind == "kafkajs":
            command = ["node", kafkajs, servers, "member", "mixed", "shared"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.assigned = []

    def look(self):
        for line in iter(self.process.stdout.readline, ""):
            if line.endswith("\n"):
                self.assigned = json.loads(line)
        return self.assigned

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


admin = AdminClient({"bootstrap.servers": servers})
for future in admin.create_topics([NewTopic("shared", PARTITIONS, 1)]).values():
    future.result(10)
members = []


def settles(why):
    """Until each partition is read by one member, and each member reads its share."""
    end = time.monotonic() + 40
    share = PARTITIONS // len(members)
    while time.monotonic() < end:
        parts = [member.look() for member in members]
        if sorted(sum(parts, [])) == list(range(PARTITIONS)) and all(len(part) == share for part in parts):
            return
        time.sleep(0.1)
    raise AssertionError(f"{why}: {parts}")


try:
    for kind in ["confluent", "python", "aio", "kafkajs"]:
        members.append(Member(kind))
        settles(f"with {kind}")
    # It says nothing any more: its session ends.
    members.pop(0).kill()
    settles("after a death")
    members.append(Member("confluent"))
    settles("with another one")
    # In the middle of a rebalance: two die while a third one comes, so that it waits for their sessions to end.
    dying = members[1:3]
    members[1:3] = [Member("python")]
    while not any(member.look() == [] for member in members):
        time.sleep(0.01)
    for member in dying:
        member.kill()
    settles("after deaths in a rebalance")
    members.append(Member("kafkajs"))
    settles("with kafkajs again")
    (described,) = admin.describe_consumer_groups(["mixed"]).values()
    described = described.result(10)
    assert described.state.name == "STABLE" and len(described.members) == 4, described
    assert sorted(tp.partition for m in described.members for tp in m.assignment.topic_partitions) == list(range(PARTITIONS))
    while len(members) > 1:
        members.pop(0).kill()
    settles("alone")
finally:
    for member in members:
        member.kill()
print("well")
