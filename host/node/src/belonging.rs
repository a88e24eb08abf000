//! How a node comes to belong to a cluster: it founds one, joins one, or has done so before. Knows
//! no state and no slices.

use crate::config::Settings;
use crate::control::{self, CONTROL_GROUP};
use crate::unix_ms;
use aether_consensus::Restored;
use aether_storage::{Identity, Storage, TlsMaterial};
use aether_transport::{Addresses, Authority, NodeKey, Tls, Token, TokenError};
use aether_types::{ClusterId, NodeId};
use std::collections::BTreeMap;

/// What a node needs to take part.
pub(crate) struct Belonging {
    pub(crate) identity: Identity,
    pub(crate) tls: Tls,
    pub(crate) restored: Restored,
    /// The authority of a cluster that this node founded.
    pub(crate) authority: Option<Authority>,
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
    #[error("failed to write the log of a new cluster")]
    Found(#[from] control::ControlFailure),
    #[error("the join token is {0}")]
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
    match (storage.identity, storage.tls()?, join) {
        (Some(identity), Some(material), _) => go_on(storage, identity, &material),
        (None, _, None) => found(storage),
        (Some(identity), None, None) if storage.log.load(CONTROL_GROUP)?.is_some() => {
            certify(storage, identity)
        }
        (Some(_), None, None) => Err(BelongingError::NotJoined),
        (known, None | Some(_), Some((address, token))) => {
            enter(storage, known, address, token, addresses).await
        }
    }
}

/// What is on disk says it all. An empty log is that of a node which was admitted, and then stopped
/// before it heard of a leader.
fn go_on(
    storage: &mut Storage,
    identity: Identity,
    material: &TlsMaterial,
) -> Result<Belonging, BelongingError> {
    let Identity { cluster, node, .. } = identity;
    let restored = storage.log.load(CONTROL_GROUP)?.unwrap_or_default();
    let tls = Tls::new((cluster, node), &material.ca, &material.certificate, &material.key)?;
    let authority = material.ca_key.as_ref();
    let authority = authority.map(|key| Authority::open(cluster, &material.ca, key)).transpose()?;
    Ok(Belonging { identity, tls, restored, authority, introduced: BTreeMap::new() })
}

fn found(storage: &mut Storage) -> Result<Belonging, BelongingError> {
    let identity = draw(ClusterId(rand::random()));
    storage.identify(identity)?;
    control::found(identity.node, &mut storage.log)?;
    certify(storage, identity)
}

/// The founder's authority and certificate; also after a crash before they were written.
fn certify(storage: &mut Storage, identity: Identity) -> Result<Belonging, BelongingError> {
    let (authority, key) = (Authority::create(identity.cluster)?, NodeKey::generate()?);
    let material = TlsMaterial {
        ca: authority.ca_pem().to_owned(),
        certificate: authority.issue(identity.node, &key.csr()?)?,
        key: key.pem(),
        ca_key: Some(authority.key_pem().to_owned()),
    };
    storage.set_tls(&material)?;
    go_on(storage, identity, &material)
}

/// The identity comes first: a node that is stopped in between asks again under the same name.
async fn enter(
    storage: &mut Storage,
    known: Option<Identity>,
    address: &str,
    token: &Token,
    addresses: &Addresses,
) -> Result<Belonging, BelongingError> {
    let identity = match known {
        Some(identity) => identity,
        None => {
            let drawn = draw(token.cluster);
            storage.identify(drawn)?;
            drawn
        }
    };
    let key = NodeKey::generate()?;
    let settings = aether_transport::Settings::new(addresses.clone());
    let admission = aether_transport::join(address, token, identity.node, &key, &settings).await?;
    let material = TlsMaterial {
        ca: admission.ca,
        certificate: admission.certificate,
        key: key.pem(),
        ca_key: None,
    };
    storage.set_tls(&material)?;
    let mut belonging = go_on(storage, identity, &material)?;
    let peers = admission.peers.into_iter().filter(|(id, _)| *id != identity.node);
    belonging.introduced = peers.map(|(id, addresses)| (id, vec![addresses.cluster])).collect();
    Ok(belonging)
}

fn draw(cluster: ClusterId) -> Identity {
    let node = NodeId(rand::random_range(1..=u64::MAX));
    Identity { node, cluster, created_ms: unix_ms() }
}
