//! Where answers say how long a client has to wait.

use xs_proto::kafka::messages::Response;

macro_rules! throttles {
    ($response:ident: $($api:ident)*) => {
        match $response {
            $(Response::$api(answer) => Some(&mut answer.throttle_time_ms),)*
            _ => None,
        }
    };
}

/// The field of an answer, if it has one. (What stands in an old version's answer or not is the description's affair.)
pub(super) fn throttle(response: &mut Response) -> Option<&mut i32> {
    throttles! { response:
        Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup Heartbeat LeaveGroup SyncGroup
        DescribeGroups ListGroups CreateTopics DeleteTopics DeleteRecords InitProducerId OffsetForLeaderEpoch
        AddPartitionsToTxn AddOffsetsToTxn EndTxn TxnOffsetCommit DescribeAcls CreateAcls DeleteAcls DescribeConfigs
        AlterConfigs CreatePartitions DeleteGroups IncrementalAlterConfigs OffsetDelete DescribeCluster DescribeProducers
        DescribeTransactions ListTransactions DescribeTopicPartitions
    }
}
