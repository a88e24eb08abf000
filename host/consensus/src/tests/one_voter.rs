//! A group of one: the same path as a cluster, without anybody to wait for.

use aether_types::LogIndex;
use bytes::Bytes;
use expect_test::expect;

use super::net::{CHANGES, Net, id, write};
use crate::*;

#[test]
fn it_leads_at_once_and_answers_after_the_disk() {
    let restored = Restored::founding([id(1)], Bytes::new());
    let mut disk = Restored::default();
    write(&mut disk, restored.to_persist(GroupId(0)));
    assert_eq!(disk, restored);
    let mut group = Group::new(Config::new(GroupId(0), id(1), 1), restored).unwrap();

    let effects = group.advance();
    expect![[r#"
        Restore Position { index: LogIndex(1), term: Term(1) }
        LeaderChanged { leader: Some(NodeId(1)), role: Leader, term: Term(2) }
        Persist 1 term 2 vote Some(1) commit 1 retain 2..2 entries [2]"#]]
    .assert_eq(&show(&effects));
    group.propose(ProposalId(7), Some(Term(2)), Bytes::from_static(b"seven")).unwrap();
    group.read_index(ReadId(1)).unwrap();
    expect!["Persist 2 term 2 vote Some(1) commit 1 retain 2..3 entries [3]"]
        .assert_eq(&show(&group.advance()));
    group.on_persisted(PersistNumber(1));
    expect![[r#"
        Leading { term: Term(2) }
        ReadReady { id: ReadId(1) }"#]]
    .assert_eq(&show(&group.advance()));
    group.on_persisted(PersistNumber(2));
    expect!["Apply 3 ProposalId(7)"].assert_eq(&show(&group.advance()));
    assert_eq!(group.advance(), []);
    group.check();
}

fn show(effects: &[Effect]) -> String {
    let lines = effects.iter().map(|effect| match effect {
        Effect::Persist(p) => {
            let entries: Vec<_> = p.entries.iter().map(|e| e.position.index.0).collect();
            let HardState { term, vote, commit } = p.hard_state;
            let (number, term, vote) = (p.number.0, term.0, vote.map(|node| node.0));
            let state = format!("term {term} vote {vote:?} commit {commit}");
            let (start, end) = (p.retain.start, p.retain.end);
            format!("Persist {number} {state} retain {start}..{end} entries {entries:?}")
        }
        Effect::Restore(snapshot) => format!("Restore {:?}", snapshot.position),
        Effect::Apply(command) => format!("Apply {} {:?}", command.index, command.id),
        other => format!("{other:?}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn it_remembers_everything_acknowledged_after_a_power_cut() {
    let mut net = Net::new(3, 1, 0);
    for round in 0..7 {
        for _ in 0..10 {
            net.propose(1).unwrap();
        }
        let before = net.nodes[&id(1)].machine.clone();
        assert_eq!(before.len(), 10 * (round + 1));
        assert_eq!(net.acknowledged.len(), before.len());
        net.crash(1);
        net.start(1);
        assert_eq!(net.nodes[&id(1)].machine, before, "round {round}");
    }
    let Status { snapshot, last, .. } = net.status(1);
    assert!(snapshot.index > LogIndex(50) && last.0 - snapshot.index.0 < 25, "{snapshot:?} {last}");
    assert!(net.nodes[&id(1)].disk.entries.len() < 35);
}

#[test]
fn what_the_disk_did_not_finish_was_not_acknowledged() {
    let mut net = Net::new(3, 1, 0);
    net.propose(1).unwrap();
    net.faults.slow_disk = 100;
    net.propose(1).unwrap();
    net.ticks(5);
    assert_eq!(net.acknowledged.len(), 1);
    net.crash(1);
    net.faults.slow_disk = 0;
    net.start(1);
    assert_eq!(net.nodes[&id(1)].machine.len(), 1);
}

#[test]
fn the_only_voter_says_nothing_in_a_term_that_its_disk_does_not_have() {
    let mut net = Net::new(6, 1, 1);
    let add = MembershipChange(vec![Change::Learner(id(2))]);
    net.with(1, |group| group.propose_membership(CHANGES, add)).unwrap();
    net.ticks(10);
    let known = net.status(2).term;
    net.crash(1);
    net.faults.slow_disk = 100;
    net.start(1);
    net.ticks(5);
    assert!(net.status(1).term > known);
    assert_eq!(net.status(2).term, known);
    net.faults.slow_disk = 0;
    net.ticks(5);
    assert_eq!(net.status(2).term, net.status(1).term);
}
