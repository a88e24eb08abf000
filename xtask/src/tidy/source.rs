//! Rules for one Rust file: header, width, attributes, sizes. Never looks across files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::Findings;

const COLUMNS_MAX: usize = 100;

/// Lines of every file and function, and which files are part of others.
#[derive(Default)]
pub(super) struct Sizes {
    pub(super) files: BTreeMap<String, usize>,
    pub(super) functions: BTreeMap<String, usize>,
    modules: BTreeSet<String>,
}

/// Checks every `.rs` file and measures it.
pub(super) fn check(
    root: &Path,
    files: &[String],
    findings: &mut Findings,
) -> anyhow::Result<Sizes> {
    let mut sizes = Sizes::default();
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        let text = std::fs::read_to_string(root.join(file)).with_context(|| file.clone())?;
        check_file(file, &text, &mut sizes, findings);
    }
    check_modules(files, &sizes.modules, findings);
    Ok(sizes)
}

/// A file that no other one names is not compiled: its tests pass for ever.
fn check_modules(files: &[String], modules: &BTreeSet<String>, findings: &mut Findings) {
    let is_root = |file: &str| {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let (above, folder) = folder.rsplit_once('/').unwrap_or(("", folder));
        matches!(name, "lib.rs" | "main.rs" | "build.rs")
            || folder == "bin"
            || matches!(folder, "tests" | "examples" | "benches") && !above.ends_with("src")
    };
    let sources = files.iter().filter(|file| file.ends_with(".rs") && !is_root(file));
    for file in sources.filter(|file| !modules.contains(*file)) {
        findings.add(file, "no `mod` names it, so it is not compiled");
    }
}

/// Where a module of a file can be.
fn module_files(file: &str, module: &str) -> [String; 2] {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let stem = name.trim_end_matches(".rs");
    [format!("{folder}/{module}.rs"), format!("{folder}/{stem}/{module}.rs")]
}

fn check_file(file: &str, text: &str, sizes: &mut Sizes, findings: &mut Findings) {
    sizes.files.insert(file.to_owned(), text.lines().count());
    check_lines(file, text, findings);
    match syn::parse_file(text) {
        Ok(parsed) => {
            let mut reader = Reader { file, scope: vec![], sizes, findings };
            reader.visit_file(&parsed);
        }
        Err(error) => findings.add(format_args!("{file}:{}", error.span().start().line), error),
    }
}

fn check_lines(file: &str, text: &str, findings: &mut Findings) {
    if !text.starts_with("//! ") {
        findings.add(file, "the first line must be `//! what it owns, what it must never know`");
    }
    if file.ends_with("/mod.rs") {
        findings.add(file, "use `foo.rs` beside `foo/`, not mod.rs");
    }
    let mut quoted = BTreeSet::new();
    if let Ok(tokens) = text.parse() {
        wide_literals(tokens, &mut quoted);
    }
    for (at, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS_MAX && !quoted.contains(&(at + 1)) {
            let place = format!("{file}:{}", at + 1);
            findings.add(place, format_args!("{columns} columns, at most {COLUMNS_MAX}"));
        }
    }
}

/// Lines with a part of a literal on them: rustfmt folds the code around it, and what a program
/// says is not folded.
fn wide_literals(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => wide_literals(group.stream(), lines),
            // A doc comment is a literal to the compiler; here it is a comment.
            TokenTree::Literal(it) if it.span().source_text().is_some_and(is_comment) => {}
            TokenTree::Literal(it) => lines.extend(it.span().start().line..=it.span().end().line),
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

fn is_comment(text: String) -> bool {
    text.starts_with('/')
}

/// Walks one file, knowing in which module, type and function it is.
struct Reader<'a> {
    file: &'a str,
    scope: Vec<String>,
    sizes: &'a mut Sizes,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn find(&mut self, span: Span, message: &str) {
        self.findings.add(format_args!("{}:{}", self.file, span.start().line), message);
    }

    fn within(&mut self, name: String, walk: impl FnOnce(&mut Self)) {
        self.scope.push(name);
        walk(self);
        self.scope.pop();
    }

    /// Notes the lines of a function, from its signature to its closing brace.
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let lines =
            block.brace_token.span.close().end().line - signature.fn_token.span.start().line + 1;
        let name = format!("{}::{}", self.file, self.scope.join("::"));
        let entry = self.sizes.functions.entry(name).or_default();
        *entry = lines.max(*entry);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_none() {
            self.sizes.modules.extend(module_files(self.file, &item.ident.to_string()));
        }
        self.within(item.ident.to_string(), |this| visit::visit_item_mod(this, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        self.within(name.unwrap_or_else(|| "impl".into()), |this| {
            visit::visit_item_impl(this, item);
        });
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.within(item.sig.ident.to_string(), |this| {
            this.measure(&item.sig, &item.block);
            visit::visit_item_fn(this, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.within(item.sig.ident.to_string(), |this| {
            this.measure(&item.sig, &item.block);
            visit::visit_impl_item_fn(this, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.within(item.sig.ident.to_string(), |this| {
            if let Some(block) = &item.default {
                this.measure(&item.sig, block);
            }
            visit::visit_trait_item_fn(this, item);
        });
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("allow") {
            self.find(
                attribute.pound_token.span,
                "use `#[expect(lint, reason = \"…\")]`, not `allow`",
            );
        }
        if attribute.path().is_ident("ignore") {
            self.find(attribute.pound_token.span, "no test is ignored: repair it or delete it");
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{Findings, Sizes, check_file, check_modules};

    fn check(text: &str, expect: Expect) {
        let (mut sizes, mut findings) = (Sizes::default(), Findings::default());
        check_file("a.rs", text, &mut sizes, &mut findings);
        let functions = sizes.functions.iter().map(|(name, lines)| format!("{name} {lines}\n"));
        let found = findings.0.iter().map(|line| format!("{line}\n"));
        expect.assert_eq(&functions.chain(found).collect::<String>());
    }

    #[test]
    fn functions_are_measured_from_signature_to_brace() {
        check(
            "//! a\n/// doc\nfn f(\n) {\n}\nimpl A {\n fn g() {}\n}\nmod m { fn f() {} }\n",
            expect![[r#"
                a.rs::A::g 1
                a.rs::f 3
                a.rs::m::f 1
            "#]],
        );
    }

    #[test]
    fn a_file_that_is_no_module_is_found() {
        let (mut sizes, mut findings) = (Sizes::default(), Findings::default());
        check_file("a/src/lib.rs", "//! a\nmod one;\n", &mut sizes, &mut findings);
        check_file("a/src/one.rs", "//! a\nmod two;\n", &mut sizes, &mut findings);
        let files = [
            "a/src/lib.rs",
            "a/src/one.rs",
            "a/src/one/two.rs",
            "a/src/one/three.rs",
            "a/src/tests/four.rs",
            "a/tests/five.rs",
            "a/tests/it/main.rs",
            "a/tests/it/six.rs",
        ];
        check_modules(&files.map(str::to_owned), &sizes.modules, &mut findings);
        expect![[r#"
            a/src/one/three.rs: no `mod` names it, so it is not compiled
            a/src/tests/four.rs: no `mod` names it, so it is not compiled
            a/tests/it/six.rs: no `mod` names it, so it is not compiled"#]]
        .assert_eq(&findings.0.join("\n"));
    }

    #[test]
    fn what_is_refused() {
        check(
            "fn f() {}",
            expect![[r#"
            a.rs::f 1
            a.rs: the first line must be `//! what it owns, what it must never know`
        "#]],
        );
        check(
            "//! a\n#[allow(unused)]\n#[test]\n#[ignore]\nfn f() {}",
            expect![[r#"
            a.rs::f 1
            a.rs:2: use `#[expect(lint, reason = "…")]`, not `allow`
            a.rs:4: no test is ignored: repair it or delete it
        "#]],
        );
        check(
            "//! a\nfn f( {",
            expect![[r#"
            a.rs:2: cannot parse string into token stream
        "#]],
        );
    }

    #[test]
    fn comments_are_folded_and_strings_are_not() {
        let wide = "w".repeat(100);
        check(
            &format!("//! a\n// {wide}\n/// {wide}\nfn f() {{}}\n"),
            expect![[r#"
            a.rs::f 1
            a.rs:2: 103 columns, at most 100
            a.rs:3: 104 columns, at most 100
        "#]],
        );
        check(&format!("//! a\nconst A: &str = \"{wide}\";\n"), expect![""]);
    }
}
