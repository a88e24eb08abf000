//! TLS between nodes: who may talk to whom is proved by certificates of the cluster's authority.
//! Knows no frame.

use std::sync::Arc;

use aether_types::{ClusterId, NodeId};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig,
    SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier},
    version::TLS13,
};

use crate::{
    TlsError,
    authority::{self, Fingerprint, name_of},
};

/// What a node needs to prove who it is and to check others. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) server: Arc<ServerConfig>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Tls {
    /// From PEM: the authority's certificates, the node's certificate (with those between it and
    /// the authority, if there are any), its key. All may come from elsewhere, but the certificate
    /// must have the name that [`crate::name_of`] gives, for server and client authentication.
    pub fn new(
        (cluster, node): (ClusterId, NodeId),
        ca: &str,
        certificate: &str,
        key: &str,
    ) -> Result<Self, TlsError> {
        let roots = certificates(ca, "the CA's certificate")?;
        let mut chain = certificates(certificate, "the node's certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|_| TlsError::Pem { what: "the node's key" })?;
        if !is_of(&chain[0], node, cluster) {
            return Err(TlsError::WrongName { node, cluster, name: name_of(node, cluster) });
        }
        // The authority's own certificate goes along, so that a node with a token can pin it.
        chain.extend(roots.iter().cloned());
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root)?;
        }
        let store = Arc::new(store);
        let provider = provider();
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(store.clone())
            .with_client_auth_cert(chain.clone(), key.clone_key())?;
        client.resumption = Resumption::disabled();
        // Without a certificate one may ask to join, and nothing else.
        let verifier = WebPkiClientVerifier::builder_with_provider(store, provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|error| TlsError::Authority(error.to_string()))?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self { cluster, node, client: Arc::new(client), server: Arc::new(server) })
    }
}

/// The name under which a node is dialed.
pub(crate) fn server_name(node: NodeId, cluster: ClusterId) -> ServerName<'static> {
    ServerName::try_from(name_of(node, cluster)).expect("hexadecimal digits make a DNS name")
}

/// Whether a certificate, which TLS has verified, is that of a node.
pub(crate) fn is_of(certificate: &CertificateDer<'_>, node: NodeId, cluster: ClusterId) -> bool {
    let parsed = ParsedCertificate::try_from(certificate);
    parsed.is_ok_and(|it| verify_server_name(&it, &server_name(node, cluster)).is_ok())
}

/// For a node with a token and no certificate: trusts whatever the pinned authority signed.
pub(crate) fn joining(pinned: Fingerprint) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let verifier = Pinned { fingerprint: pinned, provider: provider.clone() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn certificates(pem: &str, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or(TlsError::Pem { what })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Takes a chain that ends at one certain authority. The name is checked after the hello, when it
/// is known: who joins does not know whom he dials.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = intermediates.iter().find(|it| authority::fingerprint(it) == self.fingerprint);
        let pinned =
            pinned.ok_or(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let end_entity = ParsedCertificate::try_from(end_entity)?;
        let between = intermediates;
        verify_server_cert_signed_by_trust_anchor(&end_entity, &roots, between, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
