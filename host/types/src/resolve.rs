//! Which slice satisfies which import, by ranges of versions. Pure; knows no blueprint and no node.

#[cfg(test)]
mod tests;

use crate::code::Code;
use crate::wit::{Interface, Mismatch};
use crate::{Coordinates, InterfaceName, Problem, SliceName};
use semver::VersionReq;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;

/// What a slice imports, and what somebody wants of whoever provides it.
#[derive(Debug, Clone, Copy)]
pub struct Want<'a> {
    pub importer: &'a Coordinates,
    /// With the functions that the importer uses.
    pub interface: &'a Interface,
    /// Which versions of the interface, of those that are compatible with the imported one, as
    /// Cargo and the component model see it; absent: all of them.
    pub versions: Option<&'a VersionReq>,
    /// The slice that must provide it, and which versions of it. Needed where several could.
    pub slice: Option<(&'a SliceName, Option<&'a VersionReq>)>,
}

/// What a slice exports. Several versions of one slice may be there side by side.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    pub slice: &'a Coordinates,
    pub interface: &'a Interface,
}

/// Who provides it, and what became of everybody who offers an interface of that name.
#[derive(Debug, Clone)]
pub struct Resolution<'a> {
    pub outcome: Result<Offer<'a>, Unresolved<'a>>,
    /// In the order in which they are preferred.
    pub considered: Vec<(Offer<'a>, Verdict<'a>)>,
}

/// Why an offer is taken or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It could be taken; the first of these is.
    Fits,
    /// It is the importer's own.
    Own,
    /// Another slice is asked for, or another version of it.
    OtherSlice,
    /// Its version is not one of those that are wanted.
    OutOfRange,
    /// It lacks the function, or has it with other types.
    Differs(Mismatch<'a>),
}

#[derive(Debug, Clone)]
pub enum Unresolved<'a> {
    /// Nobody offers an interface of that name.
    Nobody,
    /// Somebody does; none may be taken.
    NoneWanted,
    /// All that may be taken differ in a function; this is the best of them.
    Differs(Offer<'a>, Mismatch<'a>),
    /// Slices of these names could be taken alike.
    Ambiguous(BTreeSet<&'a SliceName>),
}

/// Finds who provides an import: of all offers that fit, the one with the newest version of the
/// interface, then of the slice. Only the functions that are wanted have to be the same; what is
/// offered may have more. Where several slices could, and one of them offers exactly the imported
/// version, it is that one.
pub fn resolve<'a>(want: &Want<'a>, offers: impl IntoIterator<Item = Offer<'a>>) -> Resolution<'a> {
    let name = &want.interface.name;
    let mut offers: Vec<_> =
        offers.into_iter().filter(|o| o.interface.name.path() == name.path()).collect();
    let rank =
        |o: &Offer<'a>| (Reverse(o.interface.name.version().cloned()), Reverse(o.slice.clone()));
    offers.sort_by_cached_key(rank);
    let verdict = |offer: Offer<'a>| (offer, want.verdict(&offer));
    let considered: Vec<_> = offers.into_iter().map(verdict).collect();
    let fits = considered.iter().filter(|(_, verdict)| *verdict == Verdict::Fits);
    let fits: Vec<Offer<'a>> = fits.map(|(offer, _)| *offer).collect();
    let exact = fits.iter().filter(|offer| offer.interface.name == *name).copied();
    let exact: Vec<Offer<'a>> = exact.collect();
    let outcome = best(&fits).or_else(|names| match best(&exact) {
        Ok(Some(offer)) => Ok(Some(offer)),
        _ => Err(Unresolved::Ambiguous(names)),
    });
    let outcome = outcome.and_then(|best| best.ok_or_else(|| why_nobody(&considered)));
    Resolution { outcome, considered }
}

/// The first, if all are versions of one slice; else the names of the slices.
fn best<'a>(fits: &[Offer<'a>]) -> Result<Option<Offer<'a>>, BTreeSet<&'a SliceName>> {
    let names: BTreeSet<&SliceName> = fits.iter().map(|offer| &offer.slice.slice).collect();
    if names.len() > 1 { Err(names) } else { Ok(fits.first().copied()) }
}

fn why_nobody<'a>(considered: &[(Offer<'a>, Verdict<'a>)]) -> Unresolved<'a> {
    let differs = considered.iter().find_map(|(offer, verdict)| match *verdict {
        Verdict::Differs(mismatch) => Some(Unresolved::Differs(*offer, mismatch)),
        _ => None,
    });
    differs.unwrap_or(match considered.is_empty() {
        true => Unresolved::Nobody,
        false => Unresolved::NoneWanted,
    })
}

impl<'a> Want<'a> {
    fn verdict(&self, offer: &Offer<'a>) -> Verdict<'a> {
        if offer.slice == self.importer {
            return Verdict::Own;
        }
        if let Some((name, versions)) = self.slice
            && (offer.slice.slice != *name
                || versions.is_some_and(|range| !range.matches(&offer.slice.version)))
        {
            return Verdict::OtherSlice;
        }
        if !self.takes(&offer.interface.name) {
            return Verdict::OutOfRange;
        }
        let mismatch = offer.interface.mismatch(self.interface);
        mismatch.map_or(Verdict::Fits, Verdict::Differs)
    }

    /// Whether the version of an interface is one of those that are wanted. One without a version
    /// is the only one of its name, and in no range.
    fn takes(&self, offered: &InterfaceName) -> bool {
        let in_range = |range: &VersionReq| offered.version().is_some_and(|v| range.matches(v));
        offered.serves(&self.interface.name) && self.versions.is_none_or(in_range)
    }

    /// What to tell a person about an import that nobody satisfies; the place is the importer.
    pub fn problem(&self, resolution: &Resolution<'_>) -> Option<Problem> {
        let unresolved = resolution.outcome.as_ref().err()?;
        let name = &self.interface.name;
        let problem = |code, message: String| Problem::new(code, self.importer, message);
        Some(match unresolved {
            Unresolved::Nobody => {
                let functions: Vec<String> =
                    self.interface.functions.iter().map(ToString::to_string).collect();
                let message =
                    format!("nobody provides `{name}`, wanted with {}", functions.join("; "));
                problem(Code::UnknownImport, message)
                    .help("add a slice that exports it to the blueprint")
            }
            Unresolved::NoneWanted => {
                let message = format!("nobody that may provides `{name}`{}", self.wanted());
                let offers = resolution.considered.iter();
                let offers = offers.map(|(offer, verdict)| format!("{offer} {verdict}"));
                let offers = offers.collect::<Vec<_>>().join("; ");
                problem(Code::UnknownImport, message)
                    .help(format!("{offers}; widen the range, or add a version that is in it"))
            }
            Unresolved::Differs(Offer { slice: who, .. }, Mismatch { wanted, offered }) => {
                let offered = match offered {
                    Some(other) => format!("{who} offers `{other}`"),
                    None => format!("{who} has no function of that name"),
                };
                let message = format!("wants `{wanted}` of `{name}`, but {offered}");
                problem(Code::TypeMismatch, message)
                    .help("build both slices against the same WIT package")
            }
            Unresolved::Ambiguous(names) => {
                let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
                problem(Code::DuplicateExport, format!("`{name}` could come from {names}"))
                    .help("name the slice that is to provide it, or keep one of them")
            }
        })
    }

    /// ` in >=1.2, <2 from shop:stock ^1.4`: what is asked for beyond the import itself.
    fn wanted(&self) -> String {
        let versions = self.versions.map(|versions| format!(" in {versions}"));
        let slice = self.slice.map(|(slice, versions)| match versions {
            Some(versions) => format!(" from {slice} {versions}"),
            None => format!(" from {slice}"),
        });
        versions.unwrap_or_default() + &slice.unwrap_or_default()
    }
}

impl fmt::Display for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of {}", self.interface.name, self.slice)
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fits => f.write_str("fits"),
            Self::Own => f.write_str("is its own"),
            Self::OtherSlice => f.write_str("is of a slice that is not asked for"),
            Self::OutOfRange => f.write_str("is out of the range"),
            Self::Differs(Mismatch { wanted, offered }) => {
                let what = if offered.is_none() { "no" } else { "another" };
                write!(f, "has {what} `{}`", wanted.name)
            }
        }
    }
}
