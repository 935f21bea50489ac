//! What a server proves its names with: [`Identity`], and [`Certificates`], which can be replaced under way.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use xs_os::vfs::{Vfs, VfsExt};

use super::names::NameTable;
use crate::{Bridge, Timer};

/// A larger PEM file is not read.
const MOST_BYTES: usize = 1 << 20;

/// Why a certificate, a key or a list of authorities cannot be used. The operator's problem: it names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is nothing to prove a name with.
    #[error("no certificate was given")]
    None,
    /// The file cannot be read.
    #[error("{file}: cannot be read: {source}")]
    Read {
        /// Which one.
        file: String,
        /// What the machine said.
        source: io::Error,
    },
    /// A part that must be there is not.
    #[error("{file}: there is no {what} in it; PEM is expected")]
    Missing {
        /// Which one.
        file: String,
        /// What was looked for.
        what: &'static str,
    },
    /// It is there, and is not what it should be.
    #[error("{file}: {reason}")]
    Unusable {
        /// Which one.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl CertificateError {
    pub(super) fn unusable(file: &str, reason: impl fmt::Display) -> Self {
        CertificateError::Unusable { file: file.to_owned(), reason: reason.to_string() }
    }
}

pub(super) fn certificates_in(pem: &[u8], file: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| CertificateError::unusable(file, error))?;
    if chain.is_empty() {
        return Err(CertificateError::Missing { file: file.to_owned(), what: "certificate" });
    }
    Ok(chain)
}

pub(super) fn read(disk: &dyn Vfs, path: &Path) -> Result<Vec<u8>, CertificateError> {
    disk.read(path, MOST_BYTES).map_err(|source| CertificateError::Read { file: path.display().to_string(), source })
}

/// A chain of certificates, the own one first, and the key that belongs to it. Clones share them.
#[derive(Clone)]
pub struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    names: Arc<[String]>,
}

impl Identity {
    /// From PEM: a chain, and a key in PKCS #8, PKCS #1 or SEC 1. Both may stand in the same text.
    ///
    /// # Errors
    ///
    /// One of them is missing or malformed, or the key is another certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Identity, CertificateError> {
        Identity::parse(chain, "the certificate", key, "the key")
    }

    /// From two files, which may be the same one. Reads the disk where it is called.
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Identity::from_pem), or a file cannot be read.
    pub fn load(disk: &dyn Vfs, chain: &Path, key: &Path) -> Result<Identity, CertificateError> {
        let (chain_pem, key_pem) = (read(disk, chain)?, read(disk, key)?);
        Identity::parse(&chain_pem, &chain.display().to_string(), &key_pem, &key.display().to_string())
    }

    fn parse(chain: &[u8], chain_file: &str, key: &[u8], key_file: &str) -> Result<Identity, CertificateError> {
        let chain = certificates_in(chain, chain_file)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => {
                CertificateError::Missing { file: key_file.to_owned(), what: "private key" }
            }
            error => CertificateError::unusable(key_file, error),
        })?;
        let key = provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| CertificateError::unusable(key_file, error))?;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                CertificateError::unusable(chain_file, format_args!("the key of {key_file} does not belong to it"))
            }
            error => CertificateError::unusable(chain_file, error),
        })?;
        let names = names_of(&key.cert[0]).map_err(|error| CertificateError::unusable(chain_file, error))?;
        Ok(Identity { key: Arc::new(key), names })
    }

    /// The DNS names that its certificate is for, wildcards included.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("names", &self.names).finish_non_exhaustive()
    }
}

fn names_of(certificate: &CertificateDer<'_>) -> Result<Arc<[String]>, webpki::Error> {
    let parsed = webpki::EndEntityCert::try_from(certificate)?;
    Ok(parsed.valid_dns_names().map(str::to_owned).collect())
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Where a certificate and its key lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub chain: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What came of looking at the files again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// They hold what is in use.
    Unchanged,
    /// They hold something else, which is in use from now on.
    Changed,
}

/// The certificates of a server, by name. Clones share them: what replaces them is used by the next handshake everywhere.
#[derive(Clone)]
pub struct Certificates {
    shared: Arc<Shared>,
}

struct Shared {
    current: ArcSwap<Set>,
    /// Where they came from, if from files.
    source: Option<(Arc<dyn Vfs>, Vec<CertificateFiles>)>,
}

struct Set {
    all: Vec<Identity>,
    by_name: NameTable<Arc<CertifiedKey>>,
}

impl Set {
    fn new(all: Vec<Identity>) -> Result<Set, CertificateError> {
        if all.is_empty() {
            return Err(CertificateError::None);
        }
        let mut by_name = NameTable::new();
        for identity in &all {
            for name in identity.names() {
                by_name.insert(name, identity.key.clone());
            }
        }
        Ok(Set { all, by_name })
    }
}

fn load_all(disk: &dyn Vfs, files: &[CertificateFiles]) -> Result<Set, CertificateError> {
    let all: Result<Vec<_>, _> = files.iter().map(|pair| Identity::load(disk, &pair.chain, &pair.key)).collect();
    Set::new(all?)
}

impl Certificates {
    /// Several identities; the first answers whoever asks for a name that none of them has, or for none.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn new(identities: Vec<Identity>) -> Result<Certificates, CertificateError> {
        let shared = Shared { current: ArcSwap::from_pointee(Set::new(identities)?), source: None };
        Ok(Certificates { shared: Arc::new(shared) })
    }

    /// The same from files, which [`reload`](Certificates::reload) looks at again. Reads the disk where it is called.
    ///
    /// # Errors
    ///
    /// There is none, or one cannot be used.
    pub fn load(disk: Arc<dyn Vfs>, files: Vec<CertificateFiles>) -> Result<Certificates, CertificateError> {
        let shared = Shared { current: ArcSwap::from_pointee(load_all(&*disk, &files)?), source: Some((disk, files)) };
        Ok(Certificates { shared: Arc::new(shared) })
    }

    /// Replaces all of them. Connections that are there already stay as they are.
    ///
    /// # Errors
    ///
    /// There is none; the old ones stay.
    pub fn replace(&self, identities: Vec<Identity>) -> Result<(), CertificateError> {
        self.shared.current.store(Arc::new(Set::new(identities)?));
        Ok(())
    }

    /// Reads the files again, and replaces all certificates if every one of them can be used. Without files it does
    /// nothing. Reads the disk where it is called: a server calls it over its [`Bridge`].
    ///
    /// # Errors
    ///
    /// One cannot be used. All of the old ones stay in use, and a warning says so.
    pub fn reload(&self) -> Result<Reloaded, CertificateError> {
        let Some((disk, files)) = &self.shared.source else { return Ok(Reloaded::Unchanged) };
        let fresh = load_all(&**disk, files).inspect_err(|error| {
            tracing::warn!(%error, "the old certificates stay");
        })?;
        let current = self.shared.current.load();
        let same = |(old, new): (&Identity, &Identity)| old.key.cert == new.key.cert;
        if current.all.len() == fresh.all.len() && current.all.iter().zip(&fresh.all).all(same) {
            return Ok(Reloaded::Unchanged);
        }
        tracing::info!(count = fresh.all.len(), "new certificates are in use");
        self.shared.current.store(Arc::new(fresh));
        Ok(Reloaded::Changed)
    }

    /// [`reload`](Certificates::reload)s every so often, over `bridge`, for ever: a task of its own, or a branch of the
    /// server's `select!`.
    pub async fn watch(&self, bridge: &Bridge, timer: &Timer, every: Duration) {
        loop {
            timer.sleep(every.max(Duration::from_millis(1))).await;
            let certificates = self.clone();
            // It has said what was wrong, and the next time may be better.
            let _ = bridge.run(move || certificates.reload()).await;
        }
    }

    /// The names of all certificates, each certificate's in its order.
    pub fn names(&self) -> Vec<String> {
        self.shared.current.load().all.iter().flat_map(|identity| identity.names().iter().cloned()).collect()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let set = self.shared.current.load();
        let named = hello.server_name().map_or(&[][..], |name| set.by_name.get(name));
        let signs = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        // Of several kinds of key for one name, the first that the client understands.
        let chosen = named.iter().find(signs).or_else(|| named.first());
        chosen.or_else(|| set.all.first().map(|identity| &identity.key)).cloned()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("names", &self.names()).finish_non_exhaustive()
    }
}
