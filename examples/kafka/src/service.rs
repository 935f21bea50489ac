//! One connection: requests in, answers out, in their order.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytestring::ByteString;
use futures::FutureExt;
use futures::future::{BoxFuture, Either};
use parking_lot::Mutex;
use tower::Service;
use xs_proto::kafka::codec::{Incoming, Outgoing, RequestError, unknown_version_of_api_versions};
use xs_proto::kafka::messages::{ApiKey, Request, Response};

use crate::api;
use crate::api::produce::Order;
use crate::broker::Broker;
use crate::groups::Client;
use crate::sasl::Session;

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
    ApiKey::SaslHandshake,
    ApiKey::SaslAuthenticate,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::SyncGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::DeleteGroups,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::OffsetDelete,
    ApiKey::AddPartitionsToTxn,
    ApiKey::AddOffsetsToTxn,
    ApiKey::TxnOffsetCommit,
    ApiKey::EndTxn,
    ApiKey::DescribeTransactions,
    ApiKey::ListTransactions,
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
    /// A request of somebody who has not said who it is.
    #[error("{} before authentication", .0.name())]
    Unknown(ApiKey),
    /// A produce request that wants no answer has failed. There is no other way to say so.
    #[error("records that want no answer: {0}")]
    Unanswered(xs_proto::kafka::ErrorCode),
}

/// An answer at once, or later.
pub(crate) enum Answer {
    Now(Response),
    None,
    Later(BoxFuture<'static, Response>),
    /// One of the others, later.
    Either(BoxFuture<'static, Result<Option<Response>, Closing>>),
    Close(Closing),
}

/// The service of one connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) broker: Arc<Broker>,
    /// Whether ranges of files can be sent as they are.
    pub(crate) sends_files: bool,
    /// Where the client is, as Kafka writes it.
    pub(crate) host: ByteString,
    /// Who the client is.
    pub(crate) session: Arc<Mutex<Session>>,
    /// Whose records are appended next.
    pub(crate) order: Order,
}

impl Connection {
    fn answer(&self, incoming: Incoming) -> Answer {
        let (header, broker) = (&incoming.header, &self.broker);
        let (version, client_id) = (header.api_version, header.client_id.clone());
        if let Some(api) = header.api() {
            broker.meters.asked(api);
            tracing::trace!(client = header.client_id.as_deref(), api = api.name(), version, "a request");
        }
        if let Some(api) = header.api().filter(|api| !SERVED.contains(api)) {
            return Answer::Close(Closing::NotServed(api));
        }
        let is_for_all = |api| matches!(api, ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate);
        if let Some(api) = header.api().filter(|api| !is_for_all(*api) && !self.session.lock().is_open()) {
            return Answer::Close(Closing::Unknown(api));
        }
        let request = match incoming.request() {
            Ok(request) => request,
            Err(error) => return Answer::Close(error.into()),
        };
        let later = |future: BoxFuture<'static, Response>| Answer::Later(future);
        match request {
            Request::ApiVersions(request) => Answer::Now(api::versions::answer(&request)),
            Request::Produce(request) => api::produce::answer(broker, request, version, &self.order),
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
            Request::InitProducerId(request) => later(api::producers::init(broker.clone(), request, version).boxed()),
            Request::SaslHandshake(request) => {
                Answer::Now(api::sasl::handshake(&mut self.session.lock(), &request, version))
            }
            Request::SaslAuthenticate(request) => {
                Answer::Now(api::sasl::authenticate(&mut self.session.lock(), &request))
            }
            Request::FindCoordinator(request) => Answer::Now(api::groups::coordinator(broker, &request)),
            Request::JoinGroup(request) => {
                let id = client_id.unwrap_or_default();
                let client = Client { id, host: self.host.clone() };
                later(api::groups::join(broker.clone(), request, version, client).boxed())
            }
            Request::SyncGroup(request) => later(api::groups::sync(broker.clone(), request).boxed()),
            Request::Heartbeat(request) => Answer::Now(api::groups::heartbeat(broker, &request)),
            Request::LeaveGroup(request) => Answer::Now(api::groups::leave(broker, request, version)),
            Request::DescribeGroups(request) => Answer::Now(api::groups::describe(broker, request)),
            Request::ListGroups(request) => Answer::Now(api::groups::list(broker, &request)),
            Request::DeleteGroups(request) => later(api::groups::delete(broker.clone(), request).boxed()),
            Request::OffsetCommit(request) => later(api::committed::commit(broker, request).boxed()),
            Request::OffsetFetch(request) => later(api::committed::fetch(broker.clone(), request, version).boxed()),
            Request::OffsetDelete(request) => later(api::committed::delete(broker.clone(), request).boxed()),
            Request::AddPartitionsToTxn(request) => {
                later(api::transactions::add_partitions(broker.clone(), request, version).boxed())
            }
            Request::AddOffsetsToTxn(request) => {
                later(api::transactions::add_offsets(broker.clone(), request, version).boxed())
            }
            Request::TxnOffsetCommit(request) => {
                later(api::transactions::commit_offsets(broker.clone(), request).boxed())
            }
            Request::EndTxn(request) => later(api::transactions::end(broker.clone(), request, version).boxed()),
            Request::DescribeTransactions(request) => Answer::Now(api::transactions::describe(broker, request)),
            Request::ListTransactions(request) => Answer::Now(api::transactions::list(broker, request)),
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

    /// What changes a log is done here, before anything is awaited, or has its place in line from here on: requests are
    /// called in their order, and so their records are appended in their order, whoever is answered first.
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
            Answer::Either(answer) => Either::Right(async move { answer.await.map(outgoing) }.boxed()),
            Answer::Later(response) => Either::Right(async move { Ok(outgoing(Some(response.await))) }.boxed()),
        }
    }
}
