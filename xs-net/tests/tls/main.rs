//! TLS as a layer of connections: handshakes, certificates and their replacement, the stream.
#![cfg(feature = "tls")]

mod certificates;
mod handshake;
mod stream;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tower::Layer;
use xs_net::listener::{MemoryConnector, MemoryStream};
use xs_net::serve::{ConnectionLimit, Drained, ServeOptions, serve_with};
use xs_net::tls::{
    Acceptor, AcceptorOptions, Authorities, Certificates, Connector, ConnectorOptions, HandshakeError, Identity,
    TlsLayer, TlsStream, Trust,
};
use xs_net::{Conn, MemoryListener, Timer};
use xs_os::VirtualClock;

/// Signs certificates for tests.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Chain and key for these names, as PEM.
    fn sign(&self, names: &[&str]) -> (String, String) {
        self.sign_until(names, 4000)
    }

    fn sign_until(&self, names: &[&str], year: i32) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn identity(&self, names: &[&str]) -> Identity {
        let (chain, key) = self.sign(names);
        Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    fn trust(&self) -> Trust {
        Trust::Authorities(self.authorities())
    }

    fn authorities(&self) -> Authorities {
        Authorities::from_pem(self.pem.as_bytes()).unwrap()
    }
}

/// A server over TLS that says back what it hears, in memory and in virtual time.
struct Echo {
    network: MemoryConnector,
    timer: Timer,
    clock: VirtualClock,
    acceptor: Acceptor,
    stop: tokio::sync::oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<Drained>>,
}

impl Echo {
    fn start(certificates: Certificates, options: AcceptorOptions) -> Echo {
        let clock = VirtualClock::new();
        let timer = Timer::new(Arc::new(clock.clone()));
        let acceptor = Acceptor::new(certificates, options, &timer).unwrap();
        let echo = tower::service_fn(|conn: Conn<TlsStream<MemoryStream>, _>| async move {
            let (mut reader, mut writer) = tokio::io::split(conn.io);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
            let _ = writer.shutdown().await;
            Ok::<_, Infallible>(())
        });
        let (listener, network) = MemoryListener::new(64);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let limit = ConnectionLimit::unlimited();
        let options = ServeOptions { limit, timer: timer.clone(), ..ServeOptions::default() };
        let service = TlsLayer::new(acceptor.clone()).layer(echo);
        let server = tokio::spawn(serve_with(listener, service, stopped, options));
        Echo { network, timer, clock, acceptor, stop, server }
    }

    async fn raw(&self) -> MemoryStream {
        self.network.connect().await.unwrap()
    }

    fn connector(&self, trust: Trust) -> Connector {
        Connector::new(trust, ConnectorOptions::default(), &self.timer).unwrap()
    }

    async fn connect(&self, trust: &Trust, name: &str) -> Result<TlsStream<MemoryStream>, HandshakeError> {
        self.connector(trust.clone()).connect(name, self.raw().await).await
    }
}

/// Sends a word and hears it again.
async fn says_back(stream: &mut TlsStream<MemoryStream>) -> bool {
    stream.write_all(b"word").await.unwrap();
    stream.flush().await.unwrap();
    let mut heard = [0; 4];
    stream.read_exact(&mut heard).await.is_ok() && &heard == b"word"
}

/// Lets every task go as far as it can without time.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// The names in the certificate that the server has shown.
fn shown(stream: &TlsStream<MemoryStream>) -> Vec<String> {
    let certificate = &stream.peer_certificates().unwrap()[0];
    webpki::EndEntityCert::try_from(certificate).unwrap().valid_dns_names().map(str::to_owned).collect()
}

/// What takes long hangs.
async fn soon<F: Future>(future: F) -> F::Output {
    Timer::system().timeout(Duration::from_secs(20), future).await.expect("it hangs")
}
