//! Takes connections of others: links of members, and those who want to join. Knows no frame of a
//! link.

use std::{sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::{Connection, Shared, handshake::HelloError};
use crate::{
    Admission, Class, DownReason, JoinRequest, Refusal,
    frame::{Frame, Kind},
    hello::{self, Hello, Purpose},
    join::JoinBody,
    limits::HELLO_TIME_MAX,
    resolve::Decision,
};

/// Pause after the system has no socket for us.
const PAUSE: Duration = Duration::from_millis(50);

/// A new member waits for the cluster's yes: a commit through Raft, at worst after an election.
const ADMIT_TIME_MAX: Duration = Duration::from_secs(10);

pub(super) async fn run(shared: Arc<Shared>, listener: TcpListener) {
    let closing = shared.closing.clone();
    while let Some(accepted) = closing.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((socket, _)) => take(&shared, socket),
            Err(error) => {
                tracing::warn!(%error, "accept a connection of a node");
                sleep(PAUSE).await;
            }
        }
    }
}

fn take(shared: &Arc<Shared>, socket: TcpStream) {
    let Ok(permit) = shared.unknown.clone().try_acquire_owned() else {
        crate::stats::add(&shared.counters.connections_refused, 1);
        return;
    };
    let here = shared.clone();
    shared.spawn(async move {
        let _permit = permit;
        if let Err(reason) = meet(&here, socket).await {
            here.counters.ended(reason.label());
            tracing::debug!(%reason, "connection refused");
        }
    });
}

async fn meet(shared: &Arc<Shared>, socket: TcpStream) -> Result<(), DownReason> {
    let greeted = async {
        let mut connection = Connection::accept(socket, shared.tls.server.clone()).await?;
        match connection.read_hello(Kind::Hello).await {
            Ok(hello) => Ok((connection, hello)),
            Err(HelloError::Refuse(refusal)) => Err(connection.refuse(refusal).await),
            Err(HelloError::Down(reason)) => Err(reason),
        }
    };
    let greeted = shared.closing.run_until_cancelled(timeout(HELLO_TIME_MAX, greeted)).await;
    let Some(greeted) = greeted else { return Err(DownReason::Shutdown) };
    let (connection, hello) = greeted.unwrap_or(Err(DownReason::HelloTimeout))?;
    match hello.purpose {
        Purpose::Link(class) => {
            let linked = timeout(HELLO_TIME_MAX, link(shared, connection, hello, class)).await;
            linked.unwrap_or(Err(DownReason::HelloTimeout))
        }
        Purpose::Join => {
            let joined = timeout(ADMIT_TIME_MAX, join(shared, connection, hello)).await;
            joined.unwrap_or(Err(DownReason::HelloTimeout))
        }
    }
}

async fn link(
    shared: &Arc<Shared>,
    connection: Connection,
    hello: Hello,
    class: Class,
) -> Result<(), DownReason> {
    if shared.faults.is_cut(hello.node) {
        return Err(DownReason::Fault);
    }
    let peer = match shared.check(&hello, class, &connection) {
        Ok(peer) => peer,
        Err(refusal) => return Err(connection.refuse(refusal).await),
    };
    let node = peer.node;
    let entry = shared.peers.entry(node);
    let (link, queue) = shared.new_link(peer, node);
    // The first frame in the queue: nothing waits between a link's installation and its driver.
    let welcome = shared.hello(Purpose::Link(class)).encode();
    link.command(Frame::new(Kind::Welcome, 0, welcome));
    match shared.settle(&entry, &link).await {
        Decision::Install | Decision::Replace => {}
        Decision::Keep => return Err(connection.refuse(Refusal::AlreadyLinked).await),
        Decision::Probe => {
            return Err(connection.refuse(Refusal::DuplicateIdentity { node }).await);
        }
    }
    shared.drive(entry, link, connection, queue);
    Ok(())
}

async fn join(
    shared: &Arc<Shared>,
    mut connection: Connection,
    hello: Hello,
) -> Result<(), DownReason> {
    let me = shared.hello(Purpose::Join);
    let skew_max_ms = shared.settings.clock_skew_max.as_millis() as u64;
    if let Err(refusal) = hello.check(&me, skew_max_ms) {
        return Err(connection.refuse(refusal).await);
    }
    if hello.node == me.node {
        let refusal = Refusal::DuplicateIdentity { node: me.node };
        return Err(connection.refuse(refusal).await);
    }
    // Who joins checks our certificate against this before he shows his secret.
    let asked = async {
        connection.write(Kind::Welcome, me.encode()).await?;
        connection.read().await
    };
    let frame = timeout(HELLO_TIME_MAX, asked).await.unwrap_or(Err(DownReason::HelloTimeout))?;
    let body = (frame.kind == Kind::Join).then(|| hello::decode(&frame.body)).flatten();
    let Some(JoinBody { secret, csr }) = body else {
        return Err(connection.refuse(Refusal::NotAether).await);
    };
    let Hello { node, addresses, .. } = hello;
    let request = JoinRequest { node, addresses, secret, csr: csr.map(Into::into) };
    match shared.port.handler.admit(request).await {
        Ok(admission) => {
            connection.write(Kind::Admit, hello::encode::<Admission>(&admission)).await
        }
        Err(refusal) => Err(connection.refuse(refusal).await),
    }
}
