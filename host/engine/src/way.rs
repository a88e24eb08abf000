//! How long the calls of a request were on their way to other nodes and back, as the node sees it
//! that sent them. Knows no transport.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// The way of all calls that one request makes from a node. A call that stays on its node does not
/// touch it.
#[derive(Debug, Default)]
pub struct Way(Mutex<Trips>);

/// A call that is with another node. One that is dropped came back with nothing.
#[derive(Debug)]
#[must_use = "a call that nobody waits for is not on its way"]
pub struct Trip<'a> {
    way: &'a Way,
    began: Instant,
    worked: Duration,
}

#[derive(Debug, Default)]
struct Trips {
    /// Calls that are with other nodes now.
    out: u32,
    /// Since when there are any, while there are.
    since: Option<Instant>,
    /// When other nodes worked since then for what has come back: from, to, apart from each other,
    /// the earliest first.
    worked: Vec<(Instant, Instant)>,
    /// The way of all times before.
    before: Duration,
}

/// Times of work that are kept apart: 64 of 32 bytes. The oldest ones become one, with what lies
/// between them.
const APART_MAX: usize = 64;

impl Way {
    /// A call goes to another node now.
    pub fn begin(&self) -> Trip<'_> {
        let began = Instant::now();
        self.0.lock().begin(began);
        Trip { way: self, began, worked: Duration::ZERO }
    }

    /// How long there was a call with another node until now, without what those worked meanwhile:
    /// of calls that have not come back, nothing is known of that. What several calls have in
    /// common counts once. Who works is taken to work at the end of the time that is waited.
    pub fn until(&self, now: Instant) -> Duration {
        self.0.lock().until(now)
    }
}

impl Trip<'_> {
    /// The call has come back from a node that worked so long for it, with the calls below it.
    pub fn end(mut self, worked: Duration) {
        self.worked = worked;
    }
}

impl Drop for Trip<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let worked = self.worked.min(now - self.began);
        self.way.0.lock().end(now, now - worked);
    }
}

impl Trips {
    fn begin(&mut self, now: Instant) {
        self.out += 1;
        self.since.get_or_insert(now);
    }

    /// One has come back; the other node worked for it from that moment on.
    fn end(&mut self, now: Instant, mut from: Instant) {
        while let Some((earlier, _)) = self.worked.pop_if(|(_, to)| *to >= from) {
            from = from.min(earlier);
        }
        self.worked.push((from, now));
        if self.worked.len() > APART_MAX {
            let (_, to) = self.worked.remove(1);
            self.worked[0].1 = to;
        }
        self.out = self.out.checked_sub(1).expect("a call that ends has begun");
        if self.out == 0 {
            self.before = self.until(now);
            self.since = None;
            self.worked.clear();
        }
    }

    fn until(&self, now: Instant) -> Duration {
        let waited =
            self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let worked: Duration = self.worked.iter().map(|(from, to)| *to - *from).sum();
        self.before + waited.saturating_sub(worked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[tokio::test(start_paused = true)]
    async fn the_way_is_what_was_waited_without_what_was_worked() {
        let way = Way::default();
        let now = |way: &Way| way.until(Instant::now()).as_millis();
        tokio::time::advance(ms(5)).await;
        assert_eq!(now(&way), 0, "nothing was sent");
        let trip = way.begin();
        tokio::time::advance(ms(10)).await;
        assert_eq!(now(&way), 10, "nothing has come back");
        trip.end(ms(4));
        tokio::time::advance(ms(100)).await;
        assert_eq!(now(&way), 6);
        let trip = way.begin();
        tokio::time::advance(ms(3)).await;
        drop(trip);
        assert_eq!(now(&way), 9, "a call that is given up worked for nobody");
        let trips = [way.begin(), way.begin(), way.begin()];
        tokio::time::advance(ms(20)).await;
        trips.into_iter().for_each(|trip| trip.end(ms(7)));
        assert_eq!(now(&way), 9 + 13, "all worked in the same 7 of 20 ms");
        let first = way.begin();
        tokio::time::advance(ms(10)).await;
        let second = way.begin();
        tokio::time::advance(ms(2)).await;
        second.end(Duration::MAX);
        assert_eq!(now(&way), 22 + 10, "no node works before it is asked");
        tokio::time::advance(ms(2)).await;
        first.end(ms(9));
        assert_eq!(now(&way), 22 + 5, "of 14 ms, for the last 9 somebody worked");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_of_many_calls_beside_a_long_one_has_an_end() {
        let way = Way::default();
        let long = way.begin();
        for _ in 0..3 * APART_MAX {
            let short = way.begin();
            tokio::time::advance(ms(2)).await;
            short.end(ms(1));
        }
        assert_eq!(way.0.lock().worked.len(), APART_MAX);
        assert_eq!(way.until(Instant::now()), ms(APART_MAX as u64), "older ones count as one");
        long.end(Duration::MAX);
        assert_eq!(way.until(Instant::now()), Duration::ZERO);
    }

    /// A call that goes to another node and comes back, and how long that worked.
    #[derive(Debug, Clone)]
    struct Sent {
        from: u64,
        to: u64,
        worked: u64,
    }

    fn sent() -> impl Strategy<Value = Sent> {
        (0u64..60, 0u64..20, 0u64..=20).prop_map(|(from, took, worked)| Sent {
            from,
            to: from + took,
            worked: worked.min(took),
        })
    }

    /// The same by looking at each millisecond: somebody is away, and nobody works.
    fn slowly(sent: &[Sent]) -> u64 {
        let is_way = |t: &u64| {
            sent.iter().any(|s| s.from <= *t && *t < s.to)
                && !sent.iter().any(|s| s.to - s.worked <= *t && *t < s.to)
        };
        (0..100).filter(is_way).count() as u64
    }

    proptest! {
        #[test]
        fn time_counts_once_however_many_calls_are_away(
            sent in proptest::collection::vec(sent(), 0..12),
        ) {
            let begins = sent.iter().map(|s| (s.from, None));
            let ends = sent.iter().map(|s| (s.to, Some(s.worked)));
            let mut events: Vec<_> = begins.chain(ends).collect();
            events.sort_unstable();
            let (start, mut trips) = (Instant::now(), Trips::default());
            for (at, worked) in events {
                match worked {
                    None => trips.begin(start + ms(at)),
                    Some(worked) => trips.end(start + ms(at), start + ms(at - worked)),
                }
                prop_assert!(trips.until(start + ms(at)) <= ms(at));
            }
            prop_assert_eq!(trips.until(start + ms(1_000)), ms(slowly(&sent)));
        }
    }
}
