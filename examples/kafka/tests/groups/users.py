"""Who knows a password gets in, by each client and mechanism; nobody else does."""

import asyncio
import subprocess
import sys

import aiokafka
import kafka
from confluent_kafka import KafkaException, Producer
from kafka.errors import KafkaError

servers, kafkajs = sys.argv[1:3]
for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]:
    for password, ok in [("secret", True), ("wrong", False)]:
        config = {
            "bootstrap.servers": servers, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism,
            "sasl.username": "alice", "sasl.password": password, "log_level": 0,
        }
        try:
            producer = Producer({**config, "message.timeout.ms": 10000 if ok else 2000})
            told = []
            producer.produce("t", b"confluent", on_delivery=lambda error, _: told.append(error))
            producer.flush(12)
            assert len(told) == 1 and (told[0] is None) == ok, told
        except KafkaException as error:
            assert not ok, error

        arguments = dict(
            bootstrap_servers=servers, security_protocol="SASL_PLAINTEXT", sasl_mechanism=mechanism,
            sasl_plain_username="alice", sasl_plain_password=password,
        )
        try:
            producer = kafka.KafkaProducer(**arguments, bootstrap_timeout_ms=10000 if ok else 2000,
                                           max_block_ms=10000 if ok else 2000)
            producer.send("t", b"python").get(10 if ok else 2)
            assert ok, "let in"
        except KafkaError as error:
            assert not ok, error
        finally:
            producer.close(0) if ok else None

        async def aio():
            producer = aiokafka.AIOKafkaProducer(**arguments, request_timeout_ms=5000)
            try:
                await producer.start()
                await producer.send_and_wait("t", b"aio")
                assert ok, "let in"
            except aiokafka.errors.KafkaError as error:
                assert not ok, error
            finally:
                await producer.stop()

        asyncio.run(aio())
        subprocess.run(["node", kafkajs, servers, "users", mechanism, password], check=True, timeout=120)
print("well")
