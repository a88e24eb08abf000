//! Imports and offers in words, and who provides what.

use super::*;
use crate::wit::{Function, Type};
use expect_test::{Expect, expect};
use proptest::prelude::*;

/// `shop:stock/api@1.0.0 get put:u32`: functions, with the type of their result.
fn interface(text: &str) -> Interface {
    let (name, functions) = text.split_once(' ').unwrap_or((text, ""));
    let function = |word: &str| {
        let (name, ty) = word.split_once(':').unwrap_or((word, "string"));
        let result = Some(if ty == "u32" { Type::U32 } else { Type::String });
        Function { name: name.to_owned(), params: vec![], result, is_async: false }
    };
    let functions = functions.split(' ').filter(|word| !word.is_empty()).map(function);
    Interface { name: name.parse().unwrap(), functions: functions.collect() }
}

/// `want`: the import, then ` in RANGE`, then ` from SLICE RANGE`. Offers: `SLICE: INTERFACE`.
fn check(want: &str, offers: &[&str], expect: Expect) {
    let (want, slice) = match want.split_once(" from ") {
        Some((want, slice)) => (want, Some(slice.split_once(' ').unwrap())),
        None => (want, None),
    };
    let (want, versions) = match want.split_once(" in ") {
        Some((want, versions)) => (want, Some(versions.parse().unwrap())),
        None => (want, None),
    };
    let slice: Option<(SliceName, VersionReq)> =
        slice.map(|(name, range)| (name.parse().unwrap(), range.parse().unwrap()));
    let importer: Coordinates = "shop:web:1.0.0".parse().unwrap();
    let interface_wanted = interface(want);
    let offers: Vec<(Coordinates, Interface)> = offers
        .iter()
        .map(|offer| offer.split_once(": ").unwrap())
        .map(|(slice, offered)| (slice.parse().unwrap(), interface(offered)))
        .collect();
    let want = Want {
        importer: &importer,
        interface: &interface_wanted,
        versions: versions.as_ref(),
        slice: slice.as_ref().map(|(name, range)| (name, Some(range))),
    };
    let offers = offers.iter().map(|(slice, interface)| Offer { slice, interface });
    let resolution = resolve(&want, offers);
    let considered = resolution.considered.iter();
    let mut lines: Vec<String> = considered.map(|(o, v)| format!("{o} {v}")).collect();
    lines.push(match want.problem(&resolution) {
        Some(problem) => problem.to_string(),
        None => format!("=> {}", resolution.outcome.unwrap()),
    });
    expect.assert_eq(&lines.join("\n"));
}

#[test]
fn the_newest_compatible_one_is_taken() {
    check(
        "shop:stock/api@1.1.0 get",
        &[
            "shop:stock:1.0.0: shop:stock/api@1.0.0 get",
            "shop:stock:1.1.0: shop:stock/api@1.1.0 get",
            "shop:stock:1.2.0: shop:stock/api@1.2.0 get put",
            "shop:stock:1.2.1: shop:stock/api@1.2.0 get put",
            "shop:stock:2.0.0: shop:stock/api@2.0.0 get",
            "shop:price:1.0.0: shop:price/api@1.5.0 get",
        ],
        expect![[r#"
            `shop:stock/api@2.0.0` of shop:stock:2.0.0 is out of the range
            `shop:stock/api@1.2.0` of shop:stock:1.2.1 fits
            `shop:stock/api@1.2.0` of shop:stock:1.2.0 fits
            `shop:stock/api@1.1.0` of shop:stock:1.1.0 fits
            `shop:stock/api@1.0.0` of shop:stock:1.0.0 is out of the range
            => `shop:stock/api@1.2.0` of shop:stock:1.2.1"#]],
    );
    check(
        "shop:stock/api@0.2.0 get",
        &[
            "shop:stock:1.0.0: shop:stock/api@0.2.3 get",
            "shop:stock:1.1.0: shop:stock/api@0.3.0 get",
        ],
        expect![[r#"
            `shop:stock/api@0.3.0` of shop:stock:1.1.0 is out of the range
            `shop:stock/api@0.2.3` of shop:stock:1.0.0 fits
            => `shop:stock/api@0.2.3` of shop:stock:1.0.0"#]],
    );
}

#[test]
fn ranges_narrow() {
    let offers = &[
        "shop:stock:1.0.0: shop:stock/api@1.0.0 get",
        "shop:stock:1.4.0: shop:stock/api@1.0.0 get",
        "shop:stock:2.0.0: shop:stock/api@2.0.0 get",
    ];
    check(
        "shop:stock/api@1.0.0 get",
        offers,
        expect![[r#"
        `shop:stock/api@2.0.0` of shop:stock:2.0.0 is out of the range
        `shop:stock/api@1.0.0` of shop:stock:1.4.0 fits
        `shop:stock/api@1.0.0` of shop:stock:1.0.0 fits
        => `shop:stock/api@1.0.0` of shop:stock:1.4.0"#]],
    );
    check(
        "shop:stock/api@1.0.0 get in >=1.0, <3",
        offers,
        expect![[r#"
            `shop:stock/api@2.0.0` of shop:stock:2.0.0 is out of the range
            `shop:stock/api@1.0.0` of shop:stock:1.4.0 fits
            `shop:stock/api@1.0.0` of shop:stock:1.0.0 fits
            => `shop:stock/api@1.0.0` of shop:stock:1.4.0"#]],
    );
    check(
        "shop:stock/api@1.0.0 get from shop:stock ~1.0",
        offers,
        expect![[r#"
        `shop:stock/api@2.0.0` of shop:stock:2.0.0 is of a slice that is not asked for
        `shop:stock/api@1.0.0` of shop:stock:1.4.0 is of a slice that is not asked for
        `shop:stock/api@1.0.0` of shop:stock:1.0.0 fits
        => `shop:stock/api@1.0.0` of shop:stock:1.0.0"#]],
    );
    check(
        "shop:stock/api@1.0.0 get in ^3",
        offers,
        expect![[r#"
        `shop:stock/api@2.0.0` of shop:stock:2.0.0 is out of the range
        `shop:stock/api@1.0.0` of shop:stock:1.4.0 is out of the range
        `shop:stock/api@1.0.0` of shop:stock:1.0.0 is out of the range
        shop:web:1.0.0: nobody that may provides `shop:stock/api@1.0.0` in ^3 [unknown-import]
          help: `shop:stock/api@2.0.0` of shop:stock:2.0.0 is out of the range; `shop:stock/api@1.0.0` of shop:stock:1.4.0 is out of the range; `shop:stock/api@1.0.0` of shop:stock:1.0.0 is out of the range; widen the range, or add a version that is in it"#]],
    );
    check(
        "shop:stock/api@1.0.0 get from shop:stock ^1.5",
        offers,
        expect![[r#"
        `shop:stock/api@2.0.0` of shop:stock:2.0.0 is of a slice that is not asked for
        `shop:stock/api@1.0.0` of shop:stock:1.4.0 is of a slice that is not asked for
        `shop:stock/api@1.0.0` of shop:stock:1.0.0 is of a slice that is not asked for
        shop:web:1.0.0: nobody that may provides `shop:stock/api@1.0.0` from shop:stock ^1.5 [unknown-import]
          help: `shop:stock/api@2.0.0` of shop:stock:2.0.0 is of a slice that is not asked for; `shop:stock/api@1.0.0` of shop:stock:1.4.0 is of a slice that is not asked for; `shop:stock/api@1.0.0` of shop:stock:1.0.0 is of a slice that is not asked for; widen the range, or add a version that is in it"#]],
    );
}

#[test]
fn types_decide_within_the_range() {
    check(
        "shop:stock/api@1.0.0 get",
        &[
            "shop:stock:1.0.0: shop:stock/api@1.0.0 get",
            "shop:stock:1.1.0: shop:stock/api@1.1.0 get:u32",
            "shop:stock:1.2.0: shop:stock/api@1.2.0 put",
        ],
        expect![[r#"
            `shop:stock/api@1.2.0` of shop:stock:1.2.0 has no `get`
            `shop:stock/api@1.1.0` of shop:stock:1.1.0 has another `get`
            `shop:stock/api@1.0.0` of shop:stock:1.0.0 fits
            => `shop:stock/api@1.0.0` of shop:stock:1.0.0"#]],
    );
    check(
        "shop:stock/api@1.0.0 get",
        &["shop:stock:1.1.0: shop:stock/api@1.1.0 get:u32"],
        expect![[r#"
            `shop:stock/api@1.1.0` of shop:stock:1.1.0 has another `get`
            shop:web:1.0.0: wants `get: func() -> string` of `shop:stock/api@1.0.0`, but shop:stock:1.1.0 offers `get: func() -> u32` [type-mismatch]
              help: build both slices against the same WIT package"#]],
    );
    check(
        "shop:stock/api@1.0.0 get",
        &["shop:stock:1.2.0: shop:stock/api@1.2.0 put"],
        expect![[r#"
            `shop:stock/api@1.2.0` of shop:stock:1.2.0 has no `get`
            shop:web:1.0.0: wants `get: func() -> string` of `shop:stock/api@1.0.0`, but shop:stock:1.2.0 has no function of that name [type-mismatch]
              help: build both slices against the same WIT package"#]],
    );
}

#[test]
fn what_could_come_from_two_slices_is_asked() {
    let offers = &[
        "shop:stock:1.0.0: shop:stock/api@1.0.0 get",
        "shop:fake-stock:1.0.0: shop:stock/api@1.1.0 get",
    ];
    check(
        "shop:stock/api@1.1.0 get",
        offers,
        expect![[r#"
        `shop:stock/api@1.1.0` of shop:fake-stock:1.0.0 fits
        `shop:stock/api@1.0.0` of shop:stock:1.0.0 is out of the range
        => `shop:stock/api@1.1.0` of shop:fake-stock:1.0.0"#]],
    );
    check(
        "shop:stock/api@1.0.0 get",
        offers,
        expect![[r#"
        `shop:stock/api@1.1.0` of shop:fake-stock:1.0.0 fits
        `shop:stock/api@1.0.0` of shop:stock:1.0.0 fits
        => `shop:stock/api@1.0.0` of shop:stock:1.0.0"#]],
    );
    let offers = &[
        "shop:stock:1.0.0: shop:stock/api@1.1.0 get",
        "shop:fake-stock:1.0.0: shop:stock/api@1.1.0 get",
    ];
    check(
        "shop:stock/api@1.0.0 get",
        offers,
        expect![[r#"
            `shop:stock/api@1.1.0` of shop:stock:1.0.0 fits
            `shop:stock/api@1.1.0` of shop:fake-stock:1.0.0 fits
            shop:web:1.0.0: `shop:stock/api@1.0.0` could come from shop:fake-stock and shop:stock [duplicate-export]
              help: name the slice that is to provide it, or keep one of them"#]],
    );
    check(
        "shop:stock/api@1.0.0 get from shop:stock *",
        offers,
        expect![[r#"
            `shop:stock/api@1.1.0` of shop:stock:1.0.0 fits
            `shop:stock/api@1.1.0` of shop:fake-stock:1.0.0 is of a slice that is not asked for
            => `shop:stock/api@1.1.0` of shop:stock:1.0.0"#]],
    );
}

#[test]
fn nobody_provides_it() {
    check(
        "shop:stock/api@1.0.0 get put",
        &[],
        expect![[r#"
        shop:web:1.0.0: nobody provides `shop:stock/api@1.0.0`, wanted with get: func() -> string; put: func() -> string [unknown-import]
          help: add a slice that exports it to the blueprint"#]],
    );
    check(
        "shop:web/api@1.0.0 get",
        &["shop:web:1.0.0: shop:web/api@1.0.0 get"],
        expect![[r#"
            `shop:web/api@1.0.0` of shop:web:1.0.0 is its own
            shop:web:1.0.0: nobody that may provides `shop:web/api@1.0.0` [unknown-import]
              help: `shop:web/api@1.0.0` of shop:web:1.0.0 is its own; widen the range, or add a version that is in it"#]],
    );
    check(
        "shop:stock/api get",
        &["shop:stock:1.0.0: shop:stock/api@1.0.0 get"],
        expect![[r#"
            `shop:stock/api@1.0.0` of shop:stock:1.0.0 is out of the range
            shop:web:1.0.0: nobody that may provides `shop:stock/api` [unknown-import]
              help: `shop:stock/api@1.0.0` of shop:stock:1.0.0 is out of the range; widen the range, or add a version that is in it"#]],
    );
    check(
        "shop:stock/api get",
        &["shop:stock:1.0.0: shop:stock/api get"],
        expect![[r#"
        `shop:stock/api` of shop:stock:1.0.0 fits
        => `shop:stock/api` of shop:stock:1.0.0"#]],
    );
}

proptest! {
    /// In whatever order they are offered: the same one; and never an older one than another
    /// that fits.
    #[test]
    fn the_order_of_offers_does_not_matter(
        versions in proptest::collection::vec((0u64..3, 0u64..3, 0u64..4), 1..8),
        wanted in (0u64..3, 0u64..3),
    ) {
        let importer: Coordinates = "shop:web:1.0.0".parse().unwrap();
        let wanted = interface(&format!("shop:stock/api@{}.{}.0 get", wanted.0, wanted.1));
        let want = Want { importer: &importer, interface: &wanted, versions: None, slice: None };
        let offer = |(major, minor, slice): &(u64, u64, u64)| {
            let slice: Coordinates = format!("shop:stock:{slice}.0.0").parse().unwrap();
            (slice, interface(&format!("shop:stock/api@{major}.{minor}.0 get")))
        };
        let offers: Vec<_> = versions.iter().map(offer).collect();
        let offers: Vec<_> =
            offers.iter().map(|(slice, interface)| Offer { slice, interface }).collect();
        let show = |r: Resolution<'_>| r.outcome.map(|o| o.to_string()).ok();
        let forward = show(resolve(&want, offers.iter().copied()));
        prop_assert_eq!(&forward, &show(resolve(&want, offers.iter().rev().copied())));
        let version = wanted.name.version().unwrap();
        let range: VersionReq = format!("^{version}").parse().unwrap();
        let best = offers
            .iter()
            .filter(|o| range.matches(o.interface.name.version().unwrap()))
            .max_by_key(|o| (o.interface.name.version(), o.slice));
        prop_assert_eq!(forward, best.map(ToString::to_string));
    }
}
