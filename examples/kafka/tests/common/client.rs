//! A client: one connection, one request at a time.

#![allow(dead_code, reason = "each test program needs other parts of it")]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use xs_kafka::Server;
use xs_proto::kafka::codec::{Ask, ClientCodec, FrameCodec};
use xs_proto::kafka::messages::*;
use xs_proto::kafka::records::{Batch, BatchBuilder, BatchIter, Compression, DEFAULT_LIMIT, Record};
use xs_proto::{Decode, Encode, Out};

pub(crate) struct Client<S = TcpStream> {
    socket: S,
    codec: ClientCodec,
    input: BytesMut,
    /// Whether the runtime has a clock, to give up by.
    gives_up: bool,
}

impl Client {
    pub(crate) async fn of(server: &Server) -> Client {
        Client::at(server.addr()).await.unwrap()
    }

    pub(crate) async fn at(addr: SocketAddr) -> io::Result<Client> {
        Ok(Client { gives_up: true, ..Client::over(TcpStream::connect(addr).await?) })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(socket: S) -> Self {
        Client::named("test", socket)
    }

    /// One that calls itself so.
    pub(crate) fn named(name: &str, socket: S) -> Self {
        let codec = ClientCodec::new(Some(name.into()));
        Client { socket, codec, input: BytesMut::new(), gives_up: false }
    }

    pub(crate) async fn send(&mut self, version: i16, request: impl Into<Request>) {
        self.try_send(version, request).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, version: i16, request: impl Into<Request>) -> io::Result<()> {
        let bytes = self.encode(version, request);
        self.socket.write_all(&bytes).await
    }

    /// What would be sent, to be sent with others.
    pub(crate) fn encode(&mut self, version: i16, request: impl Into<Request>) -> Vec<u8> {
        let mut out = Out::new();
        self.codec.encode(Ask { version, request: &request.into() }, &mut out).unwrap();
        out.to_vec()
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// Says that nothing more will come.
    pub(crate) async fn end(&mut self) {
        self.socket.shutdown().await.unwrap();
    }

    /// The next answer, or `None` if the broker closes the connection.
    pub(crate) async fn receive(&mut self) -> Option<Response> {
        loop {
            if let Some(response) = self.codec.decode(&mut self.input).unwrap() {
                return Some(response);
            }
            let read = self.socket.read_buf(&mut self.input);
            let read = match self.gives_up {
                true => tokio::time::timeout(Duration::from_secs(20), read).await.expect("an answer in time"),
                false => read.await,
            };
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub(crate) async fn ask(&mut self, version: i16, request: impl Into<Request>) -> Response {
        self.send(version, request).await;
        self.receive().await.expect("an answer")
    }

    /// The next frame as it comes, or `None` if the broker closes the connection.
    pub(crate) async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = FrameCodec::new().decode(&mut self.input).unwrap() {
                return Some(frame);
            }
            let read = tokio::time::timeout(Duration::from_secs(20), self.socket.read_buf(&mut self.input));
            if read.await.expect("a frame in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The bytes until the broker closes.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let mut all = self.input.to_vec();
        let read = tokio::time::timeout(Duration::from_secs(20), self.socket.read_to_end(&mut all));
        let _ = read.await.expect("an end in time");
        all
    }

    pub(crate) async fn metadata(&mut self, topics: &[&str]) -> MetadataResponse {
        let topic = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(topics.iter().map(topic).collect()), ..Default::default() };
        match self.ask(12, request).await {
            Response::Metadata(metadata) => metadata,
            other => panic!("{other:?}"),
        }
    }

    /// Makes a topic of one partition.
    pub(crate) async fn create(&mut self, name: &str, configs: &[(&str, &str)]) -> CreatableTopicResult {
        let config =
            |(name, value): &(&str, &str)| CreatableTopicConfig { name: (*name).into(), value: Some((*value).into()) };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: 1,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        match self.ask(7, CreateTopicsRequest { topics: vec![topic], ..Default::default() }).await {
            Response::CreateTopics(created) => created.topics[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn produce(&mut self, topic: &str, batch: Bytes) -> PartitionProduceResponse {
        match self.ask(9, produce(-1, topic, batch)).await {
            Response::Produce(produce) => produce.responses[0].partition_responses[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn fetch(&mut self, version: i16, topic: &str, offset: i64, wait: i32) -> PartitionData {
        match self.ask(version, fetch(topic, offset, wait)).await {
            Response::Fetch(fetch) => fetch.responses[0].partitions[0].clone(),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn produce(acks: i16, topic: &str, batch: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData { index: 0, records: Some(batch.into()) };
    let topic = TopicProduceData { name: topic.into(), partition_data: vec![partition] };
    ProduceRequest { acks, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() }
}

pub(crate) fn fetch(topic: &str, offset: i64, wait: i32) -> FetchRequest {
    let partition = FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: topic.into(), partitions: vec![partition] };
    FetchRequest { max_wait_ms: wait, min_bytes: 1, max_bytes: 10 << 20, topics: vec![topic], ..Default::default() }
}

/// Values from a time on, a millisecond apart.
pub(crate) fn batch(from: i64, values: &[&str], compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new().with_compression(compression);
    for (n, value) in values.iter().enumerate() {
        builder.append(from + n as i64, Some(b"key"), Some(value.as_bytes()));
    }
    builder.finish().unwrap()
}

pub(crate) fn records(data: &PartitionData) -> Vec<Record> {
    let bytes = data.records.clone().unwrap_or_default().to_bytes().unwrap();
    let batches: Vec<Batch> = BatchIter::new(bytes).map(Result::unwrap).collect();
    batches.iter().flat_map(|batch| batch.records(DEFAULT_LIMIT).unwrap().map(Result::unwrap)).collect()
}

pub(crate) fn values(data: &PartitionData) -> Vec<(i64, String)> {
    let text = |value: Option<Bytes>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    records(data).into_iter().map(|record| (record.offset, text(record.value))).collect()
}
