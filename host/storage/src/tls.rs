//! What a node proves its identity to others with, as PEM files. Knows no certificates.

use std::{fmt, fs, io, path::Path};

use crate::{
    Error,
    files::{create_directory, failed, write_durably},
};

const FOLDER: &str = "tls";
const CA: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const KEY: &str = "node.key";
/// Written last: with it, everything is there.
const CERTIFICATE: &str = "node.pem";

/// Certificates and keys of a node.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsMaterial {
    /// The cluster's certificate authority.
    pub ca: String,
    pub certificate: String,
    pub key: String,
    /// The authority's key, on the node that founded the cluster.
    pub ca_key: Option<String>,
}

impl TlsMaterial {
    /// None if it was never written to its end.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, Error> {
        let folder = directory.join(FOLDER);
        let Some(certificate) = read(&folder, CERTIFICATE)? else { return Ok(None) };
        let needed = |name: &str| {
            let missing = || Error::Damaged { path: folder.join(name), what: "it is gone".into() };
            read(&folder, name)?.ok_or_else(missing)
        };
        let (ca, key) = (needed(CA)?, needed(KEY)?);
        Ok(Some(Self { ca, certificate, key, ca_key: read(&folder, CA_KEY)? }))
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        let folder = directory.join(FOLDER);
        create_directory(&folder)?;
        write_durably(&folder, CA, self.ca.as_bytes())?;
        if let Some(key) = &self.ca_key {
            write_durably(&folder, CA_KEY, key.as_bytes())?;
        }
        write_durably(&folder, KEY, self.key.as_bytes())?;
        write_durably(&folder, CERTIFICATE, self.certificate.as_bytes())
    }
}

fn read(folder: &Path, name: &str) -> Result<Option<String>, Error> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", &path)(error)),
    }
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsMaterial(..)")
    }
}
