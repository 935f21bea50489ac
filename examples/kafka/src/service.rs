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
use crate::caller::Caller;
use crate::groups::Client;
use crate::quota::{Charge, Mute, Pause};
use crate::sasl::{Heard, Said, Session};

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
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
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
    /// Somebody who has not proved who it is, and to whom there is no other way to say so.
    #[error("authentication without headers: {0}")]
    Stranger(&'static str),
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
    /// Where there are quotas: until when it is not heard, and what waits for that.
    pub(crate) muted: Option<(Arc<Mute>, Pause)>,
}

impl Connection {
    fn caller(&self) -> Caller {
        let (rules, host) = (self.broker.rules.clone(), self.host.clone());
        Caller { rules, principal: self.session.lock().principal(), host }
    }

    /// What a request costs, where there are quotas. Saying hello is free.
    fn charge(&self, incoming: &Incoming) -> Option<Charge> {
        let (Some(quotas), Some((mute, _))) = (&self.broker.quotas, &self.muted) else { return None };
        let api = incoming.header.api().filter(|api| !is_for_all(*api))?;
        let produced = if api == ApiKey::Produce { incoming.len as u64 } else { 0 };
        let principal = self.session.lock().principal();
        Some(quotas.begin(&principal, incoming.header.client_id.as_ref(), produced, mute.clone()))
    }

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
        if let Some(api) = header.api().filter(|api| !is_for_all(*api) && !self.session.lock().is_open()) {
            return Answer::Close(Closing::Unknown(api));
        }
        let caller = self.caller();
        let request = match incoming.request() {
            Ok(request) => request,
            Err(error) => return Answer::Close(error.into()),
        };
        let later = |future: BoxFuture<'static, Response>| Answer::Later(future);
        match request {
            Request::ApiVersions(request) => Answer::Now(api::versions::answer(&request)),
            Request::Produce(request) => api::produce::answer(broker, caller, request, version, &self.order),
            Request::Fetch(request) => {
                later(api::fetch::answer(broker.clone(), caller, request, self.sends_files).boxed())
            }
            Request::ListOffsets(request) => {
                later(api::offsets::answer(broker.clone(), caller, request, version).boxed())
            }
            Request::OffsetForLeaderEpoch(request) => Answer::Now(api::offsets::of_epochs(broker, &caller, request)),
            Request::Metadata(request) => {
                later(api::metadata::answer(broker.clone(), caller, request, version).boxed())
            }
            Request::DescribeCluster(request) => Answer::Now(api::metadata::cluster(broker, &caller, &request)),
            Request::CreateTopics(request) => later(api::topics::create(broker.clone(), caller, request).boxed()),
            Request::DeleteTopics(request) => later(api::topics::delete(broker.clone(), caller, request).boxed()),
            Request::DeleteRecords(request) => {
                later(api::topics::delete_records(broker.clone(), caller, request).boxed())
            }
            Request::InitProducerId(request) => {
                later(api::producers::init(broker.clone(), caller, request, version).boxed())
            }
            Request::SaslHandshake(request) => {
                Answer::Now(api::sasl::handshake(&mut self.session.lock(), &request, version))
            }
            Request::SaslAuthenticate(request) => {
                Answer::Now(api::sasl::authenticate(&mut self.session.lock(), &request))
            }
            Request::FindCoordinator(request) => Answer::Now(api::groups::coordinator(broker, &caller, &request)),
            Request::JoinGroup(request) => {
                let id = client_id.unwrap_or_default();
                let client = Client { id, host: self.host.clone() };
                later(api::groups::join(broker.clone(), caller, request, version, client).boxed())
            }
            Request::SyncGroup(request) => later(api::groups::sync(broker.clone(), caller, request).boxed()),
            Request::Heartbeat(request) => Answer::Now(api::groups::heartbeat(broker, &caller, &request)),
            Request::LeaveGroup(request) => Answer::Now(api::groups::leave(broker, &caller, request, version)),
            Request::DescribeGroups(request) => Answer::Now(api::groups::describe(broker, &caller, request)),
            Request::ListGroups(request) => Answer::Now(api::groups::list(broker, &caller, &request)),
            Request::DeleteGroups(request) => later(api::groups::delete(broker.clone(), caller, request).boxed()),
            Request::OffsetCommit(request) => later(api::committed::commit(broker, &caller, request).boxed()),
            Request::OffsetFetch(request) => {
                later(api::committed::fetch(broker.clone(), caller, request, version).boxed())
            }
            Request::OffsetDelete(request) => later(api::committed::delete(broker.clone(), caller, request).boxed()),
            Request::AddPartitionsToTxn(request) => {
                later(api::transactions::add_partitions(broker.clone(), caller, request, version).boxed())
            }
            Request::AddOffsetsToTxn(request) => {
                later(api::transactions::add_offsets(broker.clone(), caller, request, version).boxed())
            }
            Request::TxnOffsetCommit(request) => {
                later(api::transactions::commit_offsets(broker.clone(), caller, request).boxed())
            }
            Request::EndTxn(request) => later(api::transactions::end(broker.clone(), caller, request, version).boxed()),
            Request::DescribeTransactions(request) => {
                Answer::Now(api::transactions::describe(broker, &caller, request))
            }
            Request::ListTransactions(request) => Answer::Now(api::transactions::list(broker, &caller, request)),
            Request::DescribeAcls(request) => Answer::Now(api::acls::describe(&caller, request)),
            Request::CreateAcls(request) => later(api::acls::create(broker.clone(), caller, request).boxed()),
            Request::DeleteAcls(request) => later(api::acls::delete(broker.clone(), caller, request).boxed()),
            Request::CreatePartitions(request) => later(api::topics::grow(broker.clone(), caller, request).boxed()),
            Request::DescribeConfigs(request) => Answer::Now(api::configs::describe(broker, &caller, request)),
            Request::AlterConfigs(request) => later(api::configs::alter(broker.clone(), caller, request).boxed()),
            Request::IncrementalAlterConfigs(request) => {
                later(api::configs::alter_some(broker.clone(), caller, request).boxed())
            }
            Request::DescribeProducers(request) => Answer::Now(api::producers::describe(broker, &caller, request)),
            Request::DescribeTopicPartitions(request) => Answer::Now(api::metadata::pages(broker, &caller, request)),
            other => Answer::Close(Closing::NotServed(other.api())),
        }
    }
}

/// What may be asked by who has not said who it is.
fn is_for_all(api: ApiKey) -> bool {
    matches!(api, ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate)
}

impl Service<Heard> for Connection {
    type Response = Said;
    type Error = Closing;
    type Future = Either<Ready<Result<Said, Closing>>, BoxFuture<'static, Result<Said, Closing>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closing>> {
        match &mut self.muted {
            None => Poll::Ready(Ok(())),
            Some((mute, pause)) => pause.poll(mute, cx).map(Ok),
        }
    }

    /// What changes a log is done here, before anything is awaited, or has its place in line from here on: requests are
    /// called in their order, and so their records are appended in their order, whoever is answered first.
    fn call(&mut self, heard: Heard) -> Self::Future {
        let incoming = match heard {
            Heard::Request(incoming) => incoming,
            Heard::Token(token) => {
                let said = self.session.lock().exchange(&token);
                return Either::Left(ready(said.map(Said::Token).map_err(|(_, why)| Closing::Stranger(why))));
            }
        };
        let header = &incoming.header;
        let (correlation_id, version) = (header.correlation_id, header.api_version);
        if header.api() == Some(ApiKey::ApiVersions) && !ApiKey::ApiVersions.has(version) {
            let response = Some(unknown_version_of_api_versions());
            return Either::Left(ready(Ok(Said::Answer(Outgoing { correlation_id, version: 0, response }))));
        }
        let charge = self.charge(&incoming);
        let outgoing = move |mut response: Option<Response>| {
            if let Some(charge) = charge {
                charge.end(response.as_mut());
            }
            Said::Answer(Outgoing { correlation_id, version, response })
        };
        match self.answer(incoming) {
            Answer::Now(response) => Either::Left(ready(Ok(outgoing(Some(response))))),
            Answer::None => Either::Left(ready(Ok(outgoing(None)))),
            Answer::Close(why) => Either::Left(ready(Err(why))),
            Answer::Either(answer) => Either::Right(async move { answer.await.map(outgoing) }.boxed()),
            Answer::Later(response) => Either::Right(async move { Ok(outgoing(Some(response.await))) }.boxed()),
        }
    }
}
