//! The cluster's own certificate authority, certificates of nodes, join tokens. Knows no disk and
//! no link. Nothing secret is shown by `Debug`.

mod token;

use std::fmt;

use aether_types::{ClusterId, NodeId};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, pem::PemObject};
use sha2::{Digest, Sha256};

use crate::TlsError;

pub use token::{Fingerprint, Secret, Token, TokenError};

/// Signs certificates of nodes. Made when a cluster is.
pub struct Authority {
    cluster: ClusterId,
    ca: String,
    key: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A node's private key; it never leaves the node.
pub struct NodeKey(KeyPair);

/// The name that the certificate of a node must have among its alternative names (DNS), whoever
/// issued it.
pub fn name_of(node: NodeId, cluster: ClusterId) -> String {
    format!("node-{node}.{cluster}.aether")
}

/// SHA-256 of a certificate in PEM.
pub fn fingerprint_of(certificate: &str) -> Result<Fingerprint, TlsError> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes())
        .map_err(|_| TlsError::Pem { what: "a certificate" })?;
    Ok(fingerprint(&der))
}

pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    Fingerprint(Sha256::digest(certificate).into())
}

impl Authority {
    pub fn create(cluster: ClusterId) -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let mut params = lasting(CertificateParams::default());
        params.distinguished_name = named(format!("Aether cluster {cluster}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca = params.self_signed(&key)?.pem();
        let pem = key.serialize_pem();
        Ok(Self { cluster, ca, key: pem, issuer: Issuer::new(params, key) })
    }

    /// From what [`Authority::ca_pem`] and [`Authority::key_pem`] gave.
    pub fn open(cluster: ClusterId, ca: &str, key: &str) -> Result<Self, TlsError> {
        let pair = KeyPair::from_pem(key)?;
        let issuer = Issuer::from_ca_cert_pem(ca, pair)?;
        Ok(Self { cluster, ca: ca.to_owned(), key: key.to_owned(), issuer })
    }

    pub fn ca_pem(&self) -> &str {
        &self.ca
    }

    /// Whoever has it can make himself a member: mode 0600.
    pub fn key_pem(&self) -> &str {
        &self.key
    }

    /// A certificate for `node` and the public key in a request (PKCS #10, DER). Everything else
    /// that the request asks for is ignored. PEM.
    pub fn issue(&self, node: NodeId, csr: &[u8]) -> Result<String, TlsError> {
        let request = CertificateSigningRequestDer::from(csr);
        let request = CertificateSigningRequestParams::from_der(&request)?;
        let name = name_of(node, self.cluster);
        let mut params = lasting(CertificateParams::new([name])?);
        params.distinguished_name = named(format!("Aether node {node}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(&request.public_key, &self.issuer)?.pem())
    }
}

impl NodeKey {
    pub fn generate() -> Result<Self, TlsError> {
        Ok(Self(KeyPair::generate()?))
    }

    /// PKCS #8.
    pub fn pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// A certificate request (PKCS #10, DER) for [`Authority::issue`].
    pub fn csr(&self) -> Result<Vec<u8>, TlsError> {
        let params = CertificateParams::default();
        Ok(params.serialize_request(&self.0)?.der().to_vec())
    }
}

/// Certificates do not expire within the life of a cluster: a cluster that was off for a year must
/// start again. Membership is checked at every hello instead.
fn lasting(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2124, 1, 1);
    params
}

fn named(name: String) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(..)")
    }
}
