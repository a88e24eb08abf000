//! Two versions of an application that call each other: who provides what, and what is refused.

use super::world::{application, descriptions, slices};
use crate::check_mix;
use aether_types::Digest;
use aether_types::checked::Checked;
use expect_test::{Expect, expect};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// Both versions: slices, and a blueprint that wants something of `shop:orders`, the first one.
fn check([old, new]: [(&str, &str); 2], expect: Expect) {
    let mut known = descriptions(&[]);
    let mut of = |(text, blueprint): (&str, &str), apart: u8| {
        let slices = slices(text);
        let application = application("shop", &slices, blueprint);
        let mut checked = crate::check(&application, &descriptions(&slices), []).unwrap();
        // The bytes of two versions are different ones.
        let other = |digest: Digest| Digest(digest.0.map(|byte| byte + apart));
        checked.slices.iter_mut().for_each(|slice| slice.digest = other(slice.digest));
        known.extend(descriptions(&slices).into_iter().map(|(d, of)| (other(d), of)));
        checked
    };
    let (old, new) = (of(old, 0), of(new, 100));
    let mut lines: Vec<String> = [(&old, &new), (&new, &old)].map(edges).concat();
    lines.extend(check_mix([&old, &new], &known).err().map(|problems| problems.to_string()));
    expect.assert_eq(&lines.join("\n"));
}

fn edges((from, to): (&Checked, &Checked)) -> Vec<String> {
    let edge = |edge: &aether_types::checked::Edge| {
        let other = match to.provider(edge) {
            Some((slice, called)) => format!("or {called} of {}", slice.coordinates),
            None => "only".to_string(),
        };
        format!("{} calls {} {other}", edge.importer, edge.exporter)
    };
    from.edges.iter().map(edge).collect()
}

/// `shop:orders`, which imports the interface, beside those who offer one.
fn version(number: u32, imports: &str, others: &[&str]) -> String {
    let mut text = format!(
        "shop:orders:{number}.0.0
        export shop:orders/place@1.0.0 {{ place() }}
        import shop:stock/check@{imports}"
    );
    for other in others {
        let (slice, exports) = other.split_once(' ').unwrap();
        text += &format!("\n---\n{slice}\nexport shop:stock/check@{exports}");
    }
    text
}

const U32: &str = "1.0.0 { check() -> u32 }";

#[test]
fn a_compatible_interface_of_the_other_version_is_called_too() {
    let old = version(1, U32, &["shop:stock:1.0.0 1.0.0 { check() -> u32 }"]);
    let new = |import: &str, offers: &[&str]| version(2, import, offers);
    check(
        [(&old, ""), (&new(U32, &["shop:stock:2.0.0 1.2.0 { check() -> u32; more() }"]), "")],
        expect![[r#"
            shop:orders:1.0.0 calls shop:stock:1.0.0 or shop:stock/check@1.2.0 of shop:stock:2.0.0
            shop:orders:2.0.0 calls shop:stock:2.0.0 or shop:stock/check@1.0.0 of shop:stock:1.0.0"#]],
    );
    // What was added later is not in the version before.
    let later = "1.2.0 { check() -> u32; more() }";
    check(
        [(&old, ""), (&new(later, &["shop:stock:2.0.0 1.2.0 { check() -> u32; more() }"]), "")],
        expect![[r#"
            shop:orders:1.0.0 calls shop:stock:1.0.0 or shop:stock/check@1.2.0 of shop:stock:2.0.0
            shop:orders:2.0.0 calls shop:stock:2.0.0 only"#]],
    );
    let next = "2.0.0 { check() -> u32 }";
    check(
        [(&old, ""), (&new(next, &["shop:stock:2.0.0 2.0.0 { check() -> u32 }"]), "")],
        expect![[r#"
            shop:orders:1.0.0 calls shop:stock:1.0.0 only
            shop:orders:2.0.0 calls shop:stock:2.0.0 only"#]],
    );
}

#[test]
fn who_provides_it_there_is_chosen_as_within_a_version() {
    let old = version(1, U32, &["shop:stock:1.0.0 1.0.0 { check() -> u32 }"]);
    let both = [
        "shop:stock:2.0.0 1.1.0 { check() -> u32 }",
        "shop:adapter:2.0.0 1.0.0 { check() -> u32 }",
    ];
    check(
        [(&old, ""), (&version(2, U32, &both), "")],
        expect![[r#"
            shop:orders:1.0.0 calls shop:stock:1.0.0 or shop:stock/check@1.0.0 of shop:adapter:2.0.0
            shop:orders:2.0.0 calls shop:adapter:2.0.0 or shop:stock/check@1.0.0 of shop:stock:1.0.0"#]],
    );
    let newer = [
        "shop:stock:2.0.0 1.1.0 { check() -> u32 }",
        "shop:adapter:2.0.0 1.2.0 { check() -> u32 }",
    ];
    let wish = |wish: &str| {
        format!(
            "[[slices]]\nartifact = \"shop:orders:2.0.0\"\n\
             [slices.dependencies.\"shop:stock/check\"]\n{wish}\n\
             [[slices]]\nartifact = \"shop:stock:2.0.0\"\n\
             [[slices]]\nartifact = \"shop:adapter:2.0.0\"\n"
        )
    };
    check(
        [(&old, ""), (&version(2, U32, &newer), &wish("slice = \"shop:adapter\""))],
        expect![[r#"
            shop:orders:1.0.0 calls shop:stock:1.0.0 or shop:stock/check@1.1.0 of shop:stock:2.0.0
            shop:orders:2.0.0 calls shop:adapter:2.0.0 only"#]],
    );
}

#[test]
fn none_provides_its_own_import_in_whatever_version() {
    let front = |number: u32| {
        format!(
            "shop:front:{number}.0.0
            export shop:stock/check@1.1.0 {{ check() -> u32 }}
            import shop:stock/check@1.0.0 {{ check() -> u32 }}
            ---
            shop:stock:{number}.0.0
            export shop:stock/check@1.0.0 {{ check() -> u32 }}"
        )
    };
    check(
        [(&front(1), ""), (&front(2), "")],
        expect![[r#"
            shop:front:1.0.0 calls shop:stock:1.0.0 or shop:stock/check@1.0.0 of shop:stock:2.0.0
            shop:front:2.0.0 calls shop:stock:2.0.0 or shop:stock/check@1.0.0 of shop:stock:1.0.0"#]],
    );
}

#[test]
fn versions_that_call_each_other_must_agree() {
    let old = version(1, U32, &["shop:stock:1.0.0 1.0.0 { check() -> u32 }"]);
    let other =
        version(2, "1.0.0 { check() -> u64 }", &["shop:stock:2.0.0 1.0.0 { check() -> u64 }"]);
    check(
        [(&old, ""), (&other, "")],
        expect![[r#"
        shop:orders:1.0.0 calls shop:stock:1.0.0 or shop:stock/check@1.0.0 of shop:stock:2.0.0
        shop:orders:2.0.0 calls shop:stock:2.0.0 or shop:stock/check@1.0.0 of shop:stock:1.0.0
        shop:orders:1.0.0: wants `check: func() -> u32` of `shop:stock/check@1.0.0`, but shop:stock:2.0.0 offers `check: func() -> u64` [type-mismatch]
          help: build both slices against the same WIT package
        shop:orders:2.0.0: wants `check: func() -> u64` of `shop:stock/check@1.0.0`, but shop:stock:1.0.0 offers `check: func() -> u32` [type-mismatch]
          help: build both slices against the same WIT package"#]],
    );
    // Its author calls it compatible, and it is not.
    let newer =
        version(2, "1.1.0 { check() -> u64 }", &["shop:stock:2.0.0 1.1.0 { check() -> u64 }"]);
    check(
        [(&old, ""), (&newer, "")],
        expect![[r#"
        shop:orders:1.0.0 calls shop:stock:1.0.0 or shop:stock/check@1.1.0 of shop:stock:2.0.0
        shop:orders:2.0.0 calls shop:stock:2.0.0 only
        shop:orders:1.0.0: wants `check: func() -> u32` of `shop:stock/check@1.0.0`, but shop:stock:2.0.0 offers `check: func() -> u64` [type-mismatch]
          help: build both slices against the same WIT package"#]],
    );
    let without = version(2, "1.1.0 { more() }", &["shop:stock:2.0.0 1.1.0 { more() }"]);
    check(
        [(&old, ""), (&without, "")],
        expect![[r#"
        shop:orders:1.0.0 calls shop:stock:1.0.0 or shop:stock/check@1.1.0 of shop:stock:2.0.0
        shop:orders:2.0.0 calls shop:stock:2.0.0 only
        shop:orders:1.0.0: wants `check: func() -> u32` of `shop:stock/check@1.0.0`, but shop:stock:2.0.0 has no function of that name [type-mismatch]
          help: build both slices against the same WIT package"#]],
    );
}
