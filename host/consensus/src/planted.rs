//! Known defects, to prove that the simulator finds them. No product code has the feature.

#[cfg(not(debug_assertions))]
compile_error!("planted defects are for simulations, never for a release");

/// One defect that a real implementation once had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Messages and answers leave before the disk has what they speak of.
    AcknowledgeBeforeFsync,
    /// The vote is not on disk after a restart.
    DropVote,
    /// An entry of an earlier term is committed as soon as a majority has it.
    CommitOlderTerm,
    /// A write that was decided in an earlier term is proposed like any other, on any node. Sits in
    /// the member, which is where such writes come in.
    SkipFence,
    /// A question about reads that comes again begins a round with the name of the first one.
    ReuseQuestion,
}
