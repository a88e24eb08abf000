//! Reasons of instances that wait for each other.

use super::transcript::check;
use expect_test::expect;

#[test]
fn a_long_chain_of_waiting_names_its_beginning_and_its_end() {
    check(
        "plan 1: h g->h f->g e->f d->e c->d b->c a->b
        ok f
        ok e
        ok d
        ok c
        ok g
        fatal h
        ok b
        ok a ?",
        expect![[r#"
            plan 1: h g->h f->g e->f d->e c->d b->c a->b => load h, load g, load f, load e
            ok f => load d
            ok e => load c
            ok d => load b
            ok c => load a
            ok g =>
            fatal h => discard h
            ok b =>
            ok a =>
                x:a:1.0.0 r1 LOADED: waits for x:b:1.0.0 (LOADED, waits for x:c:1.0.0 (LOADED, waits for x:d:1.0.0 (LOADED, waits for x:e:1.0.0 (LOADED, waits for x:f:1.0.0 (LOADED, in the end for x:h:1.0.0 (FAILED: no luck [start-failed])))))) [dependency-not-active]
                x:b:1.0.0 r1 LOADED: waits for x:c:1.0.0 (LOADED, waits for x:d:1.0.0 (LOADED, waits for x:e:1.0.0 (LOADED, waits for x:f:1.0.0 (LOADED, waits for x:g:1.0.0 (LOADED, in the end for x:h:1.0.0 (FAILED: no luck [start-failed])))))) [dependency-not-active]
                x:c:1.0.0 r1 LOADED: waits for x:d:1.0.0 (LOADED, waits for x:e:1.0.0 (LOADED, waits for x:f:1.0.0 (LOADED, waits for x:g:1.0.0 (LOADED, waits for x:h:1.0.0 (FAILED: no luck [start-failed]))))) [dependency-not-active]
                x:d:1.0.0 r1 LOADED: waits for x:e:1.0.0 (LOADED, waits for x:f:1.0.0 (LOADED, waits for x:g:1.0.0 (LOADED, waits for x:h:1.0.0 (FAILED: no luck [start-failed])))) [dependency-not-active]
                x:e:1.0.0 r1 LOADED: waits for x:f:1.0.0 (LOADED, waits for x:g:1.0.0 (LOADED, waits for x:h:1.0.0 (FAILED: no luck [start-failed]))) [dependency-not-active]
                x:f:1.0.0 r1 LOADED: waits for x:g:1.0.0 (LOADED, waits for x:h:1.0.0 (FAILED: no luck [start-failed])) [dependency-not-active]
                x:g:1.0.0 r1 LOADED: waits for x:h:1.0.0 (FAILED: no luck [start-failed]) [dependency-not-active]
                x:h:1.0.0 r1 FAILED: no luck [start-failed]"#]],
    );
}
