// kafkajs in groups, in transactions, and with a password.

const assert = require("assert");
const { client, messages, program } = require("../common/kafkajs.js");
const { AssignerProtocol } = require("../common/kafkajs.js").kafkajs;

// The assignment by ranges that clients of other kinds know, too.
const range = ({ cluster }) => ({
  name: "range",
  version: 1,
  protocol: ({ topics }) => ({
    name: "range",
    metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
  }),
  assign: async ({ members, topics }) => {
    const ids = members.map(({ memberId }) => memberId).sort();
    const assigned = ids.map(() => Object.fromEntries(topics.map((topic) => [topic, []])));
    for (const topic of topics) {
      const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId).sort((a, b) => a - b);
      const [share, more] = [Math.floor(partitions.length / ids.length), partitions.length % ids.length];
      ids.forEach((_, n) => (assigned[n][topic] = partitions.splice(0, share + (n < more ? 1 : 0))));
    }
    return ids.map((memberId, n) => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: 0, assignment: assigned[n], userData: Buffer.alloc(0) }),
    }));
  },
});

// A member of a group for as long as it lives; it says what it reads.
async function member(servers, groupId, topic) {
  const consumer = client(servers).consumer({
    groupId, sessionTimeout: 6000, heartbeatInterval: 500, maxWaitTimeInMs: 200, partitionAssigners: [range],
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => console.log(JSON.stringify(payload.memberAssignment[topic] ?? [])));
  consumer.on(consumer.events.REBALANCING, () => console.log("[]"));
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ eachMessage: async () => {} });
  await new Promise(() => {});
}

// Reads some as a member, and commits how far it came.
async function resume(servers, groupId, topic, count) {
  const consumer = client(servers).consumer({ groupId, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const commit = ({ topic, partition, message }) =>
    consumer.commitOffsets([{ topic, partition, offset: String(BigInt(message.offset) + 1n) }]);
  const found = await messages(consumer, Number(count), { onto: commit });
  await consumer.disconnect();
  console.log(JSON.stringify(found.map(({ value }) => Number(value))));
}

async function transactions(servers, topic) {
  const producer = client(servers).producer({ transactionalId: "kafkajs", maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  for (const commits of ["True", "False", "True"]) {
    const transaction = await producer.transaction();
    for (let n = 0; n < 3; n++) {
      await transaction.send({ topic, messages: [{ value: `kafkajs ${commits} ${n}` }] });
    }
    await (commits === "True" ? transaction.commit() : transaction.abort());
  }
  await producer.disconnect();
}

// What is committed, or everything.
async function read(servers, topic, count, isolation) {
  const consumer = client(servers).consumer({
    groupId: `kafkajs ${isolation}`, readUncommitted: isolation === "read_uncommitted", maxWaitTimeInMs: 100,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const found = await messages(consumer, Number(count));
  await consumer.disconnect();
  console.log(JSON.stringify(found.map(({ value }) => value)));
}

// Reads, writes, and remembers how far, all or nothing.
async function move(servers, from, to, count) {
  const kafka = client(servers);
  const admin = kafka.admin();
  await admin.connect();
  const producer = kafka.producer({ transactionalId: "kafkajs moves", maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  for (const commits of [false, true]) {
    const consumer = kafka.consumer({ groupId: "kafkajs moves", maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topic: from, fromBeginning: true });
    const found = await messages(consumer, Number(count));
    await consumer.disconnect();
    const transaction = await producer.transaction();
    await transaction.send({ topic: to, messages: found.map(({ value }) => ({ value })) });
    const offset = String(BigInt(found[found.length - 1].offset) + 1n);
    const topics = [{ topic: from, partitions: [{ partition: 0, offset }] }];
    await transaction.sendOffsets({ consumerGroupId: "kafkajs moves", topics });
    await (commits ? transaction.commit() : transaction.abort());
    const [{ partitions }] = await admin.fetchOffsets({ groupId: "kafkajs moves", topics: [from] });
    assert.equal(partitions[0].offset, commits ? offset : "-1");
  }
  await Promise.all([producer.disconnect(), admin.disconnect()]);
}

async function users(servers, mechanism, password) {
  const sasl = { mechanism: mechanism.toLowerCase(), username: "alice", password };
  const producer = client(servers, { sasl, retry: { retries: 0 } }).producer();
  const sent = (async () => {
    await producer.connect();
    await producer.send({ topic: "t", messages: [{ value: "kafkajs" }] });
  })();
  const failed = await sent.then(() => undefined, (error) => error);
  assert.equal(failed?.name, password === "secret" ? undefined : "KafkaJSSASLAuthenticationError");
  await producer.disconnect();
}

// A member for long enough to say that it is alive.
async function beat(servers, topic) {
  const consumer = client(servers).consumer({ groupId: "beats", heartbeatInterval: 200, maxWaitTimeInMs: 200 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const beat = new Promise((done) => consumer.on(consumer.events.HEARTBEAT, done));
  await consumer.run({ eachMessage: async () => {} });
  await beat;
  await consumer.disconnect();
}

program({ member, beat, resume, transactions, read, move, users });
