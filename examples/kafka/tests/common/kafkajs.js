// kafkajs with all its compressions: gzip is its own, snappy comes from its plugin, for lz4 and zstd it takes what it is given.

const path = require("path");

const modules = path.join(__dirname, "../../../../.cache/node/node_modules");
const installed = (name) => require(require.resolve(name, { paths: [modules, __dirname] }));
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = installed("kafkajs");
const lz4 = installed("lz4-napi");
const { ZstdCodec } = installed("zstd-codec");

process.env.KAFKAJS_NO_PARTITIONER_WARNING = "1";
const COMPRESSIONS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};
CompressionCodecs[CompressionTypes.Snappy] = installed("kafkajs-snappy");
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: async (buffer) => lz4.decompressFrame(buffer),
});
const zstd = new Promise((done) => ZstdCodec.run((codec) => done(new codec.Streaming())));
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from((await zstd).decompress(buffer)),
});

const { KAFKA_USER: username, KAFKA_PASSWORD: password } = process.env;
const sasl = username && { mechanism: "plain", username, password };
const client = (servers, options = {}) =>
  new Kafka({ clientId: "kafkajs", brokers: [servers], logLevel: logLevel.NOTHING, sasl, ...options });

// Runs a consumer until it has seen enough messages; resolves to them.
async function messages(consumer, count, { onto = async () => {}, autoCommit = false } = {}) {
  const found = [];
  await new Promise((done, failed) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => failed(payload.error));
    const eachMessage = async ({ topic, partition, message }) => {
      if (found.length >= count) return;
      found.push({ topic, partition, offset: message.offset, value: message.value.toString() });
      await onto({ topic, partition, message });
      if (found.length === count) done();
    };
    const limit = setTimeout(() => failed(new Error(`only ${found.length} of ${count}`)), 30000);
    consumer.run({ autoCommit, eachMessage }).catch(failed);
    const end = done;
    done = () => (clearTimeout(limit), end());
  });
  return found;
}

// Chooses what the program does by its first argument behind the servers.
function program(modes) {
  const [servers, mode, ...args] = process.argv.slice(2);
  modes[mode](servers, ...args).then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

module.exports = { kafkajs: installed("kafkajs"), client, messages, program, COMPRESSIONS };
