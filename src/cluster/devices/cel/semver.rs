//! Semantic versions (semver.org 2.0.0), strict as the API server reads them, and the relaxed form of `semver(text, true)`.

use std::cmp::Ordering;

/// A version; builds are kept and do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cluster::devices) struct Version {
    pub(super) numbers: [u64; 3],
    /// Identifiers of a pre-release; none for a release.
    before: Vec<Identifier>,
}

/// Numbers come before texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Text(String),
}

impl Version {
    /// Reads `1.2.3-rc.1+build`.
    pub(super) fn read(text: &str) -> Result<Version, String> {
        let wrong = |what: &str| Err(format!("{text:?} is not a semantic version: {what}"));
        let (rest, build) = match text.split_once('+') {
            Some((rest, build)) => (rest, Some(build)),
            None => (text, None),
        };
        let (core, before) = match rest.split_once('-') {
            Some((core, before)) => (core, Some(before)),
            None => (rest, None),
        };
        let parts: Vec<&str> = core.split('.').collect();
        if parts.len() != 3 {
            return wrong("it needs major.minor.patch");
        }
        let mut numbers = [0; 3];
        for (number, part) in numbers.iter_mut().zip(parts) {
            match number_of(part) {
                Some(read) => *number = read,
                None => return wrong("its parts must be numbers without leading zeros"),
            }
        }
        let mut identifiers = Vec::new();
        for part in before.into_iter().flat_map(|before| before.split('.')) {
            if !is_identifier(part) {
                return wrong(
                    "its pre-release has a part that is empty or has other than letters, digits and -",
                );
            }
            identifiers.push(match part.bytes().all(|byte| byte.is_ascii_digit()) {
                false => Identifier::Text(part.to_owned()),
                true => match number_of(part) {
                    Some(number) => Identifier::Number(number),
                    None => return wrong("its pre-release has a number with leading zeros"),
                },
            });
        }
        if build.into_iter().flat_map(|build| build.split('.')).any(|part| !is_identifier(part)) {
            return wrong("its build has a part that is empty or has other than letters, digits and -");
        }
        Ok(Version { numbers, before: identifiers })
    }

    /// The same of `v1.2`: a leading `v` and leading zeros go, missing parts are 0.
    pub(super) fn read_relaxed(text: &str) -> Result<Version, String> {
        let bare = text.strip_prefix('v').unwrap_or(text);
        let mut parts: Vec<String> = bare.splitn(3, '.').map(str::to_owned).collect();
        for part in &mut parts {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let zeros = part.bytes().take(digits.saturating_sub(1)).take_while(|&byte| byte == b'0').count();
            part.drain(..zeros);
        }
        if parts.len() < 3 {
            if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
                return Err(format!(
                    "{text:?} is not a semantic version: a short one has no pre-release and no build"
                ));
            }
            parts.resize(3, "0".to_owned());
        }
        Version::read(&parts.join("."))
    }
}

fn number_of(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain && (text == "0" || !text.starts_with('0')) { text.parse().ok() } else { None }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.before.is_empty(), other.before.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => self.before.cmp(&other.before),
            }
        })
    }
}
