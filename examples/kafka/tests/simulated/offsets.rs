//! Who commits how far a group has come, and knows what was answered.

use tokio::io::{AsyncRead, AsyncWrite};
use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::*;

use super::client::Client;
use super::writer::TOPIC;

#[derive(Debug)]
pub(crate) struct Reader {
    group: String,
    partition: i32,
    answered: i64,
    asked: i64,
    /// The last thing that was refused.
    pub(crate) refused: Option<ErrorCode>,
}

impl Reader {
    pub(crate) fn new(partition: i32) -> Reader {
        Reader { group: format!("readers-{partition}"), partition, answered: -1, asked: -1, refused: None }
    }

    /// Commits one more than the last. None if the connection is gone, or it is refused.
    pub(crate) async fn commit<S: AsyncRead + AsyncWrite + Unpin>(&mut self, client: &mut Client<S>) -> Option<()> {
        self.asked += 1;
        let partition = OffsetCommitRequestPartition {
            partition_index: self.partition,
            committed_offset: self.asked,
            ..Default::default()
        };
        let topic = OffsetCommitRequestTopic { name: TOPIC.into(), partitions: vec![partition] };
        let request =
            OffsetCommitRequest { group_id: self.group.as_str().into(), topics: vec![topic], ..Default::default() };
        client.try_send(8, request).await.ok()?;
        let Response::OffsetCommit(response) = client.receive().await? else { panic!("another answer") };
        self.took(response.topics[0].partitions[0].error_code)?;
        self.answered = self.asked;
        Some(())
    }

    /// What was answered is what is found, or something later that was asked for.
    pub(crate) async fn check<S: AsyncRead + AsyncWrite + Unpin>(&mut self, client: &mut Client<S>) -> Option<()> {
        let topic = OffsetFetchRequestTopic { name: TOPIC.into(), partition_indexes: vec![self.partition] };
        let request = OffsetFetchRequest {
            group_id: self.group.as_str().into(),
            topics: Some(vec![topic]),
            ..Default::default()
        };
        client.try_send(7, request).await.ok()?;
        let Response::OffsetFetch(response) = client.receive().await? else { panic!("another answer") };
        self.took(response.error_code)?;
        let found = &response.topics[0].partitions[0];
        self.took(found.error_code)?;
        let offset = found.committed_offset;
        assert!((self.answered..=self.asked).contains(&offset), "{offset} was committed, and {self:?} was answered");
        Some(())
    }

    fn took(&mut self, error: ErrorCode) -> Option<()> {
        self.refused = Some(error).filter(|error| !error.is_ok());
        if self.refused.is_none() { Some(()) } else { None }
    }
}
