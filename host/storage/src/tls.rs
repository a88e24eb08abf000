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
/// Says that certificates are not here, and whether the node founded its cluster.
const ELSEWHERE: &str = "elsewhere";
const FOUNDER: &str = "founder\n";
const MEMBER: &str = "member\n";

/// What a node proves its identity with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificates {
    /// Of the cluster's own authority.
    Own(TlsMaterial),
    /// Files that are given to the node each time it starts.
    Elsewhere { founder: bool },
}

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

impl Certificates {
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, Error> {
        match read(&directory.join(FOLDER), ELSEWHERE)? {
            Some(text) => Ok(Some(Self::Elsewhere { founder: text == FOUNDER })),
            None => Ok(TlsMaterial::read(directory)?.map(Self::Own)),
        }
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        let text = match self {
            Self::Own(material) => return material.write(directory),
            Self::Elsewhere { founder: true } => FOUNDER,
            Self::Elsewhere { founder: false } => MEMBER,
        };
        let folder = directory.join(FOLDER);
        create_directory(&folder)?;
        write_durably(&folder, ELSEWHERE, text.as_bytes())
    }
}

impl TlsMaterial {
    /// None if it was never written to its end.
    fn read(directory: &Path) -> Result<Option<Self>, Error> {
        let folder = directory.join(FOLDER);
        let Some(certificate) = read(&folder, CERTIFICATE)? else { return Ok(None) };
        let needed = |name: &str| {
            let missing = || Error::Damaged { path: folder.join(name), what: "it is gone".into() };
            read(&folder, name)?.ok_or_else(missing)
        };
        let (ca, key) = (needed(CA)?, needed(KEY)?);
        Ok(Some(Self { ca, certificate, key, ca_key: read(&folder, CA_KEY)? }))
    }

    fn write(&self, directory: &Path) -> Result<(), Error> {
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
