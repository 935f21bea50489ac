//! A client of a node: for the command line, the demonstration and the simulation.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tokio::task::JoinHandle;
use tower::{Service, ServiceExt};
use xs_net::client::{CallError, ClientOptions, connect};
use xs_net::{Connection, Timer};
use xs_proto::resp::{Frame, FrameCodec, Request, Version};

use crate::peer::Network;

/// One connection. It is closed when this is dropped.
pub(crate) struct Client {
    connection: Connection<Request, Frame>,
    driver: JoinHandle<()>,
}

impl Client {
    pub(crate) async fn connect<N: Network>(network: &N, address: &str) -> io::Result<Client> {
        let io = network.connect(address).await?;
        let codec = FrameCodec::new(Version::Resp2);
        let (connection, _, driver) = connect(io, codec, Frame::is_push, ClientOptions::default());
        let driver = tokio::spawn(async move { drop(driver.run().await) });
        Ok(Client { connection, driver })
    }

    pub(crate) async fn ask<A: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = A>) -> Result<Frame, CallError> {
        let request: Request = words.into_iter().collect();
        self.connection.ready().await?.call(request).await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// An answer of one node, within a limit; an error's text where it is one.
pub(crate) async fn ask_once<N: Network>(
    network: &N,
    timer: &Timer,
    address: &str,
    words: &[&str],
    limit: Duration,
) -> Result<Frame, String> {
    let asked = async {
        let mut client = Client::connect(network, address).await.map_err(|error| error.to_string())?;
        client.ask(words).await.map_err(|error| error.to_string())
    };
    match timer.timeout(limit, asked).await {
        None => Err("no answer in time".into()),
        Some(Ok(Frame::Error(text))) => Err(String::from_utf8_lossy(&text).into_owned()),
        Some(answer) => answer,
    }
}

/// The fields of an answer that is a map, which version 2 of the protocol has as a flat array.
pub(crate) fn fields(frame: &Frame) -> BTreeMap<String, Frame> {
    let elements = frame.elements().unwrap_or_default();
    let name = |frame: &Frame| frame.text().map(|text| String::from_utf8_lossy(text).into_owned());
    elements.chunks_exact(2).filter_map(|pair| Some((name(&pair[0])?, pair[1].clone()))).collect()
}

/// A field as text.
pub(crate) fn text(fields: &BTreeMap<String, Frame>, name: &str) -> String {
    match fields.get(name) {
        Some(Frame::Integer(n)) => n.to_string(),
        Some(frame) => frame.text().map_or_else(String::new, |text| String::from_utf8_lossy(text).into_owned()),
        None => String::new(),
    }
}
