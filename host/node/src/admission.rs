//! New members: who may join, and with what certificate. Knows no sockets.

use crate::control::Control;
use crate::projector::Pictures;
use crate::records::{AuthorityRecord, Duty, JoinToken, Member};
use crate::world::World;
use crate::{keys, unix_ms};
use aether_kv::{Condition, Operation, Transaction};
use aether_transport::{Addresses, Admission, Authority, JoinRequest, Refusal, Secret, Token};
use aether_types::versioned::encode;
use aether_types::{ClusterId, NodeId};

/// Admits nodes, on any node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admissions {
    pub(crate) cluster: ClusterId,
    pub(crate) control: Control,
    pub(crate) pictures: Pictures,
}

impl Admissions {
    /// A node with a secret wants to become a member. What it asked for before a crash, it may ask
    /// for again.
    pub(crate) async fn admit(&self, request: JoinRequest) -> Result<Admission, Refusal> {
        // A token may have been made a moment ago, on another node.
        let fresh = self.control.fresh().await;
        fresh.map_err(|error| other(&format!("no new members now: {error}")))?;
        let picture = self.shown().await;
        let world = &picture.world;
        let secret = request.secret.reveal();
        let token = world.tokens.get(&JoinToken::id(&secret));
        let token = token.filter(|token| token.is_of(&secret)).ok_or(Refusal::BadToken)?;
        if token.expires_ms < unix_ms() {
            return Err(other("the join token has expired: `aether node token` makes a new one"));
        }
        match world.members.get(&request.node) {
            Some(at) if at.value.duty == Duty::Removed => {
                return Err(Refusal::Removed { node: request.node });
            }
            Some(_) if world.nodes.contains_key(&request.node) => {
                return Err(Refusal::DuplicateIdentity { node: request.node });
            }
            _ => {}
        }
        let authority = world.authority.as_ref().ok_or_else(|| other("no authority is known"))?;
        let certificate = self.issue(authority, &request)?;
        self.enter(request.node, request.addresses.cluster.clone()).await?;
        tracing::info!(node = %request.node, address = request.addresses.cluster, "node admitted");
        let peers = world.nodes.iter().map(|(id, record)| (*id, record.addresses()));
        Ok(Admission { certificate, ca: authority.certificate_pem.clone(), peers: peers.collect() })
    }

    /// A secret that lets nodes join until then.
    pub(crate) async fn token(
        &self,
        expires_ms: u64,
        created_by: String,
    ) -> Result<Token, crate::ControlError> {
        let secret = Secret::draw();
        let revealed = secret.reveal();
        let token = JoinToken::of(&revealed, expires_ms, created_by);
        let key = keys::token(&JoinToken::id(&revealed));
        let put = Operation::Put { key, value: encode(&token).into(), lease: None };
        self.control.transact(Transaction { conditions: vec![], operations: vec![put] }).await?;
        self.control.fresh().await?;
        let picture = self.shown().await;
        let authority = picture.world.authority.as_ref().expect("a cluster has an authority");
        let ca = aether_transport::fingerprint_of(&authority.certificate_pem);
        let ca = ca.expect("the founder wrote its certificate");
        Ok(Token { cluster: self.cluster, ca, secret })
    }

    /// None where the node has one already.
    fn issue(
        &self,
        authority: &AuthorityRecord,
        join: &JoinRequest,
    ) -> Result<Option<String>, Refusal> {
        let AuthorityRecord { certificate_pem, key_pem } = authority;
        let (key, csr) = match (key_pem, &join.csr) {
            (Some(key), Some(csr)) => (key, csr),
            (None, None) => return Ok(None),
            (None, Some(_)) => {
                return Err(other(
                    "certificates of this cluster come from elsewhere: name the node's under [tls] in \
                 its node.toml",
                ));
            }
            (Some(_), None) => {
                return Err(other(
                    "this cluster issues certificates itself: take [tls] out of the node's node.toml",
                ));
            }
        };
        let authority = Authority::open(self.cluster, certificate_pem, key);
        let issued = authority.and_then(|authority| authority.issue(join.node, csr));
        let failed = |error| other(&format!("no certificate for this request: {error}"));
        issued.map(Some).map_err(failed)
    }

    async fn enter(&self, node: NodeId, address: String) -> Result<(), Refusal> {
        let key = keys::member(node);
        let member = Member { duty: Duty::Full, joined_ms: unix_ms(), address };
        let absent = Condition::Absent { key: keys::node(node) };
        let put = Operation::Put { key, value: encode(&member).into(), lease: None };
        let transaction = Transaction { conditions: vec![absent], operations: vec![put] };
        let entered = self.control.transact(transaction).await;
        entered.map(drop).map_err(|error| other(&format!("no new members now: {error}")))
    }

    /// The picture of what this node has applied by now.
    async fn shown(&self) -> std::sync::Arc<crate::projector::Picture> {
        let revision = self.control.read(World::newest);
        let mut pictures = self.pictures.clone();
        let shown = pictures.wait_for(|picture| picture.world.revision >= revision).await;
        match shown {
            Ok(picture) => picture.clone(),
            // The node stops; what it knew last is good enough.
            Err(_) => self.pictures.borrow().clone(),
        }
    }
}

impl crate::records::NodeRecord {
    pub(crate) fn addresses(&self) -> Addresses {
        Addresses { cluster: self.cluster.clone(), http: self.http.clone(), api: self.api.clone() }
    }
}

fn other(reason: &str) -> Refusal {
    Refusal::Other { reason: reason.to_owned() }
}
