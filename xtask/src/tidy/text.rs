//! Words that must not stand in any file of the repository, whatever its kind.

use std::path::Path;

use super::Findings;

/// Absolute paths of somebody's machine and hosts of somebody's registry: the project builds
/// anywhere, from whatever registry the person's cargo is configured for.
const FOREIGN: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("files.", "pythonhosted.org"),
    concat!("deb.", "debian.org"),
    concat!("arti", "factory"),
    concat!("spar", "se+"),
];

/// Notes to oneself: welcome while working, refused when it is done.
const UNFINISHED: &[&str] = &[concat!("FIX", "ME"), concat!("TO", "DO"), concat!("XX", "X")];

pub(super) fn check(root: &Path, files: &[String], findings: &mut Findings) -> anyhow::Result<()> {
    for file in files {
        // What is not text (an image, a component) has no words.
        let Ok(text) = String::from_utf8(std::fs::read(root.join(file))?) else { continue };
        for (at, line) in text.lines().enumerate() {
            let mut find = |message: String| {
                findings.add(format_args!("{file}:{}", at + 1), message);
            };
            for word in FOREIGN.iter().filter(|word| line.contains(**word)) {
                find(format!("`{word}` belongs to one machine, not to the project"));
            }
            for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
                find(format!("{word} left: do it, or write an issue"));
            }
        }
    }
    Ok(())
}

/// True if `word` stands in the line on its own.
fn has_word(line: &str, word: &str) -> bool {
    let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    line.match_indices(word).any(|(at, _)| {
        alone(line[..at].chars().next_back()) && alone(line[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn words_are_found_whole() {
        assert!(has_word("a (WORD) b", "WORD"));
        assert!(has_word("WORD", "WORD"));
        assert!(!has_word("SWORDS", "WORD"));
        assert!(!has_word("nothing", "WORD"));
    }
}
