//! Time tables of a link.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::{Liveness, Verdict};

/// Ticks every 100 ms, or at the times given; bytes come at `heard`.
fn check(ticks: &[u64], heard: &[u64], expected: Expect) {
    let mut liveness = Liveness::default();
    let mut said = String::new();
    let mut heard = heard.iter().peekable();
    for at in ticks {
        while let Some(ms) = heard.next_if(|ms| *ms <= at) {
            liveness.on_heard(Duration::from_millis(*ms));
        }
        let now = Duration::from_millis(*at);
        match liveness.tick(now) {
            Verdict::Fine => {}
            Verdict::Ping => {
                said += &format!("{at} ping\n");
                liveness.on_sent(now);
            }
            Verdict::Silent(silence) => {
                said += &format!("{at} silent for {}\n", silence.as_millis());
                break;
            }
        }
    }
    expected.assert_eq(&said);
}

#[test]
fn silence_is_noticed_within_a_second_and_pings_fill_it() {
    let ticks: Vec<u64> = (1..20).map(|tick| tick * 100).collect();
    check(
        &ticks,
        &[],
        expect![[r#"
        200 ping
        400 ping
        600 ping
        800 silent for 800
    "#]],
    );
    check(
        &ticks,
        &[30, 450],
        expect![[r#"
        200 ping
        400 ping
        600 ping
        800 ping
        1000 ping
        1200 ping
        1300 silent for 850
    "#]],
    );
}

#[test]
fn whoever_was_stopped_himself_blames_nobody() {
    // Stopped from 300 to 5000: the peer gets its 0.8 s from then on, less what it used before.
    check(
        &[100, 200, 300, 5000, 5100, 5200, 5300, 5400, 5500],
        &[],
        expect![[r#"
        200 ping
        5000 ping
        5200 ping
        5300 silent for 800
    "#]],
    );
}
