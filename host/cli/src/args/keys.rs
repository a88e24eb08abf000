//! The flags of keys. Knows nothing of the rest.

use super::Remote;
use aether_api::Role;
use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// List the keys, without their secrets
    List(Remote),
    /// Create a key and print its secret, once
    Create {
        /// Who will hold it
        name: String,
        #[arg(long, value_enum)]
        role: RoleArg,
        #[command(flatten)]
        remote: Remote,
    },
    /// Make a key worthless
    Delete {
        /// As `keys list` shows it
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Reads
    Viewer,
    /// Deploys, calls, undeploys and writes to the store
    Operator,
    /// Manages keys
    Admin,
}

impl KeysCommand {
    pub(crate) fn remote(&self) -> &Remote {
        match self {
            Self::List(remote) | Self::Create { remote, .. } | Self::Delete { remote, .. } => {
                remote
            }
        }
    }
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Viewer => Self::Viewer,
            RoleArg::Operator => Self::Operator,
            RoleArg::Admin => Self::Admin,
        }
    }
}
