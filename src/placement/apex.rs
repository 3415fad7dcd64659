//! The gang's own domain: comparing the domains that could be the innermost one around it, term by term.

use super::rules::{CostTerm, PlacementRules};

/// Something that candidates are compared by. `Stranded` comes in two steps, since the second is rarely needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    SubgroupTier,
    GangTier,
    Domains,
    /// `Stranded`: slots left.
    Room,
    /// `Stranded`: how full the domain is, then the one around it.
    Share,
    NodeScore,
}

/// The keys in the configured order.
pub(super) fn keys(rules: &PlacementRules) -> Vec<Key> {
    let mut keys = Vec::with_capacity(6);
    for term in &rules.order {
        let new: &[Key] = match term {
            CostTerm::SubgroupTier => &[Key::SubgroupTier],
            CostTerm::GangTier => &[Key::GangTier],
            CostTerm::Domains => &[Key::Domains],
            CostTerm::Stranded => &[Key::Room, Key::Share],
            CostTerm::NodeScore => &[Key::NodeScore],
        };
        if !keys.contains(&new[0]) {
            keys.extend_from_slice(new);
        }
    }
    keys
}

/// The first candidate with the smallest keys. A key that is `None` rules the candidate out; keys are evaluated only as
/// far as needed.
pub(super) fn best(
    keys: &[Key],
    candidates: impl IntoIterator<Item = u32>,
    mut eval: impl FnMut(Key, u32) -> Option<i64>,
) -> Option<u32> {
    let mut best: Option<u32> = None;
    let mut least = [i64::MAX; 8];
    for candidate in candidates {
        let mut values = [0i64; 8];
        let mut ahead = best.is_none();
        let mut behind = false;
        for (at, &key) in keys.iter().enumerate() {
            let Some(value) = eval(key, candidate) else {
                behind = true;
                break;
            };
            values[at] = value;
            if !ahead && value != least[at] {
                ahead = value < least[at];
                behind = !ahead;
            }
            if behind {
                break;
            }
        }
        if ahead && !behind {
            best = Some(candidate);
            least = values;
        }
    }
    best
}
