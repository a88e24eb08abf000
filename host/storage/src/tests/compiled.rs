//! Compiled code: the oldest use goes first.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use super::open;
use crate::Evicted;

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let home = tempfile::tempdir().unwrap();
    let compiled = open(home.path()).compiled;
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    for (name, bytes, used) in [("a", 10, 1), ("b", 20, 2), ("c", 30, 3)] {
        fs::write(compiled.path().join(name), vec![0; bytes]).unwrap();
        compiled.touch(name, at(used)).unwrap();
    }
    compiled.touch("a", at(9)).unwrap();
    let nothing = Evicted { files: 0, bytes: 0, bytes_left: 60 };
    assert_eq!(compiled.evict(60).unwrap(), nothing);
    assert_eq!(compiled.evict(45).unwrap(), Evicted { files: 1, bytes: 20, bytes_left: 40 });
    assert!(!compiled.path().join("b").exists());
    assert_eq!(compiled.evict(39).unwrap(), Evicted { files: 1, bytes: 30, bytes_left: 10 });
    assert!(compiled.path().join("a").exists());
}
