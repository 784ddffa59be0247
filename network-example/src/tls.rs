//! TLS by rustls, with ring: it needs a C compiler and nothing else to be built.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A certificate and its key, for a server.
#[derive(Clone)]
pub struct Certificate(Arc<ServerConfig>);

impl Certificate {
    /// Reads a chain of certificates and a private key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let file = |path: &Path| path.to_owned();
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File { path: file(key), error })?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Rustls)?
            .with_no_client_auth()
            .with_single_cert(certificates(certificate)?, private)
            .map_err(|error| TlsError::Pair { certificate: file(certificate), key: file(key), error })?;
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.clone())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(…)")
    }
}

/// Whose word a client takes for who a server is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Trust {
    /// Those that this machine trusts.
    #[default]
    Machine,
    /// Those in this file (PEM) and no others.
    File(PathBuf),
}

impl Trust {
    /// Reads the certificates: some milliseconds for those of a machine.
    pub(crate) fn connector(&self) -> Result<TlsConnector, TlsError> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::Machine => {
                let found = rustls_native_certs::load_native_certs();
                let (added, _) = roots.add_parsable_certificates(found.certs);
                if added == 0 {
                    return Err(TlsError::NoRoots);
                }
            }
            Self::File(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(TlsError::Rustls)?;
                }
            }
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Rustls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fail = |error| TlsError::File { path: path.to_owned(), error };
    let found: Vec<_> = CertificateDer::pem_file_iter(path).map_err(fail)?.collect::<Result<_, _>>().map_err(fail)?;
    if found.is_empty() { Err(fail(pem::Error::NoItemsFound)) } else { Ok(found) }
}

/// Named, because a program that links a second one has no default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Why there can be no TLS.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read, or holds no certificate or no key.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: pem::Error,
    },
    /// The key is not the certificate's, or neither is of a kind that is known.
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// This machine trusts nobody.
    NoRoots,
    /// Anything else that rustls says.
    Rustls(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, error: pem::Error::Io(error) } => write!(f, "{}: {error}", path.display()),
            Self::File { path, error } => write!(f, "{} holds no certificate or key in PEM: {error}", path.display()),
            Self::Pair { certificate, key, error } => {
                write!(f, "{} and {} make no certificate: {error}", certificate.display(), key.display())
            }
            Self::NoRoots => f.write_str("this machine has no certificates to check a server by; name some with --ca"),
            Self::Rustls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::other(error)
    }
}
