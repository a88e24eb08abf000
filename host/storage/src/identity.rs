//! Who a node is. Knows not how it is drawn.

use std::{fs, io, path::Path};

use aether_types::{ClusterId, NodeId};

use crate::{
    Error,
    files::{failed, write_durably},
};

const NAME: &str = "identity";
const FORMAT: u32 = 1;

/// Drawn when a node starts for the first time; it stays the same for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub node: NodeId,
    pub cluster: ClusterId,
    /// Milliseconds since 1970.
    pub created_ms: u64,
}

impl Identity {
    /// None if the directory is new.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, Error> {
        let path = directory.join(NAME);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    pub(crate) fn write(self, directory: &Path) -> Result<(), Error> {
        if Self::read(directory)?.is_some() {
            return Err(Error::Identified { path: directory.join(NAME) });
        }
        let Self { node, cluster, created_ms } = self;
        let text = format!(
            "format = {FORMAT}\nnode = {node}\ncluster = {cluster}\ncreated-ms = {created_ms}\n"
        );
        write_durably(directory, NAME, text.as_bytes())
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let damaged = |what| Error::Damaged { path: path.to_owned(), what };
        let mut lines = text.lines();
        let mut value = |name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.ok_or_else(|| damaged(format!("{name} is missing")))
        };
        let format = value("format")?;
        if format != FORMAT.to_string() {
            let (path, found) = (path.to_owned(), format.into());
            return Err(Error::Format { path, found, known: FORMAT });
        }
        let (node, cluster, created) = (value("node")?, value("cluster")?, value("created-ms")?);
        match (node.parse(), u128::from_str_radix(cluster, 16), created.parse()) {
            (Ok(node), Ok(cluster), Ok(created_ms)) if node != NodeId(0) => {
                Ok(Self { node, cluster: ClusterId(cluster), created_ms })
            }
            _ => Err(damaged("a number is not one".into())),
        }
    }
}
