//! Who asks, and what they may.

use std::sync::Arc;

use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;

use crate::acl::{CLUSTER, Operation, ResourceType, Rules, Subject};

/// Who a connection is that has not said who it is.
pub(crate) const ANONYMOUS: &str = "User:ANONYMOUS";

/// Who sent a request. Where there are no access rules, it may do everything.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) rules: Option<Arc<Rules>>,
    /// `User:` and a name.
    pub(crate) principal: ByteString,
    /// Where it is, as Kafka writes it: an address behind a slash.
    pub(crate) host: ByteString,
}

impl Caller {
    fn subject(&self) -> Subject<'_> {
        Subject { principal: &self.principal, host: self.host.strip_prefix('/').unwrap_or(&self.host) }
    }

    /// Whether it may do this.
    pub(crate) fn may(&self, operation: Operation, kind: ResourceType, name: &str) -> bool {
        let subject = self.subject();
        self.rules.as_ref().is_none_or(|rules| rules.ask(|rules| rules.allows(subject, operation, kind, name)))
    }

    /// Whether it may do this with some resource of that kind.
    pub(crate) fn may_any(&self, operation: Operation, kind: ResourceType) -> bool {
        let subject = self.subject();
        self.rules.as_ref().is_none_or(|rules| rules.ask(|rules| rules.allows_any(subject, operation, kind)))
    }

    /// What it may do, as bits.
    pub(crate) fn operations(&self, kind: ResourceType, name: &str) -> i32 {
        match &self.rules {
            Some(rules) => rules.ask(|rules| rules.operations(self.subject(), kind, name)),
            None => kind.operations().iter().fold(0, |bits, operation| bits | 1 << operation.code()),
        }
    }

    /// What a client is told that may not.
    fn check(&self, operation: Operation, kind: ResourceType, name: &str, refusal: ErrorCode) -> Result<(), ErrorCode> {
        if self.may(operation, kind, name) {
            return Ok(());
        }
        tracing::debug!(principal = %self.principal, host = %self.host, ?operation, ?kind, name, "denied");
        self.rules.iter().for_each(|rules| rules.count_refusal());
        Err(refusal)
    }

    pub(crate) fn topic(&self, operation: Operation, name: &str) -> Result<(), ErrorCode> {
        self.check(operation, ResourceType::Topic, name, ErrorCode::TOPIC_AUTHORIZATION_FAILED)
    }

    pub(crate) fn group(&self, operation: Operation, name: &str) -> Result<(), ErrorCode> {
        self.check(operation, ResourceType::Group, name, ErrorCode::GROUP_AUTHORIZATION_FAILED)
    }

    pub(crate) fn cluster(&self, operation: Operation) -> Result<(), ErrorCode> {
        self.check(operation, ResourceType::Cluster, CLUSTER, ErrorCode::CLUSTER_AUTHORIZATION_FAILED)
    }

    pub(crate) fn transaction(&self, operation: Operation, name: &str) -> Result<(), ErrorCode> {
        let refusal = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        self.check(operation, ResourceType::TransactionalId, name, refusal)
    }
}
