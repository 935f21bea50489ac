//! ApiVersions: what is served.

use xs_proto::kafka::messages::{ApiVersionsRequest, ApiVersionsResponse, Response};

use crate::service::SERVED;

/// The same for everybody. The client's name for itself is for logs.
pub(crate) fn answer(request: &ApiVersionsRequest) -> Response {
    tracing::debug!(name = %request.client_software_name, version = %request.client_software_version, "a client");
    let api_keys = SERVED.iter().map(|api| api.listed()).collect();
    ApiVersionsResponse { api_keys, ..Default::default() }.into()
}
