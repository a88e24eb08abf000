//! Placement hints that an application may not have.

use super::cluster::checked;
use expect_test::{Expect, expect};
use std::string::ToString;

fn check(slices: &str, expect: Expect) {
    expect.assert_eq(&match checked("shop", slices) {
        Ok(_) => "fine".to_string(),
        Err(problems) => problems.to_string(),
    });
}

#[test]
fn hints_name_slices_of_the_application() {
    check("a=1,near=b,away=c b=1 c=1", expect!["fine"]);
    check(
        "a=1,near=c,never=bbb stock=1 c=1",
        expect![[r#"
        x:a:1.0.0: `require-away-from` names x:bbb, which is no slice of this application [placement-invalid]
          help: its slices are x:a, x:c, x:stock"#]],
    );
    check(
        "place-order=1,must=stok stock=1",
        expect![[r#"
        x:place-order:1.0.0: `require-near` names x:stok, which is no slice of this application [placement-invalid]
          help: did you mean `x:stock`?"#]],
    );
    check(
        "a=1,away=a",
        expect![[r#"
        x:a:1.0.0: `away-from` names the slice itself [placement-invalid]
          help: its own instances are spread over nodes anyway; `spread` and `max-skew` say how"#]],
    );
}

#[test]
fn hints_do_not_contradict_each_other() {
    check(
        "a=1,must=b b=1,never=a",
        expect![[r#"
        x:a:1.0.0: must be on nodes with x:b and away from it [placement-invalid]
          help: drop a `require-near` or the `require-away-from`"#]],
    );
    check(
        "a=1,must=b,must=c b=1,must=d c=1,never=d d=1",
        expect![[r#"
        x:a:1.0.0: must be on nodes with x:c and with x:d at once, and these two must be away from each other [placement-invalid]
          help: drop a `require-near` or the `require-away-from`"#]],
    );
    check(
        "a=1,must=b b=1,must=c c=1,must=b,must=d d=1",
        expect![[r#"
        x:b:1.0.0: `require-near` comes back to the slice itself: x:b -> x:c -> x:b [placement-invalid]
          help: one direction is enough: drop `require-near` from the slice that can be placed first
        x:c:1.0.0: `require-near` comes back to the slice itself: x:c -> x:b -> x:c [placement-invalid]
          help: one direction is enough: drop `require-near` from the slice that can be placed first"#]],
    );
    check("a=1,must=c b=1,must=c c=1,near=a", expect!["fine"]);
}
