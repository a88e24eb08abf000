//! A node's member of the group that replicates the map: requests come in on any node, answers go
//! out once a majority has them on disk. Knows no clock, thread, file or socket, and no keys.
//!
//! A [`Member`] is stepped like the [`Group`](aether_consensus::Group) inside it. It adds what lies
//! between a group and those who ask: the requests that wait, their way to the leader and back, the
//! clock of the leases. The state itself belongs to the shell, so that others can read it.
//!
//! ```text
//! member.write(..) | read() | on_message(m) | tick(now, &state) | on_persisted(n) | ..
//! loop until it is empty: for effect in member.advance() {
//!     Persist(p)      -> make it durable in the order given, then on_persisted(p.number)
//!     Send(m)         -> hand to the link; losing it is fine
//!     Change(c)       -> member.apply(&mut state, c)
//!     Reply(r)        -> answer whoever holds the ticket; a read looks at the state now
//!     TakeSnapshot(i) -> member.on_snapshot(i, state.encode())
//!     …
//! }
//! ```
//!
//! A shell takes up all events that are ready, then advances: so one write to disk serves them all.
//!
//! **On any node.** A node that does not lead sends a write to the leader and waits until it has
//! applied the entry itself. So no result travels, and whoever was answered reads its own write.
//!
//! **At most once.** A write is sent under a new [`ProposalId`](aether_consensus::ProposalId) each
//! time, for one term, and the leader takes each of them once. Once an entry of a later term is
//! applied, what was sent before and has not come will never come: it is sent again, to the new
//! leader. So an answer is missing only where nobody can know it ([`Error::Unknown`]).
//!
//! **Fenced.** A write that was decided by the leader of a term is proposed by that leader in that
//! term, or refused; it is never sent on and never repeated.
#![forbid(unsafe_code)]

mod effect;
mod forwards;
mod lease_clock;
mod member;
mod message;
mod request;
#[cfg(test)]
mod tests;
mod waiting;

pub use effect::{Change, Effect, Reply};
pub use member::{Member, REQUESTS_MAX, Settings};
pub use message::{Forward, Forwarded, Message, NotTaken};
pub use request::{Answer, Done, Error, Tick, Ticket, Write};
