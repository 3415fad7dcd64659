//! Who is replaced next: outdated replicas, within a budget. The same rule holds for ServingGroups and for the role replicas
//! of one of them. Source: kthena `pkg/model-serving-controller/controller`, section 4.6 of its behaviour.

/// A replica that stays, as far as the rollout is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) ordinal: u32,
    /// Not what the spec asks for now.
    pub(crate) outdated: bool,
    /// It serves.
    pub(crate) available: bool,
    /// The partition keeps it.
    pub(crate) protected: bool,
}

/// The replicas to delete now, in order: those that do not serve first, then the highest ordinals.
///
/// Of those that serve, at least `wanted - max_unavailable` are left: every replica that does not serve counts, protected
/// and new ones too (upstream forgets the protected). Deleting one that does not serve takes nothing away, so that a
/// broken revision can always be replaced; new ones that do not serve slow that down, so that a broken update stops. No
/// `max_unavailable` is no limit.
pub(crate) fn choose(units: &[Unit], wanted: u32, max_unavailable: Option<u32>) -> Vec<u32> {
    let (mut broken, mut serving) = (Vec::new(), Vec::new());
    for unit in units.iter().filter(|unit| unit.outdated && !unit.protected) {
        if unit.available { &mut serving } else { &mut broken }.push(unit.ordinal);
    }
    if let Some(max_unavailable) = max_unavailable {
        let floor = wanted.saturating_sub(max_unavailable) as usize;
        let available = units.iter().filter(|unit| unit.available).count();
        let new_broken = units.iter().filter(|unit| !unit.outdated && !unit.available).count();
        let pace = (units.len() - new_broken).saturating_sub(floor);
        keep_highest(&mut broken, pace);
        keep_highest(&mut serving, available.saturating_sub(floor).min(pace - broken.len()));
    }
    for ordinals in [&mut broken, &mut serving] {
        ordinals.sort_unstable_by_key(|&ordinal| std::cmp::Reverse(ordinal));
    }
    broken.append(&mut serving);
    broken
}

/// Keeps so many of them, without sorting all: where one of thousands has its turn, they are asked each time.
fn keep_highest(ordinals: &mut Vec<u32>, count: usize) {
    if count > 0 && count < ordinals.len() {
        ordinals.select_nth_unstable_by_key(count - 1, |&ordinal| std::cmp::Reverse(ordinal));
    }
    ordinals.truncate(count);
}

/// Is there anything left to replace?
pub(crate) fn in_progress(units: &[Unit]) -> bool {
    units.iter().any(|unit| unit.outdated && !unit.protected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter a replica, ordinals from 0: `O` outdated and available, `o` outdated and not, `N`/`n` new, `P`/`p` outdated
    /// and protected, `-` on its way out.
    fn units(text: &str) -> Vec<Unit> {
        let unit = |(ordinal, letter): (usize, char)| {
            (letter != '-').then(|| Unit {
                ordinal: ordinal as u32,
                outdated: !matches!(letter, 'N' | 'n'),
                available: letter.is_uppercase(),
                protected: matches!(letter, 'P' | 'p'),
            })
        };
        text.chars().enumerate().filter_map(unit).collect()
    }

    fn check(text: &str, wanted: u32, max_unavailable: Option<u32>, expect: &[u32]) {
        assert_eq!(choose(&units(text), wanted, max_unavailable), expect, "{text}");
    }

    /// U41 and U42: how many.
    #[test]
    fn budget() {
        check("NN", 2, Some(1), &[]);
        check("oo", 2, Some(2), &[1, 0]);
        check("OO", 2, Some(1), &[1]);
        check("oooO", 4, Some(2), &[2, 1]);
        check("OOOO", 4, None, &[3, 2, 1, 0]);
        check("OOOO", 4, Some(2), &[3, 2]);
        check("ooOO", 4, Some(2), &[1, 0]);
    }

    /// U43: which.
    #[test]
    fn order() {
        check("", 4, Some(1), &[]);
        check("n", 1, Some(1), &[]);
        check("OOO", 3, None, &[2, 1, 0]);
        check("OoOo", 4, Some(2), &[3, 1]);
        check("OOnN", 4, Some(2), &[1]);
        check("OO-n", 4, Some(2), &[]);
        check("OOOO", 4, Some(0), &[]);
        assert!(in_progress(&units("OO-n")));
        assert!(!in_progress(&units("PNN")));
    }

    /// Surge: what is ready above `wanted` may be traded for what is outdated.
    #[test]
    fn surge() {
        check("OOOOn", 4, Some(0), &[]);
        check("OOOON", 4, Some(0), &[3]);
        check("OOO-N", 4, Some(0), &[]);
    }

    /// Upstream counts new replicas that are down only behind the partition, and takes one too many down here.
    #[test]
    fn protected_replicas_that_are_down_count() {
        check("pPOO", 4, Some(1), &[]);
        check("pPOo", 4, Some(1), &[3]);
        check("ppoo", 4, Some(1), &[3]);
        check("PPOO", 4, Some(1), &[3]);
    }
}
