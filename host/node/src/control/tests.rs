//! What the control thread does while its log is with another one.

use super::*;
use aether_kv::{Key, Operation};
use aether_storage::Storage;
use tokio_util::sync::CancellationToken;

const NODE: NodeId = NodeId(1);

#[tokio::test(flavor = "multi_thread")]
async fn time_goes_on_while_a_snapshot_is_written_and_nothing_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let Storage { mut log, .. } = Storage::open(folder.path()).unwrap();
    let restored = found(NODE, &mut log).unwrap();
    let (disk_faults, outlet) = (Arc::default(), Box::new(|_, _| {}));
    let start = Start { node: NODE, run: 1, log, disk_faults, restored, outlet };
    let tasks = Tasks::new(CancellationToken::new());
    let (control, mut control_loop) = open(start, &tasks).unwrap();
    control_loop.execute().unwrap();
    assert_eq!(control.status().borrow().as_ref().unwrap().leader, Some(NODE));

    let bring_back = control_loop.bring_back.clone();
    let Disk::Here(log) = std::mem::replace(&mut control_loop.disk, Disk::Away(vec![])) else {
        panic!("the log is here")
    };
    let thread = tokio::task::spawn_blocking(move || control_loop.run());
    let writer = control.clone();
    let write = tokio::spawn(async move {
        let key = Key::new("test/late").unwrap();
        let put = Operation::Put { key, value: "1".into(), lease: None };
        writer.transact(Transaction { conditions: vec![], operations: vec![put] }).await
    });
    // The write has reached the group, and each tick says how it is.
    let mut status = control.status();
    let proposed =
        |status: &Option<Arc<Status>>| status.as_ref().is_some_and(|s| s.last > s.commit);
    drop(status.wait_for(proposed).await.unwrap());
    for _ in 0..3 {
        status.changed().await.unwrap();
    }
    assert!(!write.is_finished());
    let written = Written { log, steps: vec![], result: Ok(()) };
    bring_back.send(Back::Written(Box::new(written))).unwrap();
    write.await.unwrap().unwrap();
    control.stop();
    thread.await.unwrap().unwrap();
}
