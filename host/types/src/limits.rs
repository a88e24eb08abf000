//! The limits that a slice runs with: its author's policy, narrowed by the blueprint.

use crate::blueprint::Limits;
use crate::code::Code;
use crate::slice_toml::{Instances, Reuse};
use crate::{ByteSize, Problem, Problems};
use std::time::Duration;

/// The author's instance policy, narrowed by the blueprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectiveLimits {
    pub reuse: Reuse,
    /// Calls at the same time on one node.
    pub max_concurrency: usize,
    /// Calls that wait when all instances are busy.
    pub queue: usize,
    /// Linear memory of one `WasmInstance`, all its memories together.
    pub memory: ByteSize,
    /// Longest time of one call, queueing included.
    pub timeout: Duration,
}

impl EffectiveLimits {
    /// What one instance of the slice reserves of a node's memory budget: one `WasmInstance`. A
    /// pool that grows beyond it takes what is free, up to the budget, and is refused more.
    pub fn reservation(&self) -> ByteSize {
        self.memory
    }

    /// The author's policy with the blueprint's narrower limits; each wider one is a problem.
    pub fn narrow(place: &str, author: &Instances, operator: &Limits) -> Result<Self, Problems> {
        let mut narrow = Narrow { place, problems: Vec::new() };
        let narrowed = Self {
            reuse: author.reuse,
            max_concurrency: narrow.least(
                "max-concurrency",
                author.max_concurrency.get(),
                operator.max_concurrency.map(|n| n.get()),
            ) as usize,
            queue: narrow.least("queue", author.queue.get(), operator.queue.map(|n| n.get()))
                as usize,
            memory: narrow.least("memory", author.memory, operator.memory),
            timeout: narrow.least("timeout", author.timeout, operator.timeout).duration(),
        };
        Problems(narrow.problems).or(narrowed)
    }
}

struct Narrow<'a> {
    place: &'a str,
    problems: Vec<Problem>,
}

impl Narrow<'_> {
    fn least<T: Ord + Copy + std::fmt::Display>(
        &mut self,
        key: &str,
        author: T,
        operator: Option<T>,
    ) -> T {
        match operator {
            Some(wanted) if wanted > author => {
                let message =
                    format!("{key} is {wanted}; the slice's author allows at most {author}");
                let problem = Problem::new(Code::TomlValue, self.place, message);
                self.problems.push(problem.help("a blueprint can lower a limit, not raise it"));
                author
            }
            wanted => wanted.unwrap_or(author),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TimeSpan;
    use crate::slice_toml::Bounded;

    #[test]
    fn a_blueprint_lowers_limits_and_never_raises_them() {
        let author = Instances::default();
        let mut operator = Limits { memory: Some(ByteSize::mib(8)), ..Limits::default() };
        let narrowed = EffectiveLimits::narrow("shop", &author, &operator).unwrap();
        assert_eq!((narrowed.memory, narrowed.max_concurrency), (ByteSize::mib(8), 64));
        operator.memory = Some(ByteSize::mib(128));
        operator.timeout = Some(TimeSpan::from_secs(60));
        operator.queue = Bounded::new(257);
        let problems = EffectiveLimits::narrow("shop", &author, &operator).unwrap_err();
        expect_test::expect![[r#"
            shop: queue is 257; the slice's author allows at most 256 [toml-value]
              help: a blueprint can lower a limit, not raise it
            shop: memory is 128MiB; the slice's author allows at most 64MiB [toml-value]
              help: a blueprint can lower a limit, not raise it
            shop: timeout is 1m; the slice's author allows at most 5s [toml-value]
              help: a blueprint can lower a limit, not raise it"#]]
        .assert_eq(&problems.to_string());
    }
}
