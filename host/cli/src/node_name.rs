//! A node as a person names it: by its id, or by as much of its beginning as tables show. Knows no
//! command.

use crate::exit::{Exit, Failure, Result};
use aether_client::Client;
use aether_types::NodeId;
use aether_types::code::Code;
use std::str::FromStr;

/// 1 to 16 hexadecimal digits, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeName(String);

const DIGITS: usize = 16;

impl FromStr for NodeName {
    type Err = &'static str;
    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let fits = (1..=DIGITS).contains(&text.len());
        match fits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err("a node's id is 16 hexadecimal digits; as many as name no other will do"),
        }
    }
}

impl NodeName {
    /// The one node that is meant. A whole id may be that of a node which is gone.
    pub(crate) async fn resolve(&self, client: &Client) -> Result<NodeId> {
        let Self(name) = self;
        let id = if name.len() == DIGITS {
            name.clone()
        } else {
            let nodes = client.nodes().await?.nodes.into_iter().map(|node| node.id);
            self.pick(nodes.collect())?
        };
        Ok(id.parse().expect("ids are hexadecimal"))
    }

    fn pick(&self, ids: Vec<String>) -> Result<String> {
        let Self(name) = self;
        let mut meant = ids.iter().filter(|id| id.starts_with(name.as_str()));
        match (meant.next(), meant.next()) {
            (Some(id), None) => Ok(id.clone()),
            (Some(one), Some(other)) => {
                let message = format!("{name} may be node {one} or {other}");
                Err(Failure::invalid(message).help("give more digits"))
            }
            (None, _) => {
                let message = format!("there is no node whose id begins with {name}");
                let failure = Failure::expected(Exit::NotFound, message).coded(Code::UnknownNode);
                Err(failure.help(format!("there are: {}", ids.join(", "))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_that_two_nodes_have_names_neither() {
        let check = |name: &str, expected: std::result::Result<&str, Exit>| {
            let ids = ["95e5ce02a3ab45a0", "95f0000000000001", "0000000000000003"];
            let name: NodeName = name.parse().unwrap();
            let found = name.pick(ids.map(str::to_owned).to_vec()).map_err(|error| error.exit());
            assert_eq!(found, expected.map(str::to_owned), "{name:?}");
        };
        check("95e5ce02", Ok("95e5ce02a3ab45a0"));
        check("95E", Ok("95e5ce02a3ab45a0"));
        check("0", Ok("0000000000000003"));
        check("95", Err(Exit::Invalid));
        // Not the number 3.
        check("3", Err(Exit::NotFound));
        for wrong in ["", "xyz", "95e5ce02a3ab45a00"] {
            assert!(wrong.parse::<NodeName>().is_err(), "{wrong}");
        }
    }
}
