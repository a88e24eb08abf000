//! `aether node list`, `token`, `drain`, `activate`, `remove`: who is in the cluster. Knows no
//! consensus.

use crate::args::NodeCommand;
use crate::exit::Result;
use crate::ui::{Cell, Table, Tone, Ui, cell, toned};
use aether_api::{NodeState, NodeStatus, RaftRole, TokenRequest};
use aether_client::Client;

pub(super) async fn run(client: &Client, command: NodeCommand, ui: &mut Ui) -> Result {
    match command {
        NodeCommand::List(_) => {
            let nodes = client.nodes().await?;
            ui.data(&nodes, |ui| {
                let headings = ["NODE", "STATE", "ROLE", "INSTANCES", "CLUSTER", "HTTP", "WHY NOT"];
                let mut table = Table::new(&headings);
                nodes.nodes.iter().for_each(|node| table.row(row(node)));
                ui.table(table)
            })
        }
        NodeCommand::Token { ttl, .. } => {
            let created = client.create_token(&TokenRequest { ttl }).await?;
            let join = &created.join;
            ui.step("Created", format!("a token that is good until {}", created.expires))?;
            ui.note(format!("aether node --join {join} --token TOKEN --data DIR"))?;
            ui.data(&created, |ui| ui.line(&created.token))
        }
        NodeCommand::Drain { node, .. } => {
            let node = node.resolve(client).await?;
            client.drain_node(node).await?;
            ui.step("Draining", format!("node {node}: `aether node list` shows when it is done"))?;
            ui.data(&serde_json::json!({ "draining": node.to_string() }), |_| Ok(()))
        }
        NodeCommand::Activate { node, .. } => {
            let node = node.resolve(client).await?;
            client.activate_node(node).await?;
            ui.step("Activated", format!("node {node}"))?;
            ui.data(&serde_json::json!({ "activated": node.to_string() }), |_| Ok(()))
        }
        NodeCommand::Remove { node, .. } => {
            let node = node.resolve(client).await?;
            client.remove_node(node).await?;
            ui.step("Removed", format!("node {node}"))?;
            ui.data(&serde_json::json!({ "removed": node.to_string() }), |_| Ok(()))
        }
    }
}

fn row(node: &NodeStatus) -> Vec<Cell> {
    let (state, tone) = match node.state {
        _ if !node.reachable => ("UNREACHABLE", Tone::Bad),
        NodeState::OnDuty => ("ON_DUTY", Tone::Good),
        NodeState::Joining => ("JOINING", Tone::Busy),
        NodeState::Draining => ("DRAINING", Tone::Busy),
        NodeState::Decommissioned => ("DECOMMISSIONED", Tone::Busy),
        NodeState::ShuttingDown => ("SHUTTING_DOWN", Tone::Busy),
    };
    let role = match node.role {
        Some(RaftRole::Leader) => "leader",
        Some(RaftRole::Follower | RaftRole::Candidate) => "voter",
        Some(RaftRole::Learner) => "learner",
        None => "-",
    };
    vec![
        cell(&node.id),
        toned(state, tone),
        cell(role),
        // What it said last is not what is there.
        if node.reachable { cell(node.active_instances) } else { cell("-") },
        cell(&node.cluster),
        cell(&node.http),
        cell(node.reason.as_deref().unwrap_or_default()),
    ]
}
