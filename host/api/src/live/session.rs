//! One client of the feed, from its key to its end. Queues nothing: who is slow gets less often
//! what has changed, and a new picture in the end.

use super::history::{Next, Place};
use super::{FRESH, Feed};
use crate::auth::Principal;
use crate::error::ApiError;
use crate::model::LiveViewer;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use warp::ws::{Message, WebSocket};

/// Time in which a client has to show its key.
const HELLO_TIME: Duration = Duration::from_secs(5);
/// Time in which it has to take a message.
const SEND_TIME: Duration = Duration::from_secs(10);
/// A client hears at least so often that the node is there.
const BEAT: Duration = Duration::from_secs(1);

/// What a client says, once.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "type")]
enum Hello {
    Hello {
        key: String,
        /// Where it was before its socket broke.
        #[serde(default)]
        place: Option<Place>,
    },
}

/// Why a session ends: the code and words of the close frame.
struct End(u16, &'static str);

const GONE: End = End(1000, "");
const STOPPING: End = End(1001, "the node stops");
const BUSY: End = End(1013, "too many look at the same time");
const NOT_YET: End = End(1013, "the node is starting");
const NO_HELLO: End = End(4400, "the first message is {\"type\":\"hello\",\"key\":KEY}");
const UNKNOWN_KEY: End = End(4401, "the cluster does not know this key");

pub(super) async fn run(feed: Arc<Feed>, mut socket: WebSocket, waiting: OwnedSemaphorePermit) {
    let mut closing = feed.closing.clone();
    let end = tokio::select! {
        end = talk(&feed, &mut socket, waiting) => end,
        // Nothing is ever sent: it is closed with the server.
        _ = closing.changed() => STOPPING,
    };
    if end.0 != GONE.0 {
        // Who does not take it is gone anyway.
        let _ = timeout(SEND_TIME, socket.send(Message::close_with(end.0, end.1))).await;
    }
    let _ = timeout(SEND_TIME, socket.close()).await;
}

async fn talk(feed: &Feed, socket: &mut WebSocket, waiting: OwnedSemaphorePermit) -> End {
    let Some((key, place)) = timeout(HELLO_TIME, hello(socket)).await.ok().flatten() else {
        return NO_HELLO;
    };
    let Some(viewer) = feed.node.authenticate(&key) else { return UNKNOWN_KEY };
    let Ok(_client) = feed.clients.clone().try_acquire_owned() else { return BUSY };
    drop(waiting);
    match watch(feed, socket, Client { key, viewer, place }).await {
        Ok(never) => match never {},
        Err(end) => end,
    }
}

/// The key and the place that a client names in its first message.
async fn hello(socket: &mut WebSocket) -> Option<(String, Option<Place>)> {
    loop {
        let message = socket.next().await?.ok()?;
        if message.is_ping() || message.is_pong() {
            continue;
        }
        let Hello::Hello { key, place } = serde_json::from_str(message.to_str().ok()?).ok()?;
        return Some((key, place));
    }
}

struct Client {
    key: String,
    viewer: Principal,
    place: Option<Place>,
}

/// Tells the client what changes until one of the two ends it.
async fn watch(
    feed: &Feed,
    socket: &mut WebSocket,
    client: Client,
) -> Result<std::convert::Infallible, End> {
    let Client { key, viewer, mut place } = client;
    let welcome = json!({ "type": "welcome", "viewer": LiveViewer::from(&viewer) });
    send(socket, &welcome.to_string()).await?;
    let mut spoke = Instant::now();
    let mut every = tokio::time::interval(FRESH / 2);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            message = socket.next() => match message {
                Some(Ok(message)) if message.is_ping() || message.is_pong() => continue,
                // It has nothing more to say; what is no closing is no business of ours either.
                _ => return Err(GONE),
            },
        }
        // A key can be deleted, or given another role.
        if feed.node.authenticate(&key).as_ref() != Some(&viewer) {
            return Err(UNKNOWN_KEY);
        }
        feed.refresh().await.map_err(|error| not_shown(&error))?;
        let texts = match feed.since(place.as_ref()) {
            Next::Nothing => return Err(NOT_YET),
            Next::Snapshot(now, text) => {
                place = Some(now);
                vec![text]
            }
            Next::Deltas(now, texts) => {
                place = Some(now);
                texts
            }
        };
        for text in &texts {
            send(socket, text).await?;
            spoke = Instant::now();
        }
        if spoke.elapsed() >= BEAT {
            send(socket, r#"{"type":"beat"}"#).await?;
            spoke = Instant::now();
        }
    }
}

fn not_shown(error: &ApiError) -> End {
    tracing::debug!(%error, "no live picture");
    NOT_YET
}

async fn send(socket: &mut WebSocket, text: &str) -> Result<(), End> {
    match timeout(SEND_TIME, socket.send(Message::text(text))).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(GONE),
    }
}
