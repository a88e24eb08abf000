//! How a node without a certificate becomes a member. Knows not what admission means.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use aether_types::NodeId;

use crate::{
    Admission, DownReason, NodeKey, Refusal, Secret, Settings, TlsError, Token,
    frame::Kind,
    hello::{self, Hello, Purpose},
    limits::{ADMIT_BYTES_MAX, HELLO_TIME_MAX},
    links::HelloError,
    links::dial_connection,
    tls,
};

/// The secret and the certificate request.
#[derive(Serialize, Deserialize)]
pub(crate) struct JoinBody {
    pub(crate) secret: Secret,
    pub(crate) csr: Option<Vec<u8>>,
}

/// Why a node could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// By the member that was asked.
    #[error("the member at {address} refuses: {refusal}")]
    Refused { address: String, refusal: Refusal },
    /// By us: it is not what the token says.
    #[error("the node at {address} is not the one that the token means: {refusal}")]
    NotTrusted { address: String, refusal: Refusal },
    #[error("ask the member at {address}: {reason}")]
    Failed { address: String, reason: DownReason },
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Asks the member at `address` (`host:port`) to take this node in.
///
/// The member is trusted because its certificate ends at the authority that the token names, and
/// is that of the node it says it is; only then it gets the secret. A certificate is issued for
/// the key; without one, the node has a certificate from elsewhere.
pub async fn join(
    address: &str,
    token: &Token,
    node: NodeId,
    key: Option<&NodeKey>,
    settings: &Settings,
) -> Result<Admission, JoinError> {
    let config = tls::joining(token.ca)?;
    let csr = key.map(NodeKey::csr).transpose()?;
    let asked = ask(address, token, node, csr, config, settings).await;
    asked.map_err(|reason| {
        let address = address.to_owned();
        match reason {
            DownReason::Refused(refusal) => JoinError::Refused { address, refusal },
            DownReason::Rejected(refusal) => JoinError::NotTrusted { address, refusal },
            reason => JoinError::Failed { address, reason },
        }
    })
}

async fn ask(
    address: &str,
    token: &Token,
    node: NodeId,
    csr: Option<Vec<u8>>,
    config: std::sync::Arc<rustls::ClientConfig>,
    settings: &Settings,
) -> Result<Admission, DownReason> {
    let greeted = async {
        // The name is not known yet; the pinned authority is what counts until the hello.
        let name = tls::server_name(node, token.cluster);
        let mut connection = dial_connection(address, config, name).await?;
        let me = Hello {
            cluster: token.cluster,
            node,
            run: settings.run,
            starts: settings.starts,
            purpose: Purpose::Join,
            clock_ms: (settings.clock_ms)(),
            addresses: settings.addresses.clone(),
        };
        connection.write(Kind::Hello, me.encode()).await?;
        let hello = match connection.read_hello(Kind::Welcome).await {
            Ok(hello) => hello,
            Err(HelloError::Refuse(refusal)) => return Err(DownReason::Rejected(refusal)),
            Err(HelloError::Down(reason)) => return Err(reason),
        };
        let skew_max_ms = settings.clock_skew_max.as_millis() as u64;
        hello.check(&me, skew_max_ms).map_err(DownReason::Rejected)?;
        match connection.is_of(hello.node, token.cluster) {
            Some(true) => Ok(connection),
            _ => Err(DownReason::Rejected(Refusal::WrongCertificate { node: hello.node })),
        }
    };
    let greeted = timeout(HELLO_TIME_MAX, greeted).await;
    let mut connection = greeted.unwrap_or(Err(DownReason::HelloTimeout))?;
    let body = hello::encode(&JoinBody { secret: token.secret, csr });
    connection.write(Kind::Join, body).await?;
    let frame = connection.read_up_to(ADMIT_BYTES_MAX).await?;
    let admission = (frame.kind == Kind::Admit).then(|| decode(&frame.body)).flatten();
    admission.ok_or(DownReason::Rejected(Refusal::NotAether))
}

fn decode(body: &Bytes) -> Option<Admission> {
    hello::decode(body)
}
