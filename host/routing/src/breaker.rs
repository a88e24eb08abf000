//! Whether an endpoint that kept failing is tried again. Knows no endpoint and no clock: time is an
//! argument.

/// Milliseconds of a clock that never goes back; where it begins does not matter.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub u64);

/// What this node has seen of one endpoint lately. One word of memory, so that a shell can keep it
/// in an atomic and change it by compare-and-swap: [`Breaker::to_bits`], [`Breaker::from_bits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    /// How often it has opened since the endpoint last answered.
    openings: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Calls go there. It has failed so often since it last answered.
    Closed { failures: u8 },
    /// No call goes there before that time; then one may, to see.
    Open { until: Tick },
    /// One call is on its way to see; if it is not heard of by that time, another one may.
    Trying { until: Tick },
}

/// Technical failures in a row that open it. A client that gives up is not one of them, and neither
/// is a slice that traps: one request that nobody can serve must not cut off an instance.
pub(crate) const FAILURES_MAX: u8 = 5;
/// How long it stays open for the first time: a node that restarts takes seconds.
pub(crate) const OPEN_MS_MIN: u64 = 1_000;
/// It doubles up to this.
pub(crate) const OPEN_MS_MAX: u64 = 30_000;
/// How long a call that is to see may take.
pub(crate) const TRY_MS: u64 = 5_000;

const TIME_BITS: u32 = 48;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

impl Breaker {
    /// Of an endpoint of which nothing is known.
    pub const NEW: Self = Self { state: State::Closed { failures: 0 }, openings: 0 };

    /// Whether a call may go there now.
    pub fn admits(self, now: Tick) -> bool {
        self.until().is_none_or(|until| now >= until)
    }

    /// When it may be tried again; None while calls go there anyway.
    pub fn until(self) -> Option<Tick> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { until } | State::Trying { until } => Some(until),
        }
    }

    /// A call that it admits goes there.
    #[must_use]
    pub fn on_sent(self, now: Tick) -> Self {
        match self.until() {
            Some(until) if now >= until => {
                Self { state: State::Trying { until: after(now, TRY_MS) }, ..self }
            }
            _ => self,
        }
    }

    /// The endpoint answered, with whatever.
    #[must_use]
    pub fn on_answered(self) -> Self {
        Self::NEW
    }

    /// A call failed before the endpoint answered.
    #[must_use]
    pub fn on_failed(self, now: Tick) -> Self {
        match self.state {
            State::Closed { failures } if failures + 1 < FAILURES_MAX => {
                Self { state: State::Closed { failures: failures + 1 }, ..self }
            }
            State::Closed { .. } | State::Trying { .. } => {
                let open = (OPEN_MS_MIN << self.openings).min(OPEN_MS_MAX);
                let openings = self.openings.saturating_add(1).min(5);
                Self { state: State::Open { until: after(now, open) }, openings }
            }
            // Sent before it opened.
            State::Open { .. } => self,
        }
    }

    pub fn to_bits(self) -> u64 {
        let (kind, rest) = match self.state {
            State::Closed { failures } => (0, u64::from(failures)),
            State::Open { until } => (1, until.0),
            State::Trying { until } => (2, until.0),
        };
        kind << 62 | u64::from(self.openings) << TIME_BITS | rest & TIME_MASK
    }

    /// Bits that no breaker has are a closed one.
    pub fn from_bits(bits: u64) -> Self {
        let rest = bits & TIME_MASK;
        let state = match bits >> 62 {
            1 => State::Open { until: Tick(rest) },
            2 => State::Trying { until: Tick(rest) },
            _ => State::Closed { failures: u8::try_from(rest).unwrap_or(0).min(FAILURES_MAX - 1) },
        };
        Self { state, openings: ((bits >> TIME_BITS) as u8).min(5) }
    }
}

fn after(now: Tick, ms: u64) -> Tick {
    Tick((now.0 + ms).min(TIME_MASK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    /// `-` failure, `+` answer, `>` sent, a number: milliseconds pass.
    fn run(script: &str, mut each: impl FnMut(&str, Breaker, Tick)) {
        let (mut breaker, mut now) = (Breaker::NEW, Tick(0));
        for word in script.split(' ') {
            breaker = match word {
                "-" => breaker.on_failed(now),
                "+" => breaker.on_answered(),
                ">" => breaker.on_sent(now),
                ms => {
                    now.0 += ms.parse::<u64>().unwrap();
                    breaker
                }
            };
            assert_eq!(Breaker::from_bits(breaker.to_bits()), breaker);
            each(word, breaker, now);
        }
    }

    fn check(script: &str, expect: Expect) {
        let mut lines = Vec::new();
        run(script, |word, breaker, now| {
            let admits = if breaker.admits(now) { "admits" } else { "refuses" };
            let state = match breaker.state {
                State::Closed { failures } => format!("closed, {failures} failures"),
                State::Open { until } => format!("open until {}", until.0),
                State::Trying { until } => format!("trying until {}", until.0),
            };
            lines.push(format!("{:<6} {word:<5} {admits:7} {state}", now.0));
        });
        expect.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_an_answer_closes_it() {
        check(
            "- - - - + - - - - - 999 1 > 10 +",
            expect![[r#"
                0      -     admits  closed, 1 failures
                0      -     admits  closed, 2 failures
                0      -     admits  closed, 3 failures
                0      -     admits  closed, 4 failures
                0      +     admits  closed, 0 failures
                0      -     admits  closed, 1 failures
                0      -     admits  closed, 2 failures
                0      -     admits  closed, 3 failures
                0      -     admits  closed, 4 failures
                0      -     refuses open until 1000
                999    999   refuses open until 1000
                1000   1     admits  open until 1000
                1000   >     refuses trying until 6000
                1010   10    refuses trying until 6000
                1010   +     admits  closed, 0 failures"#]],
        );
    }

    #[test]
    fn it_opens_for_longer_each_time_and_a_lost_try_is_not_waited_for() {
        check(
            "- - - - - 1000 > - 2000 > - 4000 > - 8000 > - 16000 > - 30000 > 5000 > -",
            expect![[r#"
                0      -     admits  closed, 1 failures
                0      -     admits  closed, 2 failures
                0      -     admits  closed, 3 failures
                0      -     admits  closed, 4 failures
                0      -     refuses open until 1000
                1000   1000  admits  open until 1000
                1000   >     refuses trying until 6000
                1000   -     refuses open until 3000
                3000   2000  admits  open until 3000
                3000   >     refuses trying until 8000
                3000   -     refuses open until 7000
                7000   4000  admits  open until 7000
                7000   >     refuses trying until 12000
                7000   -     refuses open until 15000
                15000  8000  admits  open until 15000
                15000  >     refuses trying until 20000
                15000  -     refuses open until 31000
                31000  16000 admits  open until 31000
                31000  >     refuses trying until 36000
                31000  -     refuses open until 61000
                61000  30000 admits  open until 61000
                61000  >     refuses trying until 66000
                66000  5000  admits  trying until 66000
                66000  >     refuses trying until 71000
                66000  -     refuses open until 96000"#]],
        );
    }

    proptest! {
        /// Whatever happens, an endpoint that nothing is heard of is tried again within 30 s.
        #[test]
        fn it_is_never_given_up(script in "([-+>]|[0-9]{1,5})( [-+>]| [0-9]{1,5}){0,40}") {
            run(&script, |_, breaker, now| {
                assert!(breaker.admits(Tick(now.0 + OPEN_MS_MAX)));
            });
        }

        #[test]
        fn any_word_is_a_breaker(bits in any::<u64>(), now in 0u64..1 << 40) {
            let breaker = Breaker::from_bits(bits);
            prop_assert_eq!(Breaker::from_bits(breaker.to_bits()), breaker);
            let _ = breaker.on_sent(Tick(now)).on_failed(Tick(now)).on_answered();
        }
    }
}
