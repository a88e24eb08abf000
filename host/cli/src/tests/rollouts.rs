//! Transcripts of rollouts.

use super::*;

#[test]
fn rollouts_are_shown_and_commanded() {
    let server = Server::start();
    server.check(
        &["rollout", "list"],
        expect![[r#"
        APP   STRATEGY  PHASE    STAGE   SHARES          WAITS FOR
        shop  rolling   HOLDING  1 of 2  7: 50%, 9: 50%  2026-01-01T00:00:30.000Z
        exit 0
    "#]],
    );
    server.check(
        &["rollout", "show", "shop"],
        expect![[r#"
        shop: rolling, from revision 7 to 9
          phase     HOLDING, since 2026-01-01T00:00:00.000Z
          stage     1 of 2
          shares    7: 50%, 9: 50%
          waits for 2026-01-01T00:00:30.000Z
          2026-01-01T00:00:00.000Z  started
        exit 0
    "#]],
    );
    server.check(
        &["rollout", "show", "other"],
        expect![[r#"
        2> error: failed to read the rollout of other: other has no rollout [unknown-rollout]
        exit 3
    "#]],
    );
    server.check(
        &["rollout", "rollback", "shop"],
        expect![[r#"
        2>    Commanded shop: rollback
        shop: rolling, from revision 7 to 9
          phase     ROLLING_BACK, since 2026-01-01T00:00:00.000Z
          stage     1 of 2
          shares    7: 50%, 9: 50%
          waits for 2026-01-01T00:00:30.000Z
          2026-01-01T00:00:00.000Z  started
        exit 0
    "#]],
    );
    server.check_as("viewer", &["rollout", "pause", "shop"], expect![[r#"
        2> error: failed to pause the rollout of shop: key "the viewer" has the role viewer; this needs operator [role-too-low]
        2> help: ask an administrator for another key: `aether keys create NAME --role ROLE`
        exit 5
    "#]]);
}

#[test]
fn a_strategy_is_a_word_or_toml() {
    let server = Server::start();
    let shop = folder("shop", SLICE);
    let deploy = |strategy: &str, expect| {
        let path = shop.path().to_str().unwrap();
        server.check(&["deploy", path, "--no-wait", "--strategy", strategy], expect);
    };
    deploy(
        "rolling",
        expect![[r#"
        2>    Uploading a.wasm (1 B)
        2>     Applying shop 1.2.0
        2>      Applied shop 1.2.0, revision 1, in TIME
        ROUTE             ANSWERED BY
        POST /api/orders  shop:place-order shop:orders/place@1.0.0#place
        exit 0
    "#]],
    );
    deploy(
        "rolling = { steps = [\"10%\", \"100%\"], pause = \"1m\" }",
        expect![[r#"
        2>     Applying shop 1.2.0
        2>  Rolling out shop 1.2.0, revision 2, in TIME
        2> `aether rollout show shop` shows how far it is
        ROUTE             ANSWERED BY
        POST /api/orders  shop:place-order shop:orders/place@1.0.0#place
        exit 0
    "#]],
    );
    deploy(
        "rolling = { steps = [\"10%\"] }",
        expect![[r#"
        2> error: invalid value 'rolling = { steps = ["10%"] }' for '--strategy <STRATEGY>': --strategy.steps: shares must grow, from more than 0% to 100% [toml-value]
        2>   help: write 1 to 100 shares, such as ["1%", "10%", "100%"]
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]],
    );
    deploy(
        "sudden",
        expect![[r#"
        2> error: invalid value 'sudden' for '--strategy <STRATEGY>': --strategy:1:10: unknown variant `sudden`, expected one of `immediate`, `rolling`, `canary`, `blue-green`, `a-b` [toml-value]
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]],
    );
    deploy(
        "a-b",
        expect![[r#"
        2> error: invalid value 'a-b' for '--strategy <STRATEGY>': --strategy:1:16: missing field `weight` [toml-value]
        2> 
        2> For more information, try '--help'.
        exit 2
    "#]],
    );
}

#[test]
fn a_deploy_waits_for_the_end_of_its_rollout() {
    let server = Server::start();
    let deploy = |app: &str, args: &[&str], expect: Expect| {
        let folder = folder(app, SLICE);
        let blueprint = folder.path().join("blueprint.toml");
        let text = std::fs::read_to_string(&blueprint).unwrap();
        let text = format!("{text}\n[rollout]\nstrategy = \"blue-green\"\n");
        std::fs::write(&blueprint, text).unwrap();
        let path = folder.path().to_str().unwrap();
        server.run("operator", &["deploy", path, "--no-wait"]);
        server.check(&[&["deploy", path], args].concat(), expect);
    };
    deploy(
        "shop",
        &[],
        expect![[r#"
            2>     Applying shop 1.2.0
            2>      Waiting revision 2 serves with 50% of traffic, stage 1 of 2, until 2026-01-01T00:00:30.000Z
            2>       Active shop 1.2.0, revision 2, in TIME
            2>    Answering at http://127.0.0.1:8070
            ROUTE             ANSWERED BY
            POST /api/orders  shop:place-order shop:orders/place@1.0.0#place
            exit 0
        "#]],
    );
    deploy(
        "broken",
        &[],
        expect![[r#"
            2>     Applying broken 1.2.0
            2>      Waiting revision 2 serves with 50% of traffic, stage 1 of 2, until 2026-01-01T00:00:30.000Z
            2> error: revision 2 of broken was rolled back: every instance of x:broken:1.0.0 failed
            2> help: revision 1 serves everything again; `aether rollout show broken` has the whole story
            exit 1
        "#]],
    );
    let ab = "a-b = { weight = \"50%\", sticky = \"key\" }";
    deploy(
        "split",
        &["--strategy", ab],
        expect![[r#"
            2>     Applying split 1.2.0
            2>  Rolling out split 1.2.0, revision 2, in TIME
            2> it waits for somebody to conclude: `aether rollout show split`
            ROUTE             ANSWERED BY
            POST /api/orders  shop:place-order split:orders/place@1.0.0#place
            exit 0
        "#]],
    );
    deploy(
        "slow",
        &["--timeout", "0s"],
        expect![[r#"
            2>     Applying slow 1.2.0
            2>      Waiting revision 2 serves with 50% of traffic, stage 1 of 2, until 2026-01-01T00:00:30.000Z
            2> error: slow is not rolled out yet: revision 2 serves with 50% of traffic, stage 1 of 2, until 2026-01-01T00:00:30.000Z
            2> help: it goes on; `aether rollout show slow` shows how far it is
            exit 7
        "#]],
    );
}
