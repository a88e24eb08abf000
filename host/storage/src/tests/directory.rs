//! The data directory: one user, one format, one identity.

use std::{fs, io, path::Path, process};

use aether_types::{ClusterId, ErrorKind, NodeId};
use expect_test::{Expect, expect};

use super::{killed, open};
use crate::{Certificates, Error, Identity, Storage, TlsMaterial};

const IDENTITY: Identity =
    Identity { node: NodeId(0xabc), cluster: ClusterId(0xdef), created_ms: 1_700_000_000_000 };

fn refused(path: &Path, kind: ErrorKind, expected: Expect) {
    let error = Storage::open(path).expect_err("refused");
    assert_eq!(error.kind(), kind, "{error:?}");
    let pid = process::id().to_string();
    let text = error.to_string().replace(&*path.to_string_lossy(), "DIR").replace(&pid, "PID");
    expected.assert_eq(&text);
}

#[test]
fn a_new_directory_is_made_with_those_above_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("var/lib/aether");
    let storage = open(&path);
    assert_eq!(storage.identity, None);
    let mut names: Vec<_> =
        fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["FORMAT", "artifacts", "compiled", "lock", "raft"]);
}

#[test]
fn the_identity_is_written_once() {
    let home = tempfile::tempdir().unwrap();
    let mut storage = open(home.path());
    storage.identify(IDENTITY).unwrap();
    assert_eq!(storage.identity, Some(IDENTITY));
    let again = storage.identify(Identity { node: NodeId(1), ..IDENTITY }).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    assert_eq!(open(killed(home.path()).path()).identity, Some(IDENTITY));
    expect![[r#"
        format = 1
        node = 0000000000000abc
        cluster = 00000000000000000000000000000def
        created-ms = 1700000000000
    "#]]
    .assert_eq(&fs::read_to_string(home.path().join("identity")).unwrap());
}

#[test]
fn a_second_user_is_refused_until_the_last_part_is_dropped() {
    let home = tempfile::tempdir().unwrap();
    let storage = open(home.path());
    refused(home.path(), ErrorKind::Unavailable, expect!["use DIR: process PID uses it"]);
    let Storage { log, artifacts, compiled, .. } = storage;
    drop((log, compiled));
    refused(home.path(), ErrorKind::Unavailable, expect!["use DIR: process PID uses it"]);
    drop(artifacts);
    open(home.path());
}

#[test]
fn what_is_not_ours_is_refused() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("thesis.tex"), "important").unwrap();
    refused(
        home.path(),
        ErrorKind::Invalid,
        expect!["use DIR: it has files, but is not a data directory"],
    );
    assert!(home.path().join("thesis.tex").exists());
}

#[test]
fn another_format_is_refused() {
    let home = tempfile::tempdir().unwrap();
    drop(open(home.path()));
    fs::write(home.path().join("FORMAT"), "9\n").unwrap();
    refused(
        home.path(),
        ErrorKind::Invalid,
        expect![[r#"read DIR/FORMAT: it has format "9", this version reads 2"#]],
    );
}

#[test]
fn a_damaged_identity_is_refused() {
    let home = tempfile::tempdir().unwrap();
    open(home.path()).identify(IDENTITY).unwrap();
    let check = |text: &str, kind: ErrorKind, expected: Expect| {
        fs::write(home.path().join("identity"), text).unwrap();
        refused(home.path(), kind, expected);
    };
    check("", ErrorKind::Internal, expect!["read DIR/identity: it is damaged, format is missing"]);
    check(
        "format = 2\n",
        ErrorKind::Invalid,
        expect!["read DIR/identity: it has format 2, this version reads 1"],
    );
    check(
        "format = 1\nnode = 1\n",
        ErrorKind::Internal,
        expect!["read DIR/identity: it is damaged, cluster is missing"],
    );
    let zero = "format = 1\nnode = 0\ncluster = 1\ncreated-ms = 1\n";
    check(
        zero,
        ErrorKind::Internal,
        expect!["read DIR/identity: it is damaged, a number is not one"],
    );
}

#[test]
fn what_a_crash_left_unfinished_is_removed() {
    let home = tempfile::tempdir().unwrap();
    drop(open(home.path()));
    let unfinished =
        ["", "artifacts/"].map(|part| home.path().join(format!("{part}.unfinished-1-1")));
    unfinished.iter().for_each(|path| fs::write(path, "half").unwrap());
    open(home.path());
    assert!(unfinished.iter().all(|path| !path.exists()));
}

#[test]
fn errors_say_what_to_do() {
    let check = |kind: io::ErrorKind, expected: ErrorKind| {
        let error = Error::Io { action: "write", path: "x".into(), source: kind.into() };
        assert_eq!(error.kind(), expected);
    };
    check(io::ErrorKind::StorageFull, ErrorKind::Exhausted);
    check(io::ErrorKind::QuotaExceeded, ErrorKind::Exhausted);
    check(io::ErrorKind::PermissionDenied, ErrorKind::Unavailable);
    check(io::ErrorKind::ReadOnlyFilesystem, ErrorKind::Unavailable);
    check(io::ErrorKind::InvalidData, ErrorKind::Internal);
    let nowhere = Storage::open(Path::new("/proc/1/aether")).expect_err("no place for files");
    assert!(nowhere.to_string().starts_with("create /proc/1/aether"), "{nowhere}");
}

#[test]
fn nobody_else_can_read_what_a_node_keeps() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut storage = Storage::open(&data).unwrap();
    assert_eq!(storage.certificates().unwrap(), None);
    let material = Certificates::Own(TlsMaterial {
        ca: "authority".into(),
        certificate: "certificate".into(),
        key: "key".into(),
        ca_key: Some("secret".into()),
    });
    storage.set_certificates(&material).unwrap();
    drop(storage);
    assert_eq!(Storage::open(&data).unwrap().certificates().unwrap(), Some(material));
    let mode = |name: &str| fs::metadata(data.join(name)).unwrap().permissions().mode();
    let modes = ["", "tls", "tls/node.key", "tls/ca.key"].map(|name| mode(name) & 0o777);
    assert_eq!(modes, [0o700, 0o700, 0o600, 0o600]);
}

#[test]
fn material_that_was_not_written_to_its_end_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    fs::create_dir(folder.path().join("tls")).unwrap();
    fs::write(folder.path().join("tls/node.key"), "key").unwrap();
    assert_eq!(storage.certificates().unwrap(), None);
}

#[test]
fn each_start_counts_and_a_copy_does_not_know_of_later_ones() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(open(home.path()).count_start().unwrap(), 1);
    let copy = killed(home.path());
    assert_eq!(open(home.path()).count_start().unwrap(), 2);
    assert_eq!(open(killed(home.path()).path()).count_start().unwrap(), 3);
    assert_eq!(open(copy.path()).count_start().unwrap(), 2);
    let starts = home.path().join("starts");
    expect![[r#"
        format = 1
        starts = 2
    "#]]
    .assert_eq(&fs::read_to_string(&starts).unwrap());
    for (text, kind) in [
        ("format = 2\n", ErrorKind::Invalid),
        ("format = 1\nstarts = many\n", ErrorKind::Internal),
        ("", ErrorKind::Internal),
    ] {
        fs::write(&starts, text).unwrap();
        assert_eq!(open(home.path()).count_start().unwrap_err().kind(), kind, "{text:?}");
    }
}

#[test]
fn certificates_that_are_elsewhere_stay_there() {
    for founder in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let mut storage = open(home.path());
        let elsewhere = Certificates::Elsewhere { founder };
        storage.set_certificates(&elsewhere).unwrap();
        drop(storage);
        assert_eq!(open(home.path()).certificates().unwrap(), Some(elsewhere));
    }
}
