// What kafkajs writes and reads, and its administrator.

const assert = require("assert");
const { client, messages, program, COMPRESSIONS } = require("../common/kafkajs.js");

async function write(servers, topic, compression, idempotent, value, timestamp) {
  const producer = client(servers).producer({ idempotent: idempotent === "true" });
  await producer.connect();
  const message = { value, timestamp, headers: { h: "1" } };
  await producer.send({ topic, acks: -1, compression: COMPRESSIONS[compression], messages: [message] });
  await producer.disconnect();
}

// Prints the values from an offset on, and where the record of a time is.
async function read(servers, topic, start, count, time) {
  const kafka = client(servers);
  const [admin, consumer] = [kafka.admin(), kafka.consumer({ groupId: "kafkajs reads" })];
  await Promise.all([admin.connect(), consumer.connect()]);
  const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, Number(time));
  await consumer.subscribe({ topic, fromBeginning: true });
  const done = messages(consumer, Number(count));
  consumer.seek({ topic, partition: 0, offset: start });
  const values = (await done).map(({ value }) => value);
  await Promise.all([consumer.disconnect(), admin.disconnect()]);
  console.log(JSON.stringify({ offset: Number(offset), values }));
}

async function admin(servers) {
  const kafka = client(servers);
  const admin = kafka.admin();
  await admin.connect();
  const made = { topic: "told", numPartitions: 1, configEntries: [{ name: "retention.ms", value: "1000" }] };
  assert.equal(await admin.createTopics({ topics: [made] }), true);
  assert.equal(await admin.createTopics({ topics: [made] }), false);
  assert.deepEqual(await admin.listTopics(), ["told"]);

  // Settings: 2 stands for a topic.
  const setting = async (name) => {
    const { resources } = await admin.describeConfigs({ resources: [{ type: 2, name: "told" }] });
    return resources[0].configEntries.find(({ configName }) => configName === name).configValue;
  };
  assert.equal(await setting("retention.ms"), "1000");
  const configEntries = [{ name: "cleanup.policy", value: "compact" }];
  await admin.alterConfigs({ resources: [{ type: 2, name: "told", configEntries }] });
  assert.equal(await setting("cleanup.policy"), "compact");
  await admin.alterConfigs({ resources: [{ type: 2, name: "told", configEntries: [] }] });
  assert.equal(await setting("cleanup.policy"), "delete");

  await admin.createPartitions({ topicPartitions: [{ topic: "told", count: 3 }] });
  const { topics } = await admin.fetchTopicMetadata({ topics: ["told"] });
  assert.equal(topics[0].partitions.length, 3);
  const { brokers, controller } = await admin.describeCluster();
  assert.deepEqual([brokers.length, controller], [1, 1]);

  const producer = kafka.producer();
  await producer.connect();
  const told = [...Array(5).keys()].map((n) => ({ value: String(n), partition: 0 }));
  await producer.send({ topic: "told", messages: told });
  await admin.deleteTopicRecords({ topic: "told", partitions: [{ partition: 0, offset: "3" }] });
  const first = (await admin.fetchTopicOffsets("told")).find(({ partition }) => partition === 0);
  assert.deepEqual([first.low, first.high], ["3", "5"]);

  // Groups: one that reads and goes, one that stays.
  const consumers = [];
  for (const groupId of ["goes", "stays"]) {
    const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topic: "told", fromBeginning: true });
    const found = await messages(consumer, 2, { autoCommit: true });
    assert.deepEqual(found.map(({ value }) => value), ["3", "4"]);
    consumers.push(consumer);
  }
  await consumers[0].disconnect();
  const { groups } = await admin.listGroups();
  assert.deepEqual(groups.map(({ groupId }) => groupId).sort(), ["goes", "stays"]);
  const described = Object.fromEntries(
    (await admin.describeGroups(["goes", "stays"])).groups.map((group) => [group.groupId, group]),
  );
  assert.deepEqual([described.goes.state, described.stays.state], ["Empty", "Stable"]);
  assert.equal(described.stays.members[0].clientId, "kafkajs");
  const committed = async (groupId) => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: ["told"] });
    return partitions.find(({ partition }) => partition === 0).offset;
  };
  assert.equal(await committed("goes"), "5");
  await admin.setOffsets({ groupId: "goes", topic: "told", partitions: [{ partition: 0, offset: "4" }] });
  assert.equal(await committed("goes"), "4");
  await admin.resetOffsets({ groupId: "goes", topic: "told", earliest: true });
  const refused = (await admin.deleteGroups(["goes", "stays"]).catch((error) => error)).groups;
  assert.deepEqual(refused.map(({ groupId, error }) => [groupId, error.type]), [["stays", "NON_EMPTY_GROUP"]]);
  await consumers[1].disconnect();
  await admin.deleteGroups(["stays"]);
  assert.deepEqual((await admin.listGroups()).groups, []);

  await admin.deleteTopics({ topics: ["told"] });
  assert.deepEqual(await admin.listTopics(), []);
  await producer.disconnect();
  await admin.disconnect();
  console.log("well");
}

// Numbers, some in each request, over connections that break.
async function retry(servers, topic, count) {
  const retry = { initialRetryTime: 20, maxRetryTime: 100, retries: 1000 };
  const producer = client(servers, { retry, connectionTimeout: 2000, requestTimeout: 5000 }).producer({
    idempotent: true, maxInFlightRequests: 1, retry,
  });
  await producer.connect();
  for (let n = 0; n < Number(count); n += 4) {
    const messages = [0, 1, 2, 3].map((m) => ({ value: String(n + m), partition: 0 }));
    await producer.send({ topic, acks: -1, messages });
  }
  await producer.disconnect();
}

program({ write, read, admin, retry });
