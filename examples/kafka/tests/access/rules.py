"""Rules by two clients' administrators, and what a user may do under them."""

import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic,
                                   ResourcePatternType, ResourceType)
from kafka import KafkaProducer
from kafka.admin import (ACL, ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType, KafkaAdminClient,
                         ResourcePattern, ResourcePatternFilter)
from kafka.admin import ResourceType as PythonResourceType
from kafka.errors import TopicAuthorizationFailedError

servers = sys.argv[1]


def config(user):
    return {"bootstrap.servers": servers, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": user, "sasl.password": "secret"}


def python_config(user):
    return dict(bootstrap_servers=servers, security_protocol="SASL_PLAINTEXT", sasl_mechanism="SCRAM-SHA-512",
                sasl_plain_username=user, sasl_plain_password="secret")


root = AdminClient(config("root"))


def result(futures):
    return [future.result(20) for future in futures.values()]


def code(wanted, call, *arguments):
    try:
        call(*arguments)
    except KafkaException as error:
        assert error.args[0].code() == wanted, error
    else:
        raise AssertionError("it was allowed")


def write(topic):
    told = []
    producer = Producer({**config("alice"), "message.timeout.ms": 5000})
    producer.produce(topic, b"value", on_delivery=lambda error, _: told.append(error))
    producer.flush(20)
    assert len(told) == 1, told
    return told[0] and told[0].code()


result(root.create_topics([NewTopic("pay.eu", 1, 1), NewTopic("other", 1, 1)]))
assert write("pay.eu") == KafkaError.TOPIC_AUTHORIZATION_FAILED
alice = AdminClient(config("alice"))
assert not alice.list_topics(timeout=20).topics
def binding(kind, name, pattern, operation, permission=AclPermissionType.ALLOW):
    return AclBinding(kind, name, pattern, "User:alice", "*", operation, permission)


rules = [
    binding(ResourceType.TOPIC, "pay.", ResourcePatternType.PREFIXED, AclOperation.WRITE),
    binding(ResourceType.TOPIC, "pay.", ResourcePatternType.PREFIXED, AclOperation.READ),
    binding(ResourceType.GROUP, "alices", ResourcePatternType.LITERAL, AclOperation.READ),
]
for future in alice.create_acls(rules).values():
    code(KafkaError.CLUSTER_AUTHORIZATION_FAILED, future.result, 20)
result(root.create_acls(rules))
anything = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY,
                            AclPermissionType.ANY)
found = root.describe_acls(anything).result(20)
assert sorted(found) == sorted(rules), found
# This client tells of no error there.
assert not alice.describe_acls(anything).result(20)
about = AclBindingFilter(ResourceType.TOPIC, "pay.eu", ResourcePatternType.MATCH, None, None, AclOperation.ANY,
                         AclPermissionType.ANY)
assert len(root.describe_acls(about).result(20)) == 2
assert list(alice.list_topics(timeout=20).topics) == ["pay.eu"]
assert write("pay.eu") is None
assert write("other") == KafkaError.TOPIC_AUTHORIZATION_FAILED


def read(group):
    consumer = Consumer({**config("alice"), "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe(["pay.eu"])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    return message.error() and message.error().code()


assert read("alices") is None
assert read("others") == KafkaError.GROUP_AUTHORIZATION_FAILED

# The other client's administrator sees the same rules, adds one that denies, and takes it back.
python = KafkaAdminClient(**python_config("root"))
every = ACLFilter(principal=None, host=None, operation=ACLOperation.ANY, permission_type=ACLPermissionType.ANY,
                  resource_pattern=ResourcePatternFilter(PythonResourceType.ANY, None, ACLResourcePatternType.ANY))
seen, _ = python.describe_acls(every)
assert len(seen) == 3, seen
deny = ACL(principal="User:alice", host="*", operation=ACLOperation.WRITE, permission_type=ACLPermissionType.DENY,
           resource_pattern=ResourcePattern(PythonResourceType.TOPIC, "pay.eu"))
made = python.create_acls([deny])
assert not made["failed"], made
assert write("pay.eu") == KafkaError.TOPIC_AUTHORIZATION_FAILED
producer = KafkaProducer(**python_config("alice"))
try:
    producer.send("pay.eu", b"value").get(20)
    raise AssertionError("it was allowed")
except TopicAuthorizationFailedError:
    pass
[(_, gone, _)] = python.delete_acls([ACLFilter(
    principal="User:alice", host="*", operation=ACLOperation.WRITE, permission_type=ACLPermissionType.DENY,
    resource_pattern=ResourcePatternFilter(PythonResourceType.TOPIC, "pay.eu", ACLResourcePatternType.LITERAL))])
assert len(gone) == 1, gone
assert write("pay.eu") is None
# An idempotent producer of this client that was refused stays so; a new one is none.
producer.close()
producer = KafkaProducer(**python_config("alice"))
producer.send("pay.eu", b"value").get(20)
producer.close()
python.close()

[gone] = result(root.delete_acls([anything]))
assert sorted(gone) == sorted(rules), gone
assert not root.describe_acls(anything).result(20)
assert write("pay.eu") == KafkaError.TOPIC_AUTHORIZATION_FAILED
print("well")
