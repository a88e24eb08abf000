//! The language of the tests: one command per line, parts of a transaction with `;` between.

use std::{format, string::String, vec::Vec};

use aether_types::{LogIndex, Revision};
use bytes::Bytes;
use expect_test::Expect;

use crate::*;

pub(super) fn check(script: &str, expected: Expect) {
    let mut run = Run { state: State::new(), watches: Vec::new(), transcript: String::new() };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let said = run.line(line);
        run.transcript += &format!("> {line}\n{said}");
        run.state.check();
    }
    expected.assert_eq(&run.transcript);
}

struct Run {
    state: State,
    watches: Vec<Watch>,
    transcript: String,
}

impl Run {
    fn line(&mut self, line: &str) -> String {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["show"] => self.show(),
            ["get", prefix] => show_entries(self.state.range(prefix)),
            ["restart"] => {
                self.state = State::decode(&self.state.encode()).unwrap();
                String::new()
            }
            ["watch", prefix, "from", from] => {
                match self.state.watch(prefix, Revision(number(from))) {
                    Ok(watch) => self.watches.push(watch),
                    Err(error) => return format!("  {error}\n"),
                }
                String::new()
            }
            ["poll"] => {
                let polled = self.watches.iter_mut().map(|watch| match watch.poll(&self.state) {
                    Ok(events) => show_events(&events.cloned().collect::<Vec<_>>()),
                    Err(error) => format!("  {error}\n"),
                });
                polled.collect::<Vec<_>>().join("  --\n")
            }
            _ => self.apply(&command(line)),
        }
    }

    fn apply(&mut self, command: &Command) -> String {
        let before = self.state.clone();
        let index = LogIndex(self.state.applied().0 + 1);
        let applied = self.state.apply(index, command);
        match applied.result {
            Ok(done) => format!("  {done:?}\n{}", show_events(&applied.events)),
            Err(refused) => {
                let range = |state: &State| show_entries(state.range(""));
                assert_eq!(range(&before), range(&self.state), "refused, yet changed");
                let kind = refused.kind();
                match &refused {
                    Refused::Conflict { current, .. } => {
                        format!("  {kind}: {refused}\n{}", show_current(current))
                    }
                    _ => format!("  {kind}: {refused}\n"),
                }
            }
        }
    }

    fn show(&self) -> String {
        let leases = self.state.leases.iter().map(|(id, lease)| {
            format!("  lease {} until {} {:?}\n", id.0, lease.expires.0, lease.keys)
        });
        let leases: String = leases.collect();
        let revision = self.state.revision();
        format!("  revision {revision}\n{}{leases}", show_entries(self.state.range("")))
    }
}

pub(super) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not a number"))
}

fn command(line: &str) -> Command {
    let words: Vec<_> = line.split_whitespace().collect();
    let lease = |text| LeaseId(number(text));
    let time = |text| LeaseTime(number(text));
    match words[..] {
        ["grant", id, "ttl", ttl, "at", now] => Command::LeaseGrant(LeaseGrant {
            lease: lease(id),
            ttl: LeaseTtl::from_ms(number(ttl)).unwrap(),
            now: time(now),
        }),
        ["alive", id, "at", now] => {
            Command::LeaseKeepAlive(LeaseKeepAlive { lease: lease(id), now: time(now) })
        }
        ["revoke", id] => Command::LeaseRevoke(LeaseRevoke { lease: lease(id) }),
        ["expire", "at", now] => Command::LeaseExpire(LeaseExpire { now: time(now) }),
        ["compact", first] => Command::Compact(Compact { first: Revision(number(first)) }),
        _ => Command::Transaction(transaction(line).try_into().unwrap()),
    }
}

fn transaction(line: &str) -> Transaction {
    let mut transaction = Transaction::default();
    for part in line.split(';') {
        let words: Vec<_> = part.split_whitespace().collect();
        let value = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let condition = match words[..] {
            ["absent", k] => Condition::Absent { key: key(k) },
            ["present", k] => Condition::Present { key: key(k) },
            ["modified", k, at] => {
                Condition::ModifiedAt { key: key(k), revision: Revision(number(at)) }
            }
            ["share", k, bytes] => Condition::ShareWithin { key: key(k), bytes: number(bytes) },
            ["is", k, v] => Condition::ValueIs { key: key(k), value: value(v) },
            ["put", k, v] => {
                transaction.operations.push(put(k, value(v), None));
                continue;
            }
            ["put", k, v, "lease", id] => {
                transaction.operations.push(put(k, value(v), Some(LeaseId(number(id)))));
                continue;
            }
            ["delete", k] => {
                transaction.operations.push(Operation::Delete { key: key(k) });
                continue;
            }
            _ => panic!("{part:?} is no part of a transaction"),
        };
        transaction.conditions.push(condition);
    }
    transaction
}

fn put(k: &str, value: Bytes, lease: Option<LeaseId>) -> Operation {
    Operation::Put { key: key(k), value, lease }
}

fn show_entry(entry: &Entry) -> String {
    let lease = entry.lease.map(|id| format!(" lease {}", id.0)).unwrap_or_default();
    let value = core::str::from_utf8(&entry.value).unwrap();
    format!("{value} ({}, {}){lease}", entry.created, entry.modified)
}

fn show_entries<'a>(entries: impl Iterator<Item = (&'a Key, &'a Entry)>) -> String {
    entries.map(|(key, entry)| format!("  {key} = {}\n", show_entry(entry))).collect()
}

fn show_current(current: &[(Key, Option<Entry>)]) -> String {
    let shown = current.iter().map(|(key, entry)| {
        let entry = entry.as_ref().map_or("absent".into(), show_entry);
        format!("    {key} = {entry}\n")
    });
    shown.collect()
}

fn show_events(events: &[Event]) -> String {
    let shown = events.iter().map(|event| match &event.entry {
        Some(entry) => format!("  @{} {} = {}\n", event.revision, event.key, show_entry(entry)),
        None => format!("  @{} {} deleted\n", event.revision, event.key),
    });
    shown.collect()
}
