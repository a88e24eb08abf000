//! What commands do, told as transcripts.

use expect_test::expect;

use super::script::check;

#[test]
fn a_transaction_is_all_or_nothing() {
    check(
        "put plan 1; put node/1 up
         modified plan 1; put plan 2; delete node/1
         modified plan 1; present node/1; put plan 3; put node/2 up
         show",
        expect![[r#"
            > put plan 1; put node/1 up
              Transaction { revision: Revision(1) }
              @1 plan = 1 (1, 1)
              @1 node/1 = up (1, 1)
            > modified plan 1; put plan 2; delete node/1
              Transaction { revision: Revision(2) }
              @2 plan = 2 (1, 2)
              @2 node/1 deleted
            > modified plan 1; present node/1; put plan 3; put node/2 up
              conflict: 2 of the conditions did not hold at revision 2
                plan = 2 (1, 2)
                node/1 = absent
            > show
              revision 2
              plan = 2 (1, 2)
        "#]],
    );
}

#[test]
fn conditions_compare_absence_presence_revision_and_value() {
    check(
        "absent a; put a 1
         absent a; put a 2
         present a; put a 2
         present b; put b 1
         modified a 2; put a 3
         modified b 0; put b 1
         is a 3; put a 4
         is a 3; put a 5
         absent a; present b; is a 9; put a 6",
        expect![[r#"
            > absent a; put a 1
              Transaction { revision: Revision(1) }
              @1 a = 1 (1, 1)
            > absent a; put a 2
              conflict: 1 of the conditions did not hold at revision 1
                a = 1 (1, 1)
            > present a; put a 2
              Transaction { revision: Revision(2) }
              @2 a = 2 (1, 2)
            > present b; put b 1
              conflict: 1 of the conditions did not hold at revision 2
                b = absent
            > modified a 2; put a 3
              Transaction { revision: Revision(3) }
              @3 a = 3 (1, 3)
            > modified b 0; put b 1
              conflict: 1 of the conditions did not hold at revision 3
                b = absent
            > is a 3; put a 4
              Transaction { revision: Revision(4) }
              @4 a = 4 (1, 4)
            > is a 3; put a 5
              conflict: 1 of the conditions did not hold at revision 4
                a = 4 (1, 4)
            > absent a; present b; is a 9; put a 6
              conflict: 3 of the conditions did not hold at revision 4
                a = 4 (1, 4)
                b = absent
                a = 4 (1, 4)
        "#]],
    );
}

#[test]
fn a_share_bounds_what_is_below_a_segment() {
    check(
        "put tools/a 1; put plan 123456
         share tools 300; put tools/b 2
         share tools 300; put tools/c 3
         share tools 200; put tools/b 4; delete tools/a
         share tools 100; put tools/b 5
         share tools 100; put tools/b 66
         restart
         share tools 300; put tools/c 3
         share tools 300; put tools/d 3; put plan 2",
        expect![[r#"
            > put tools/a 1; put plan 123456
              Transaction { revision: Revision(1) }
              @1 tools/a = 1 (1, 1)
              @1 plan = 123456 (1, 1)
            > share tools 300; put tools/b 2
              Transaction { revision: Revision(2) }
              @2 tools/b = 2 (2, 2)
            > share tools 300; put tools/c 3
              exhausted: what is below tools/ would count 408 bytes, more than its share of 300
            > share tools 200; put tools/b 4; delete tools/a
              Transaction { revision: Revision(3) }
              @3 tools/b = 4 (2, 3)
              @3 tools/a deleted
            > share tools 100; put tools/b 5
              Transaction { revision: Revision(4) }
              @4 tools/b = 5 (2, 4)
            > share tools 100; put tools/b 66
              exhausted: what is below tools/ would count 137 bytes, more than its share of 100
            > restart
            > share tools 300; put tools/c 3
              Transaction { revision: Revision(5) }
              @5 tools/c = 3 (5, 5)
            > share tools 300; put tools/d 3; put plan 2
              exhausted: what is below tools/ would count 408 bytes, more than its share of 300
        "#]],
    );
}

#[test]
fn revisions_count_changes_and_creation_survives_a_put() {
    check(
        "put a 1
         put a 1
         delete b
         delete a
         put a 2
         present a
         show",
        expect![[r#"
            > put a 1
              Transaction { revision: Revision(1) }
              @1 a = 1 (1, 1)
            > put a 1
              Transaction { revision: Revision(2) }
              @2 a = 1 (1, 2)
            > delete b
              Transaction { revision: Revision(2) }
            > delete a
              Transaction { revision: Revision(3) }
              @3 a deleted
            > put a 2
              Transaction { revision: Revision(4) }
              @4 a = 2 (4, 4)
            > present a
              Transaction { revision: Revision(4) }
            > show
              revision 4
              a = 2 (4, 4)
        "#]],
    );
}

#[test]
fn a_prefix_reads_in_order() {
    check(
        "put plan 1; put plans/x 1; put node/2 b; put node/1 a; put nodes 1
         get node/
         get plan
         get nothing",
        expect![[r#"
            > put plan 1; put plans/x 1; put node/2 b; put node/1 a; put nodes 1
              Transaction { revision: Revision(1) }
              @1 plan = 1 (1, 1)
              @1 plans/x = 1 (1, 1)
              @1 node/2 = b (1, 1)
              @1 node/1 = a (1, 1)
              @1 nodes = 1 (1, 1)
            > get node/
              node/1 = a (1, 1)
              node/2 = b (1, 1)
            > get plan
              plan = 1 (1, 1)
              plans/x = 1 (1, 1)
            > get nothing
        "#]],
    );
}

#[test]
fn a_lease_that_ends_deletes_its_keys() {
    check(
        "put observed/1 up lease 7
         grant 7 ttl 1000 at 100
         put observed/1 up lease 7; put observed/2 up
         alive 7 at 900
         expire at 1899
         show
         expire at 1900
         show
         alive 7 at 1901",
        expect![[r#"
            > put observed/1 up lease 7
              not-found: lease 7 does not exist or has ended
            > grant 7 ttl 1000 at 100
              Lease { lease: LeaseId(7), expires: LeaseTime(1100) }
            > put observed/1 up lease 7; put observed/2 up
              Transaction { revision: Revision(1) }
              @1 observed/1 = up (1, 1) lease 7
              @1 observed/2 = up (1, 1)
            > alive 7 at 900
              Lease { lease: LeaseId(7), expires: LeaseTime(1900) }
            > expire at 1899
              LeasesEnded { leases: [], revision: Revision(1) }
            > show
              revision 1
              observed/1 = up (1, 1) lease 7
              observed/2 = up (1, 1)
              lease 7 until 1900 {observed/1}
            > expire at 1900
              LeasesEnded { leases: [LeaseId(7)], revision: Revision(2) }
              @2 observed/1 deleted
            > show
              revision 2
              observed/2 = up (1, 1)
            > alive 7 at 1901
              not-found: lease 7 does not exist or has ended
        "#]],
    );
}

#[test]
fn a_key_follows_the_last_lease_it_was_put_with() {
    check(
        "grant 1 ttl 10 at 0
         grant 2 ttl 20 at 0
         put a x lease 1; put b x lease 1; put c x lease 1
         put a y lease 2; put b y
         delete c
         revoke 1
         show
         revoke 1
         revoke 2",
        expect![[r#"
            > grant 1 ttl 10 at 0
              Lease { lease: LeaseId(1), expires: LeaseTime(10) }
            > grant 2 ttl 20 at 0
              Lease { lease: LeaseId(2), expires: LeaseTime(20) }
            > put a x lease 1; put b x lease 1; put c x lease 1
              Transaction { revision: Revision(1) }
              @1 a = x (1, 1) lease 1
              @1 b = x (1, 1) lease 1
              @1 c = x (1, 1) lease 1
            > put a y lease 2; put b y
              Transaction { revision: Revision(2) }
              @2 a = y (1, 2) lease 2
              @2 b = y (1, 2)
            > delete c
              Transaction { revision: Revision(3) }
              @3 c deleted
            > revoke 1
              LeasesEnded { leases: [LeaseId(1)], revision: Revision(3) }
            > show
              revision 3
              a = y (1, 2) lease 2
              b = y (1, 2)
              lease 2 until 20 {a}
            > revoke 1
              not-found: lease 1 does not exist or has ended
            > revoke 2
              LeasesEnded { leases: [LeaseId(2)], revision: Revision(4) }
              @4 a deleted
        "#]],
    );
}

#[test]
fn granting_twice_is_safe_and_time_never_goes_back() {
    check(
        "grant 1 ttl 10 at 100
         grant 1 ttl 10 at 105
         grant 1 ttl 11 at 105
         expire at 50
         alive 1 at 50
         expire at 115",
        expect![[r#"
            > grant 1 ttl 10 at 100
              Lease { lease: LeaseId(1), expires: LeaseTime(110) }
            > grant 1 ttl 10 at 105
              Lease { lease: LeaseId(1), expires: LeaseTime(115) }
            > grant 1 ttl 11 at 105
              conflict: lease 1 exists with another time to live
            > expire at 50
              LeasesEnded { leases: [], revision: Revision(0) }
            > alive 1 at 50
              Lease { lease: LeaseId(1), expires: LeaseTime(115) }
            > expire at 115
              LeasesEnded { leases: [LeaseId(1)], revision: Revision(0) }
        "#]],
    );
}

#[test]
fn a_watch_delivers_every_change_of_its_prefix_once() {
    check(
        "put node/1 up
         watch node/ from 1
         watch node/ from 2
         put plan 1
         put node/2 up; put plan 2; delete node/1
         poll
         poll
         restart
         put node/1 back
         poll",
        expect![[r#"
            > put node/1 up
              Transaction { revision: Revision(1) }
              @1 node/1 = up (1, 1)
            > watch node/ from 1
            > watch node/ from 2
            > put plan 1
              Transaction { revision: Revision(2) }
              @2 plan = 1 (2, 2)
            > put node/2 up; put plan 2; delete node/1
              Transaction { revision: Revision(3) }
              @3 node/2 = up (3, 3)
              @3 plan = 2 (2, 3)
              @3 node/1 deleted
            > poll
              @1 node/1 = up (1, 1)
              @3 node/2 = up (3, 3)
              @3 node/1 deleted
              --
              @3 node/2 = up (3, 3)
              @3 node/1 deleted
            > poll
              --
            > restart
            > put node/1 back
              Transaction { revision: Revision(4) }
              @4 node/1 = back (4, 4)
            > poll
              @4 node/1 = back (4, 4)
              --
              @4 node/1 = back (4, 4)
        "#]],
    );
}

#[test]
fn a_compacted_revision_is_named() {
    check(
        "put a 1
         put a 2
         put a 3
         watch a from 2
         compact 3
         watch a from 2
         poll
         watch a from 3
         watch a from 4
         watch a from 5
         compact 99
         compact 1
         put a 4",
        expect![[r#"
            > put a 1
              Transaction { revision: Revision(1) }
              @1 a = 1 (1, 1)
            > put a 2
              Transaction { revision: Revision(2) }
              @2 a = 2 (1, 2)
            > put a 3
              Transaction { revision: Revision(3) }
              @3 a = 3 (1, 3)
            > watch a from 2
            > compact 3
              Compacted { first: Revision(3) }
            > watch a from 2
              changes before revision 3 are compacted: read the entries again, then watch from there
            > poll
              changes before revision 3 are compacted: read the entries again, then watch from there
            > watch a from 3
            > watch a from 4
            > watch a from 5
              the revision to watch from lies ahead: the newest is 3
            > compact 99
              Compacted { first: Revision(4) }
            > compact 1
              Compacted { first: Revision(4) }
            > put a 4
              Transaction { revision: Revision(4) }
              @4 a = 4 (1, 4)
        "#]],
    );
}
