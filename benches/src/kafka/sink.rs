//! A broker that only acknowledges: what a producer reaches when nobody keeps what it sends.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use bytes::BytesMut;
use xs_proto::kafka::codec::{Outgoing, ServerCodec};
use xs_proto::kafka::messages::{
    ApiKey, ApiVersionsResponse, MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic, PartitionProduceResponse, ProduceRequest, ProduceResponse, Request, Response,
    TopicProduceResponse,
};
use xs_proto::{Decode, Encode, Out};

const SERVED: [ApiKey; 3] = [ApiKey::Produce, ApiKey::Metadata, ApiKey::ApiVersions];
/// So much is read at a time, in bytes.
const READ: usize = 256 << 10;

/// Serves for as long as the process lives.
pub(super) fn serve(port: u16) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    loop {
        let (stream, _) = listener.accept()?;
        std::thread::spawn(move || {
            // A client that goes away is none of its affair.
            let _ = connection(stream, port);
        });
    }
}

fn connection(mut stream: TcpStream, port: u16) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let (mut codec, mut input) = (ServerCodec::default(), BytesMut::new());
    loop {
        let there = input.len();
        input.resize(there + READ, 0);
        let read = stream.read(&mut input[there..])?;
        input.truncate(there + read);
        if read == 0 {
            return Ok(());
        }
        let mut out = Out::new();
        while let Some(incoming) = codec.decode(&mut input)? {
            let (correlation_id, version) = (incoming.header.correlation_id, incoming.header.api_version);
            let response = answer(incoming.request()?, port);
            codec.encode(Outgoing { correlation_id, version, response }, &mut out)?;
        }
        if !out.is_empty() {
            stream.write_all(&out.to_vec())?;
        }
    }
}

fn answer(request: Request, port: u16) -> Option<Response> {
    match request {
        Request::ApiVersions(_) => {
            let api_keys = SERVED.iter().map(|api| api.listed()).collect();
            Some(ApiVersionsResponse { api_keys, ..Default::default() }.into())
        }
        Request::Metadata(request) => Some(metadata(request, port).into()),
        Request::Produce(request) if request.acks == 0 => None,
        Request::Produce(request) => Some(acknowledged(request).into()),
        _ => None,
    }
}

/// Every topic that is asked for is there, with one partition.
fn metadata(request: MetadataRequest, port: u16) -> MetadataResponse {
    let broker =
        MetadataResponseBroker { node_id: 1, host: "127.0.0.1".into(), port: i32::from(port), ..Default::default() };
    let partition =
        MetadataResponsePartition { leader_id: 1, replica_nodes: vec![1], isr_nodes: vec![1], ..Default::default() };
    let topic = |name| MetadataResponseTopic { name, partitions: vec![partition.clone()], ..Default::default() };
    let asked = request.topics.unwrap_or_default();
    MetadataResponse {
        brokers: vec![broker],
        controller_id: 1,
        topics: asked.into_iter().map(|asked| topic(asked.name)).collect(),
        ..Default::default()
    }
}

fn acknowledged(request: ProduceRequest) -> ProduceResponse {
    let partitions = |index| PartitionProduceResponse { index, ..Default::default() };
    let responses = request.topic_data.into_iter().map(|topic| TopicProduceResponse {
        name: topic.name,
        partition_responses: topic.partition_data.iter().map(|data| partitions(data.index)).collect(),
    });
    ProduceResponse { responses: responses.collect(), ..Default::default() }
}
