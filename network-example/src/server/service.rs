//! What every connection has in common.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use super::Config;
use super::access::Access;
use super::hub::Hub;
use super::metrics::Metrics;

/// See the module.
pub(crate) struct Service {
    pub(crate) config: Arc<Config>,
    pub(crate) access: Access,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) acceptor: Option<TlsAcceptor>,
}
