//! The flags of the small replicated store. Knows nothing of what they do.

use super::Remote;
use aether_api::StoreKey;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum KvCommand {
    /// Write an entry and print its revision
    Put {
        /// Segments with / between them, at most 256 bytes
        #[arg(id = "entry", value_name = "KEY")]
        key: StoreKey,
        /// At most 64 KiB
        #[arg(required_unless_present = "file")]
        value: Option<String>,
        /// Take the value from a file; -: from the input
        #[arg(long, value_name = "PATH", conflicts_with = "value")]
        file: Option<PathBuf>,
        /// Only if this is still the entry's revision
        #[arg(long, value_name = "N")]
        if_revision: Option<u64>,
        /// Only if there is no such entry
        #[arg(long, conflicts_with = "if_revision")]
        if_absent: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Print the value of an entry, as it is
    Get {
        #[arg(id = "entry", value_name = "KEY")]
        key: StoreKey,
        /// What the node that answers has, which may be behind
        #[arg(long)]
        stale: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Delete an entry
    Delete {
        #[arg(id = "entry", value_name = "KEY")]
        key: StoreKey,
        /// Only if this is still the entry's revision
        #[arg(long, value_name = "N")]
        if_revision: Option<u64>,
        #[command(flatten)]
        remote: Remote,
    },
    /// List entries
    List {
        /// Those whose keys start with it
        #[arg(default_value = "")]
        prefix: String,
        /// What the node that answers has, which may be behind
        #[arg(long)]
        stale: bool,
        #[command(flatten)]
        remote: Remote,
    },
}

impl KvCommand {
    pub(crate) fn remote(&self) -> &Remote {
        match self {
            Self::Put { remote, .. }
            | Self::Get { remote, .. }
            | Self::Delete { remote, .. }
            | Self::List { remote, .. } => remote,
        }
    }
}
