//! A mean that follows. Pure; knows not what it is of.

use std::time::Duration;

/// How fast means follow: after this time, a change is there by 63 %.
const TIME: Duration = Duration::from_secs(5);

/// Lets a mean follow what was the case for so long.
pub(crate) fn follow(mean: &mut f64, value: f64, elapsed: Duration) {
    let share = 1.0 - (-elapsed.as_secs_f64() / TIME.as_secs_f64()).exp();
    *mean += share * (value - *mean);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(step: Duration, steps: u32) -> u64 {
        let mut mean = 0.0;
        (0..steps).for_each(|_| follow(&mut mean, 1_000.0, step));
        mean.round() as u64
    }

    #[test]
    fn a_step_is_there_by_63_percent_after_the_time_however_it_is_cut() {
        for (step_ms, steps) in [(5_000, 1), (1_000, 5), (500, 10), (1, 5_000)] {
            assert_eq!(check(Duration::from_millis(step_ms), steps), 632, "{step_ms} ms");
        }
        let after = [1, 2, 10, 15, 25].map(|seconds| check(Duration::from_secs(1), seconds));
        assert_eq!(after, [181, 330, 865, 950, 993]);
        assert_eq!(check(Duration::ZERO, 100), 0, "no time, no change");
        assert_eq!(check(Duration::from_secs(3_600), 1), 1_000, "and never beyond");
    }
}
