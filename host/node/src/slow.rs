//! Calls that took too long: what this node has noted, and what the others have, asked for over
//! their links. Knows no threshold.

use crate::counts::Counting;
use crate::logs::ANSWER_TIME;
use crate::network::{Kind, Network};
use aether_api::{LogSilence, SlowCall, SlowQuery, rfc3339};
use aether_telemetry as telemetry;
use aether_transport::{Request, Response};
use aether_types::counts::Caller;
use aether_types::versioned::{Versioned, decode, encode};
use aether_types::{AppName, FunctionName, NodeId};
use futures_util::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// This node's slow calls, and those of the others.
#[derive(Clone)]
pub(crate) struct AllSlow {
    pub(crate) node: NodeId,
    pub(crate) own: Counting,
    pub(crate) network: Network,
}

/// What a node asks another one.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ask {
    app: Option<AppName>,
    slice: Option<String>,
    function: Option<FunctionName>,
    limit: u32,
}

/// What one node has noted, the newest first.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    calls: Vec<SlowCall>,
}

impl Versioned for Ask {
    const FORMAT: u8 = 1;
}

impl Versioned for Part {
    const FORMAT: u8 = 1;
}

impl AllSlow {
    /// The newest of these nodes, and who did not answer.
    pub(crate) async fn newest(
        &self,
        query: SlowQuery,
        nodes: &[NodeId],
    ) -> (Vec<SlowCall>, Vec<LogSilence>) {
        let aether_api::CallQuery { app, slice, function } = query.calls;
        let limit = u32::try_from(query.limit).unwrap_or(u32::MAX);
        let ask = Ask { app, slice, function, limit };
        let parts = join_all(nodes.iter().map(|node| self.part(*node, ask.clone()))).await;
        let (mut calls, mut silent) = (Vec::new(), Vec::new());
        for (node, part) in nodes.iter().zip(parts) {
            match part {
                Ok(part) => calls.extend(part.calls),
                Err(reason) => silent.push(LogSilence { node: node.to_string(), reason }),
            }
        }
        calls.sort_by(|a, b| b.at.cmp(&a.at));
        calls.truncate(query.limit);
        (calls, silent)
    }

    /// Another node asks for what is here.
    pub(crate) fn answer(&self, request: &Request) -> BoxFuture<'static, Response> {
        let response = match decode::<Ask>(&request.body) {
            Ok(ask) => Response { status: 0, body: encode(&self.own_part(ask)).into() },
            Err(error) => Response { status: 1, body: error.to_string().into() },
        };
        Box::pin(std::future::ready(response))
    }

    async fn part(&self, node: NodeId, ask: Ask) -> Result<Part, String> {
        if node == self.node {
            return Ok(self.own_part(ask));
        }
        let (kind, deadline) = (Kind::SlowCalls as u32, Instant::now() + ANSWER_TIME);
        self.network.ask(node, Request { kind, deadline, body: encode(&ask).into() }).await
    }

    /// At most as many as are kept: half a megabyte.
    fn own_part(&self, ask: Ask) -> Part {
        let Ask { app, slice, function, limit } = ask;
        let query = aether_api::CallQuery { app, slice, function };
        let calls = self
            .own
            .slow(limit as usize, |call| query.means(&call.app, &call.slice, &call.function));
        Part { calls: calls.into_iter().map(|call| self.shown(call)).collect() }
    }

    fn shown(&self, call: telemetry::SlowCall) -> SlowCall {
        SlowCall {
            at: rfc3339(call.at_unix_ms),
            node: self.node.to_string(),
            app: call.app,
            slice: call.slice.to_string(),
            version: call.version.0,
            function: call.function.to_string(),
            caller: match call.caller {
                Caller::Outside => None,
                Caller::Slice(slice) => Some(slice.to_string()),
                Caller::Others => Some("others".to_owned()),
            },
            request_id: call.request_id.to_string(),
            took_us: u64::try_from(call.took.as_micros()).unwrap_or(u64::MAX),
            ending: call.ending.word().to_owned(),
        }
    }
}
