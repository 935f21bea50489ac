//! The client's side: [`Connector`], and whom it trusts.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use xs_os::vfs::Vfs;

use super::accept::ByClock;
use super::certificates::{certificates_in, provider, read};
use super::stream::Metered;
use super::{CertificateError, HandshakeError, Identity, TlsError, TlsStream};
use crate::Timer;

/// Those whose signature under a certificate is believed. Clones share the list.
#[derive(Debug, Clone)]
pub struct Authorities {
    pub(super) roots: Arc<RootCertStore>,
}

impl Authorities {
    /// From PEM: one certificate after the other.
    ///
    /// # Errors
    ///
    /// There is none, or one of them cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<Authorities, CertificateError> {
        Authorities::parse(pem, "the authorities")
    }

    /// From a file. Reads the disk where it is called.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Authorities::from_pem), or the file cannot be read.
    pub fn load(disk: &dyn Vfs, path: &Path) -> Result<Authorities, CertificateError> {
        Authorities::parse(&read(disk, path)?, &path.display().to_string())
    }

    fn parse(pem: &[u8], file: &str) -> Result<Authorities, CertificateError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates_in(pem, file)? {
            let unusable =
                |error: rustls::Error| CertificateError::Unusable { file: file.to_owned(), reason: error.to_string() };
            roots.add(certificate).map_err(unusable)?;
        }
        Ok(Authorities { roots: Arc::new(roots) })
    }

    /// Those that the operating system believes: on Unix its bundle of PEM files, or what `SSL_CERT_FILE` and `SSL_CERT_DIR`
    /// name. Reads the disk where it is called, and past any [`Vfs`]: where they stand is the system's business. Single
    /// ones that cannot be used are left out, as systems have some.
    ///
    /// # Errors
    ///
    /// There is none that can be used.
    #[cfg(feature = "tls-system")]
    pub fn system() -> Result<Authorities, CertificateError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (used, unused) = roots.add_parsable_certificates(found.certs);
        for error in &found.errors {
            tracing::debug!(%error, "authorities of the system that cannot be read");
        }
        if used == 0 {
            let why = found.errors.first().map_or_else(|| "it has none".to_owned(), ToString::to_string);
            return Err(CertificateError::unusable("the system's list of authorities", why));
        }
        tracing::debug!(used, unused, "the system's authorities");
        Ok(Authorities { roots: Arc::new(roots) })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether there is none. Never: there would be nobody to believe.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }
}

/// Whom a client takes for the server that it asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Trust {
    /// Who has a certificate for the name, signed by one of these.
    Authorities(Authorities),
    /// Whoever answers. The connection is secret, and with whom is anybody's guess: for tests, and for networks that are
    /// safe by other means.
    Anyone,
}

/// How a client makes TLS connections.
#[derive(Debug, Clone)]
pub struct ConnectorOptions {
    /// The protocols to offer by ALPN, the best first. Default none.
    pub alpn: Vec<Vec<u8>>,
    /// How long a handshake may take. Default 10 s.
    pub timeout: Duration,
    /// Whether TLS 1.2 is spoken, besides 1.3. Default true.
    pub tls12: bool,
    /// What is shown to a server that asks who it is talking to. Default nothing.
    pub identity: Option<Identity>,
}

impl Default for ConnectorOptions {
    fn default() -> Self {
        ConnectorOptions { alpn: Vec::new(), timeout: Duration::from_secs(10), tls12: true, identity: None }
    }
}

/// Makes connections over TLS. Clones share the sessions that can be resumed.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    timeout: Duration,
    timer: Timer,
}

impl Connector {
    /// A connector that believes `trust`, by `timer`'s clock.
    ///
    /// # Errors
    ///
    /// The authorities cannot be used.
    pub fn new(trust: Trust, options: ConnectorOptions, timer: &Timer) -> Result<Connector, TlsError> {
        let said = |error: &dyn fmt::Display| TlsError(error.to_string());
        let verifier: Arc<dyn ServerCertVerifier> = match trust {
            Trust::Authorities(list) => {
                WebPkiServerVerifier::builder_with_provider(list.roots, provider()).build().map_err(|e| said(&e))?
            }
            Trust::Anyone => Arc::new(NoVerifier(provider())),
        };
        let versions = if options.tls12 { rustls::ALL_VERSIONS } else { &[&rustls::version::TLS13] };
        let config = ClientConfig::builder_with_details(provider(), ByClock::of(timer))
            .with_protocol_versions(versions)
            .map_err(|e| said(&e))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match options.identity {
            None => config.with_no_client_auth(),
            Some(identity) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key))),
        };
        config.alpn_protocols = options.alpn;
        Ok(Connector { config: Arc::new(config), timeout: options.timeout, timer: timer.clone() })
    }

    /// Whether a server can be asked for by this name: a host name without a port, or an IP address.
    pub fn is_name(name: &str) -> bool {
        ServerName::try_from(name).is_ok()
    }

    /// Makes a TLS connection of one that has just been opened. `name` is what the server must prove to be, a host name or
    /// an IP address, and it is asked for by that name.
    ///
    /// # Errors
    ///
    /// The server is too slow, has closed, is not believed, or refuses.
    pub async fn connect<Io>(&self, name: &str, io: Io) -> Result<TlsStream<Io>, HandshakeError>
    where
        Io: AsyncRead + AsyncWrite + Unpin,
    {
        let server = ServerName::try_from(name.to_owned()).map_err(|_| HandshakeError::Name(name.to_owned()))?;
        let shaking = TlsConnector::from(self.config.clone()).connect(server, Metered::new(io));
        match self.timer.timeout(self.timeout, shaking).await {
            Some(stream) => Ok(TlsStream::new(stream?)),
            None => Err(HandshakeError::TimedOut { after: self.timeout }),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Believes any certificate. That the peer holds its key is still checked, for a handshake that skips that is not one.
#[derive(Debug)]
struct NoVerifier(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerifier {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
