//! One connection: requests in, answers out, in their order.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use tower::Service;
use xs_proto::kafka::codec::{Incoming, Outgoing, RequestError, unknown_version_of_api_versions};
use xs_proto::kafka::messages::{ApiKey, Request, Response};

use crate::api;
use crate::broker::Broker;

/// What the broker answers, and lists. The rest of what the codec knows is not served.
pub(crate) const SERVED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::CreatePartitions,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::DescribeTopicPartitions,
];

/// Why a connection is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closing {
    /// The request cannot be read. Kafka closes the connection, too.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A request that is not served.
    #[error("{} is not served", .0.name())]
    NotServed(ApiKey),
    /// A produce request that wants no answer has failed. There is no other way to say so.
    #[error("records that want no answer: {0}")]
    Unanswered(xs_proto::kafka::ErrorCode),
}

/// An answer at once, or later.
pub(crate) enum Answer {
    Now(Response),
    None,
    Later(BoxFuture<'static, Response>),
    Close(Closing),
}

/// The service of one connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) broker: Arc<Broker>,
    /// Whether ranges of files can be sent as they are.
    pub(crate) sends_files: bool,
}

impl Connection {
    fn answer(&self, incoming: Incoming) -> Answer {
        let (header, broker) = (&incoming.header, &self.broker);
        let version = header.api_version;
        if let Some(api) = header.api() {
            broker.meters.asked(api);
            tracing::trace!(client = header.client_id.as_deref(), api = api.name(), version, "a request");
        }
        if let Some(api) = header.api().filter(|api| !SERVED.contains(api)) {
            return Answer::Close(Closing::NotServed(api));
        }
        let request = match incoming.request() {
            Ok(request) => request,
            Err(error) => return Answer::Close(error.into()),
        };
        let later = |future: BoxFuture<'static, Response>| Answer::Later(future);
        match request {
            Request::ApiVersions(request) => Answer::Now(api::versions::answer(&request)),
            Request::Produce(request) => api::produce::answer(broker, request, version),
            Request::Fetch(request) => {
                later(api::fetch::answer(broker.clone(), request, version, self.sends_files).boxed())
            }
            Request::ListOffsets(request) => later(api::offsets::answer(broker.clone(), request, version).boxed()),
            Request::OffsetForLeaderEpoch(request) => Answer::Now(api::offsets::of_epochs(broker, request)),
            Request::Metadata(request) => later(api::metadata::answer(broker.clone(), request, version).boxed()),
            Request::DescribeCluster(request) => Answer::Now(api::metadata::cluster(broker, &request)),
            Request::CreateTopics(request) => later(api::topics::create(broker.clone(), request).boxed()),
            Request::DeleteTopics(request) => later(api::topics::delete(broker.clone(), request).boxed()),
            Request::DeleteRecords(request) => later(api::topics::delete_records(broker.clone(), request).boxed()),
            Request::InitProducerId(request) => later(api::producers::init(broker.clone(), request).boxed()),
            Request::CreatePartitions(request) => later(api::topics::grow(broker.clone(), request).boxed()),
            Request::DescribeConfigs(request) => Answer::Now(api::configs::describe(broker, request)),
            Request::AlterConfigs(request) => later(api::configs::alter(broker.clone(), request).boxed()),
            Request::IncrementalAlterConfigs(request) => {
                later(api::configs::alter_some(broker.clone(), request).boxed())
            }
            Request::DescribeProducers(request) => Answer::Now(api::producers::describe(broker, request)),
            Request::DescribeTopicPartitions(request) => Answer::Now(api::metadata::pages(broker, request)),
            other => Answer::Close(Closing::NotServed(other.api())),
        }
    }
}

impl Service<Incoming> for Connection {
    type Response = Outgoing;
    type Error = Closing;
    type Future = Either<Ready<Result<Outgoing, Closing>>, BoxFuture<'static, Result<Outgoing, Closing>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Closing>> {
        Poll::Ready(Ok(()))
    }

    /// What changes a log is done here, before anything is awaited: requests are called in their order, and so their
    /// records are appended in their order, whoever is answered first.
    fn call(&mut self, incoming: Incoming) -> Self::Future {
        let header = &incoming.header;
        let (correlation_id, version) = (header.correlation_id, header.api_version);
        let outgoing = move |response| Outgoing { correlation_id, version, response };
        if header.api() == Some(ApiKey::ApiVersions) && !ApiKey::ApiVersions.has(version) {
            let response = Some(unknown_version_of_api_versions());
            return Either::Left(ready(Ok(Outgoing { correlation_id, version: 0, response })));
        }
        match self.answer(incoming) {
            Answer::Now(response) => Either::Left(ready(Ok(outgoing(Some(response))))),
            Answer::None => Either::Left(ready(Ok(outgoing(None)))),
            Answer::Close(why) => Either::Left(ready(Err(why))),
            Answer::Later(response) => Either::Right(async move { Ok(outgoing(Some(response.await))) }.boxed()),
        }
    }
}
