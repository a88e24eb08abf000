//! Artifacts: the bytes that were put, or an error.

use std::fs;

use aether_types::ErrorKind;

use super::{killed, open};
use crate::Artifacts;

#[test]
fn bytes_come_back_under_their_digest_after_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let storage = open(home.path());
    let digest = storage.artifacts.put(b"component").unwrap();
    assert_eq!(digest, Artifacts::digest(b"component"));
    assert_eq!(storage.artifacts.put(b"component").unwrap(), digest, "again");
    let other = storage.artifacts.put(b"").unwrap();

    let copy = killed(home.path());
    let artifacts = open(copy.path()).artifacts;
    assert_eq!(artifacts.get(&digest).unwrap(), b"component");
    let mut expected = [digest, other];
    expected.sort();
    assert_eq!(artifacts.list().unwrap(), expected);
}

#[test]
fn a_damaged_artifact_is_told_and_mended() {
    let home = tempfile::tempdir().unwrap();
    let artifacts = open(home.path()).artifacts;
    let digest = artifacts.put(b"component").unwrap();
    fs::write(home.path().join("artifacts").join(digest.to_string()), b"komponent").unwrap();
    let error = artifacts.get(&digest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.to_string().contains(&digest.to_string()), "{error}");
    artifacts.put(b"component").unwrap();
    assert_eq!(artifacts.get(&digest).unwrap(), b"component");
}

#[test]
fn a_removed_artifact_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let artifacts = open(home.path()).artifacts;
    let digest = artifacts.put(b"component").unwrap();
    assert!(artifacts.contains(&digest));
    artifacts.remove(&digest).unwrap();
    artifacts.remove(&digest).unwrap();
    assert!(!artifacts.contains(&digest));
    assert_eq!(artifacts.get(&digest).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(artifacts.list().unwrap(), []);
}
