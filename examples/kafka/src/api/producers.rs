//! InitProducerId: identities of idempotent producers.

use std::sync::Arc;

use xs_proto::kafka::ErrorCode;
use xs_proto::kafka::messages::{InitProducerIdRequest, InitProducerIdResponse, Response};

use crate::broker::Broker;

/// A fresh number with epoch 0. One that had a number before gets a new one as well: nothing of it is remembered but in
/// the partitions, where the old number's batches stay what they are.
pub(crate) async fn init(broker: Arc<Broker>, request: InitProducerIdRequest) -> Response {
    if request.transactional_id.is_some() {
        let error_code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        return InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() }.into();
    }
    let topics = broker.topics.clone();
    match broker.bridge.run(move || topics.next_producer()).await {
        Ok(producer_id) => InitProducerIdResponse { producer_id, ..Default::default() }.into(),
        Err(error) => {
            tracing::error!(%error, "no number for a producer");
            let error_code = ErrorCode::KAFKA_STORAGE_ERROR;
            InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() }.into()
        }
    }
}
