//! What the control thread does while its log is with another one.

use super::*;
use aether_consensus::{Body, Membership, Position, Snapshot};
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

#[tokio::test(flavor = "multi_thread")]
async fn who_sees_a_restored_state_sees_its_members() {
    let folder = tempfile::tempdir().unwrap();
    let Storage { log, .. } = Storage::open(folder.path()).unwrap();
    let (disk_faults, outlet) = (Arc::default(), Box::new(|_, _| {}));
    let start =
        Start { node: NODE, run: 1, log, disk_faults, restored: Restored::default(), outlet };
    let tasks = Tasks::new(CancellationToken::new());
    let (control, mut control_loop) = open(start, &tasks).unwrap();
    control_loop.execute().unwrap();
    let membership =
        |control: &Control| control.status().borrow().clone().unwrap().membership.clone();
    assert_eq!(membership(&control), Membership::default());

    let members = Membership { learners: [NODE].into(), ..Membership::of_voters([NodeId(2)]) };
    let restored = Snapshot {
        position: Position { index: LogIndex(50), term: Term(5) },
        membership: members.clone(),
        data: State::new().encode().into(),
    };
    control_loop.on_event(Event::Message(Message::Raft(aether_consensus::Message {
        group: CONTROL_GROUP,
        from: NodeId(2),
        to: NODE,
        term: Term(5),
        body: Body::Snapshot(restored),
    })));
    control_loop.execute().unwrap();
    assert_eq!(membership(&control), members);
}
