//! The gang's own domain: comparing the domains that could be the innermost one around it, term by term.

use super::fill::Share;
use super::rules::{CostTerm, PlacementRules};
use super::{Context, cost};

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

/// [`Key::Share`] of a candidate with these slots by domain. Where one of the domains inside has all of its slots,
/// every placement lies in that one, which is as good in all keys before: it is the one to be compared.
pub(super) fn share(context: &Context<'_>, share: &Share<'_>, slots: &[u64], domain: u32) -> i64 {
    let is_all = |child: u32| slots[child as usize] == slots[domain as usize] && context.may_use(child);
    if context.tree.children(domain).any(is_all) {
        return i64::MAX;
    }
    cost::shares(context, share, domain)
}

/// The first candidate with the smallest keys. A key that is `None` rules a candidate out; only `Domains` may be `None`.
/// Keys are evaluated one after the other, each for those candidates only that the keys before it left.
pub(super) fn best(
    keys: &[Key],
    candidates: impl Iterator<Item = u32> + Clone,
    pad: &mut Vec<u32>,
    mut eval: impl FnMut(Key, u32) -> Option<i64>,
) -> Option<u32> {
    let last = keys.iter().position(|&key| key == Key::Domains).map_or(0, |at| at + 1);
    let mut ruled_out: Vec<u32> = Vec::new();
    loop {
        let out_before = ruled_out.len();
        pad.clear();
        pad.extend(candidates.clone().filter(|candidate| !ruled_out.contains(candidate)));
        for (at, &key) in keys.iter().enumerate() {
            if pad.len() <= 1 && at >= last {
                break;
            }
            let mut least = i64::MAX;
            let mut kept = 0;
            for index in 0..pad.len() {
                let candidate = pad[index];
                let Some(value) = eval(key, candidate) else {
                    ruled_out.push(candidate);
                    continue;
                };
                if value < least {
                    (least, kept) = (value, 0);
                }
                if value == least {
                    pad[kept] = candidate;
                    kept += 1;
                }
            }
            pad.truncate(kept);
        }
        // If all with the smallest keys so far were ruled out, the others get their turn.
        if !pad.is_empty() || ruled_out.len() == out_before {
            return pad.first().copied();
        }
    }
}
