"""librdkafka as it speaks with brokers before Kafka 1.0: the exchange has no headers."""

import sys

from confluent_kafka.admin import AdminClient

for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]:
    for password in ["secret", "wrong"]:
        admin = AdminClient({
            "bootstrap.servers": sys.argv[1], "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": mechanism,
            "sasl.username": "alice", "sasl.password": password, "api.version.request": False,
            "broker.version.fallback": "0.10.2", "log_level": 0,
        })
        try:
            found = admin.list_topics(timeout=20 if password == "secret" else 3)
            assert password == "secret" and found.brokers, found.brokers
        except Exception as error:
            assert password == "wrong", error
print("well")
