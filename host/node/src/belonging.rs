//! How a node comes to belong to a cluster: it founds one, joins one, or has done so before. Knows
//! no state and no slices.

use crate::config::{Settings, TlsFiles};
use crate::control::{self, CONTROL_GROUP};
use crate::records::AuthorityRecord;
use crate::unix_ms;
use aether_consensus::Restored;
use aether_storage::{Certificates, Identity, Storage, TlsMaterial};
use aether_transport::{
    Addresses, Authority, NodeKey, Tls, Token, TokenError, fingerprint_of, name_of,
};
use aether_types::{ClusterId, NodeId};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a node needs to take part.
pub(crate) struct Belonging {
    pub(crate) identity: Identity,
    pub(crate) tls: Tls,
    pub(crate) restored: Restored,
    /// The authority of a cluster that this node founded.
    pub(crate) founded: Option<AuthorityRecord>,
    /// Members that were named when this node joined: it knows no others yet.
    pub(crate) introduced: BTreeMap<NodeId, Vec<String>>,
}

/// Why a node belongs to no cluster.
#[derive(Debug, thiserror::Error)]
pub enum BelongingError {
    #[error(transparent)]
    Storage(#[from] aether_storage::Error),
    #[error("failed to make or use certificates")]
    Tls(#[from] aether_transport::TlsError),
    #[error("failed to read {path}; the certificate of this node must name {name}")]
    TlsFile { path: PathBuf, name: String, source: std::io::Error },
    #[error(
        "certificates of this node's cluster come from elsewhere: name the node's under [tls] in \
         node.toml"
    )]
    NoFiles,
    #[error("this node's cluster issues certificates itself: take [tls] out of node.toml")]
    NeedlessFiles,
    #[error("the join token is of a cluster whose authority is not the first one in {path}")]
    OtherAuthority { path: PathBuf },
    #[error("failed to write the log of a new cluster")]
    Found(#[from] control::ControlFailure),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("failed to join")]
    Join(#[from] aether_transport::JoinError),
    #[error(
        "this data folder belongs to cluster {own}, the join token to {wanted}: use another folder"
    )]
    OtherCluster { own: ClusterId, wanted: ClusterId },
    #[error(
        "this node has not finished joining its cluster: start it with --join and --token again"
    )]
    NotJoined,
}

/// Founds, joins, or goes on.
pub(crate) async fn establish(
    settings: &Settings,
    storage: &mut Storage,
    addresses: &Addresses,
) -> Result<Belonging, BelongingError> {
    let token = settings.cluster.token.as_ref().map(|text| text.parse::<Token>()).transpose()?;
    let join = settings.cluster.join.as_deref().zip(token.as_ref());
    if let (Some(Identity { cluster: own, .. }), Some((_, token))) = (storage.identity, join)
        && own != token.cluster
    {
        return Err(BelongingError::OtherCluster { own, wanted: token.cluster });
    }
    let files = settings.tls.as_ref();
    match (storage.identity, storage.certificates()?, join) {
        (Some(identity), Some(certificates), _) => go_on(storage, identity, &certificates, files),
        (None, _, None) => {
            let identity = draw(ClusterId(rand::random()));
            storage.identify(identity)?;
            control::found(identity.node, &mut storage.log)?;
            certify(storage, identity, files)
        }
        (Some(identity), None, None) if storage.log.load(CONTROL_GROUP)?.is_some() => {
            certify(storage, identity, files)
        }
        (Some(_), None, None) => Err(BelongingError::NotJoined),
        (known, None | Some(_), Some((address, token))) => {
            let identity = known.unwrap_or_else(|| draw(token.cluster));
            if known.is_none() {
                // It comes first: a node that is stopped in between asks again under the same name.
                storage.identify(identity)?;
            }
            enter(storage, identity, (address, token), addresses, files).await
        }
    }
}

/// What is on disk says it all, but for certificates from elsewhere. An empty log is that of a node
/// which was admitted, and then stopped before it heard of a leader.
fn go_on(
    storage: &mut Storage,
    identity: Identity,
    certificates: &Certificates,
    files: Option<&TlsFiles>,
) -> Result<Belonging, BelongingError> {
    let (material, is_founder) = match (certificates, files) {
        (Certificates::Own(material), None) => (material.clone(), material.ca_key.is_some()),
        (Certificates::Own(_), Some(_)) => return Err(BelongingError::NeedlessFiles),
        (Certificates::Elsewhere { .. }, None) => return Err(BelongingError::NoFiles),
        (Certificates::Elsewhere { founder }, Some(files)) => (read(files, identity)?, *founder),
    };
    let restored = storage.log.load(CONTROL_GROUP)?.unwrap_or_default();
    let tls = tls(identity, &material)?;
    let TlsMaterial { ca: certificate_pem, ca_key: key_pem, .. } = material;
    let founded = is_founder.then_some(AuthorityRecord { certificate_pem, key_pem });
    Ok(Belonging { identity, tls, restored, founded, introduced: BTreeMap::new() })
}

fn tls(identity: Identity, material: &TlsMaterial) -> Result<Tls, BelongingError> {
    let TlsMaterial { ca, certificate, key, .. } = material;
    Ok(Tls::new((identity.cluster, identity.node), ca, certificate, key)?)
}

fn read(files: &TlsFiles, identity: Identity) -> Result<TlsMaterial, BelongingError> {
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path).map_err(|source| {
            let name = name_of(identity.node, identity.cluster);
            BelongingError::TlsFile { path: path.clone(), name, source }
        })
    };
    let TlsFiles { ca, certificate, key } = files;
    let (ca, certificate, key) = (read(ca)?, read(certificate)?, read(key)?);
    Ok(TlsMaterial { ca, certificate, key, ca_key: None })
}

/// The founder's authority and certificate; also after a crash before they were written.
fn certify(
    storage: &mut Storage,
    identity: Identity,
    files: Option<&TlsFiles>,
) -> Result<Belonging, BelongingError> {
    let certificates = match files {
        Some(_) => Certificates::Elsewhere { founder: true },
        None => {
            let (authority, key) = (Authority::create(identity.cluster)?, NodeKey::generate()?);
            Certificates::Own(TlsMaterial {
                ca: authority.ca_pem().to_owned(),
                certificate: authority.issue(identity.node, &key.csr()?)?,
                key: key.pem(),
                ca_key: Some(authority.key_pem().to_owned()),
            })
        }
    };
    storage.set_certificates(&certificates)?;
    go_on(storage, identity, &certificates, files)
}

async fn enter(
    storage: &mut Storage,
    identity: Identity,
    (address, token): (&str, &Token),
    addresses: &Addresses,
    files: Option<&TlsFiles>,
) -> Result<Belonging, BelongingError> {
    let key = match files {
        Some(files) => {
            check(files, identity, token)?;
            None
        }
        None => Some(NodeKey::generate()?),
    };
    let settings = aether_transport::Settings::new(addresses.clone());
    let asked = aether_transport::join(address, token, identity.node, key.as_ref(), &settings);
    let admission = asked.await?;
    let certificates = match key.zip(admission.certificate) {
        Some((key, certificate)) => {
            let (ca, key) = (admission.ca, key.pem());
            Certificates::Own(TlsMaterial { ca, certificate, key, ca_key: None })
        }
        None => Certificates::Elsewhere { founder: false },
    };
    storage.set_certificates(&certificates)?;
    let mut belonging = go_on(storage, identity, &certificates, files)?;
    let peers = admission.peers.into_iter().filter(|(id, _)| *id != identity.node);
    belonging.introduced = peers.map(|(id, addresses)| (id, vec![addresses.cluster])).collect();
    Ok(belonging)
}

/// That the node can use its files in the cluster that it asks, before it does.
fn check(files: &TlsFiles, identity: Identity, token: &Token) -> Result<(), BelongingError> {
    let material = read(files, identity)?;
    tls(identity, &material)?;
    match fingerprint_of(&material.ca)? == token.ca {
        true => Ok(()),
        false => Err(BelongingError::OtherAuthority { path: files.ca.clone() }),
    }
}

fn draw(cluster: ClusterId) -> Identity {
    let node = NodeId(rand::random_range(1..=u64::MAX));
    Identity { node, cluster, created_ms: unix_ms() }
}
