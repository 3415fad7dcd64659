//! Domains from node labels, for clusters without HyperNodes; see [`LabelLevels`].

use super::finding::{Finding, LevelFault, Sample};
use super::freeze::{Draft, DraftDomain, DraftNode};
use super::{LabelLevels, NodeInput, Tier, Topology};
use crate::api::keys;
use crate::cluster::natural;
use rustc_hash::FxHashMap;

/// Builds the tree; nodes are in natural order.
pub(super) fn build(nodes: &[NodeInput<'_>], levels: &LabelLevels) -> (Topology, Vec<Finding>) {
    let mut findings = Vec::new();
    let keys = usable(levels, &mut findings);

    let mut domains: Vec<Domain<'_>> = Vec::new();
    let mut index: FxHashMap<(Option<u32>, &str), u32> = FxHashMap::default();
    let mut missing = vec![Sample::default(); keys.len()];
    let mut homes = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut home = None;
        for ((level, key), missing) in keys.iter().enumerate().zip(&mut missing) {
            // an empty value names nothing
            let Some(value) = node.labels.get(key).filter(|value| !value.is_empty()) else {
                missing.push(node.name);
                break;
            };
            let domain = *index.entry((home, value)).or_insert_with(|| {
                domains.push(Domain { value, level, parent: home });
                domains.len() as u32 - 1
            });
            home = Some(domain);
        }
        homes.push(home);
    }
    for (key, nodes) in keys.iter().zip(missing) {
        if nodes.count > 0 {
            findings.push(Finding::MissingLabel { key: (*key).into(), nodes });
        }
    }

    let names = names(&domains);
    let mut order: Vec<u32> = (0..domains.len() as u32).collect();
    order.sort_by(|&a, &b| natural::compare(domains[a as usize].value, domains[b as usize].value));
    let mut rank = vec![0; domains.len()];
    for (&at, place) in order.iter().zip(0..) {
        rank[at as usize] = place;
    }
    let tier = |level: usize| (keys.len() - level) as Tier;
    let mut draft = Draft::default();
    for at in order {
        let domain = &domains[at as usize];
        let parent = domain.parent.map(|parent| rank[parent as usize]);
        let name = names[at as usize].clone();
        draft.domains.push(DraftDomain { name, tier: tier(domain.level), parent });
    }
    draft.nodes.extend(nodes.iter().zip(homes).map(|(node, home)| {
        let domain = home.map(|home| rank[home as usize]);
        DraftNode { id: node.id, domain, quarantined: false }
    }));
    draft.other_tiers.extend((0..keys.len()).map(tier));
    draft.tier_names = keys.iter().enumerate().map(|(level, &key)| (key.into(), tier(level))).collect();
    (draft.freeze(), findings)
}

struct Domain<'a> {
    value: &'a str,
    level: usize,
    parent: Option<u32>,
}

/// The label keys that make levels.
fn usable<'a>(levels: &'a LabelLevels, findings: &mut Vec<Finding>) -> Vec<&'a str> {
    let mut keys: Vec<&str> = Vec::new();
    for (level, key) in levels.0.iter().map(String::as_str).enumerate() {
        let last = level + 1 == levels.0.len();
        let fault = if key.is_empty() {
            LevelFault::Empty
        } else if keys.contains(&key) {
            LevelFault::Repeated
        } else if key == keys::HOSTNAME && !last {
            LevelFault::HostnameNotLast
        } else {
            if key != keys::HOSTNAME {
                keys.push(key);
            }
            continue;
        };
        findings.push(Finding::BadLevel { level, key: key.into(), fault });
    }
    keys
}

/// The label's value where it is unique within its level, else `<name of the domain around it>/<value>`.
fn names(domains: &[Domain<'_>]) -> Vec<Box<str>> {
    let mut uses: FxHashMap<(usize, &str), u32> = FxHashMap::default();
    for domain in domains {
        *uses.entry((domain.level, domain.value)).or_default() += 1;
    }
    let mut names: Vec<Box<str>> = Vec::with_capacity(domains.len());
    // a domain is made after the one around it
    for domain in domains {
        let name = match domain.parent {
            Some(parent) if uses[&(domain.level, domain.value)] > 1 => {
                format!("{}/{}", names[parent as usize], domain.value).into()
            }
            _ => domain.value.into(),
        };
        names.push(name);
    }
    names
}
