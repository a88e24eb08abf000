//! Waits between dials.

use super::Backoff;

#[test]
fn waits_double_up_to_a_bound_and_half_is_drawn() {
    let waits = |chance: f64, failures: usize| {
        let mut backoff = Backoff::default();
        (0..failures).map(|_| backoff.next(chance).as_millis()).collect::<Vec<_>>()
    };
    assert_eq!(waits(0.0, 8), [25, 50, 100, 200, 400, 800, 1000, 1000]);
    assert_eq!(waits(1.0, 8), [50, 100, 200, 400, 800, 1600, 2000, 2000]);
    let longest = waits(1.0, 100);
    assert_eq!(longest.iter().max(), Some(&2000));
}

#[test]
fn a_link_that_held_begins_anew() {
    let mut backoff = Backoff::default();
    let first = backoff.next(0.5);
    assert!(backoff.next(0.5) > first);
    backoff.reset();
    assert_eq!(backoff.next(0.5), first);
}
