//! Which certificate is shown, and how it is replaced.

use std::path::PathBuf;

use xs_net::Bridge;
use xs_net::tls::{CertificateError, CertificateFiles, Reloaded};
use xs_os::vfs::{MemoryVfs, Vfs, VfsExt};

use super::*;

#[tokio::test]
async fn each_name_gets_its_certificate_and_strangers_the_first() {
    let authority = Authority::new("ca");
    let identities =
        vec![authority.identity(&["a.test"]), authority.identity(&["*.b.test"]), authority.identity(&["own.b.test"])];
    let echo = Echo::start(Certificates::new(identities).unwrap(), AcceptorOptions::default());
    for (asked, names) in [
        ("a.test", "a.test"),
        ("A.test", "a.test"),
        ("www.b.test", "*.b.test"),
        ("own.b.test", "own.b.test"),
        ("b.test", "a.test"),
        ("elsewhere.test", "a.test"),
        ("192.0.2.1", "a.test"), // an address is never asked for by name
    ] {
        let stream = echo.connect(&Trust::Anyone, asked).await.unwrap();
        assert_eq!(shown(&stream), [names], "{asked}");
    }
}

#[tokio::test]
async fn of_two_kinds_of_key_the_one_that_the_client_understands_is_shown() {
    let authority = Authority::new("ca");
    let kind = |algorithm| {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        let chain = params.signed_by(&key, &authority.issuer).unwrap().pem();
        Identity::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    };
    let identities = vec![kind(&rcgen::PKCS_ED25519), kind(&rcgen::PKCS_ECDSA_P256_SHA256)];
    let echo = Echo::start(Certificates::new(identities).unwrap(), AcceptorOptions::default());
    let of_length = |stream: &[rustls::pki_types::CertificateDer<'_>]| stream[0].len();
    let modern = echo.connect(&authority.trust(), "a.test").await.unwrap();

    let mut provider = rustls::crypto::ring::default_provider();
    let known = provider.signature_verification_algorithms.mapping.iter();
    let known: Vec<_> = known.filter(|(scheme, _)| *scheme != rustls::SignatureScheme::ED25519).copied().collect();
    provider.signature_verification_algorithms.mapping = Box::leak(known.into_boxed_slice());
    let mut roots = rustls::RootCertStore::empty();
    let pem = rustls::pki_types::pem::PemObject::from_pem_slice(authority.pem.as_bytes()).unwrap();
    roots.add(pem).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect("a.test".try_into().unwrap(), echo.raw().await).await.unwrap();
    let old = stream.get_ref().1.peer_certificates().unwrap();
    // A P-256 key is the longer one.
    assert!(of_length(old) > of_length(modern.peer_certificates().unwrap()));
}

struct Files {
    disk: Arc<dyn Vfs>,
    pair: CertificateFiles,
}

impl Files {
    fn new() -> Files {
        let pair = CertificateFiles { chain: PathBuf::from("chain.pem"), key: PathBuf::from("key.pem") };
        Files { disk: Arc::new(MemoryVfs::new()), pair }
    }

    fn put(&self, (chain, key): &(String, String)) {
        self.disk.replace(&self.pair.chain, chain.as_bytes()).unwrap();
        self.disk.replace(&self.pair.key, key.as_bytes()).unwrap();
    }

    fn load(&self) -> Result<Certificates, CertificateError> {
        Certificates::load(self.disk.clone(), vec![self.pair.clone()])
    }
}

#[tokio::test]
async fn new_files_are_used_by_the_next_handshake_and_bad_ones_never() {
    let authority = Authority::new("ca");
    let files = Files::new();
    let old = authority.sign(&["a.test", "old.test"]);
    files.put(&old);
    let certificates = files.load().unwrap();
    let echo = Echo::start(certificates.clone(), AcceptorOptions::default());
    let mut before = echo.connect(&authority.trust(), "old.test").await.unwrap();
    assert_eq!(certificates.reload().unwrap(), Reloaded::Unchanged);

    // Half a file, a key of somebody else, no file: each says which, and changes nothing.
    let new = authority.sign(&["a.test", "new.test"]);
    let bad = [(new.0[..new.0.len() / 2].to_owned(), new.1.clone()), (new.0.clone(), old.1.clone())];
    for bad in &bad {
        files.put(bad);
        let error = certificates.reload().unwrap_err().to_string();
        assert!(error.starts_with("chain.pem: "), "{error}");
    }
    files.put(&(new.0.clone(), "no key".to_owned()));
    assert!(matches!(certificates.reload(), Err(CertificateError::Missing { what: "private key", .. })));
    files.disk.remove(&files.pair.key).unwrap();
    assert!(matches!(certificates.reload(), Err(CertificateError::Read { .. })));
    assert_eq!(shown(&echo.connect(&authority.trust(), "old.test").await.unwrap()), ["a.test", "old.test"]);

    files.put(&new);
    assert_eq!(certificates.reload().unwrap(), Reloaded::Changed);
    assert_eq!(shown(&echo.connect(&authority.trust(), "new.test").await.unwrap()), ["a.test", "new.test"]);
    assert!(echo.connect(&authority.trust(), "old.test").await.is_err());
    assert!(says_back(&mut before).await, "what was there goes on");
}

#[tokio::test]
async fn files_are_watched() {
    let authority = Authority::new("ca");
    let files = Files::new();
    files.put(&authority.sign(&["old.test"]));
    let certificates = files.load().unwrap();
    let clock = VirtualClock::new();
    let timer = Timer::new(Arc::new(clock.clone()));
    let bridge = Bridge::inline(Arc::new(clock.clone()), || Duration::ZERO);
    let watched = certificates.clone();
    let task = tokio::spawn(async move { watched.watch(&bridge, &timer, Duration::from_secs(60)).await });
    settle().await;
    files.put(&authority.sign(&["new.test"]));
    clock.advance(Duration::from_secs(59));
    settle().await;
    assert_eq!(certificates.names(), ["old.test"]);
    clock.advance(Duration::from_secs(1));
    settle().await;
    assert_eq!(certificates.names(), ["new.test"]);
    files.disk.remove(&files.pair.chain).unwrap();
    clock.advance(Duration::from_secs(60));
    settle().await;
    files.put(&authority.sign(&["newer.test"]));
    clock.advance(Duration::from_secs(60));
    settle().await;
    assert_eq!(certificates.names(), ["newer.test"]);
    task.abort();
}

#[test]
fn no_certificate_is_an_error_of_its_own() {
    assert!(matches!(Certificates::new(Vec::new()), Err(CertificateError::None)));
    let none = Identity::from_pem(b"", b"").unwrap_err();
    assert!(matches!(none, CertificateError::Missing { what: "certificate", .. }));
    assert!(Authorities::from_pem(b"nothing").is_err());
}
