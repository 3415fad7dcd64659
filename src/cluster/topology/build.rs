//! From HyperNodes and nodes to the frozen tree and what is wrong with it.
//!
//! A HyperNode is sound and a domain, or quarantined and no domain at all; so that no gang with a hard rule can ever
//! be placed by it. What a quarantined HyperNode lists is not lost: a node or a sound HyperNode hangs below the
//! lowest sound domain that contains everything that claims it, at worst the root. There is no third state:
//!
//! 1. Faults of a HyperNode itself ([`super::validate`]): cycles, tiers.
//! 2. Members that several list. If the claimants contain each other, the innermost counts. If not, they contradict each
//!    other: all claimants below the lowest domain that contains them all are quarantined. Claims of HyperNodes that are
//!    broken already contest nothing, as a broken object must not take others down. First HyperNodes as members, then
//!    nodes.
//! 3. What is sound is frozen.
//!
//! The answer does not depend on the order of the input.

use super::buckets::Buckets;
use super::finding::{Finding, MemberKind, Sample, Severity};
use super::forest::Forest;
use super::freeze::{Draft, DraftDomain, DraftNode};
use super::validate::{self, Checked};
use super::{Tier, Topology, labels, members};
use crate::api::hyper_node::HyperNodeSpec;
use crate::cluster::ids::NodeId;
use crate::cluster::labels::LabelSet;
use crate::cluster::natural;
use std::collections::{BTreeMap, BTreeSet};

/// A HyperNode, as the builder needs it.
#[derive(Clone, Copy, Debug)]
pub struct HyperNodeInput<'a> {
    /// Its name, which no other has.
    pub name: &'a str,
    /// Tier and members.
    pub spec: &'a HyperNodeSpec,
}

/// A node, as the builder needs it.
#[derive(Clone, Copy, Debug)]
pub struct NodeInput<'a> {
    /// Its id, which no other has.
    pub id: NodeId,
    /// Its name, which no other has.
    pub name: &'a str,
    /// Its labels.
    pub labels: LabelSet<'a>,
}

/// Node labels that make domains where there are no HyperNodes, outermost first.
///
/// The innermost level is tier 1, and a tier's name is its label key. The same value in two domains of the level
/// around it means two domains (upstream's discovery merges them into one; but rack `1` of room `a` is not rack `1` of
/// room `b`), called `<outer>/<value>` to tell them apart. A node that lacks a label hangs below the last level that
/// it has. `kubernetes.io/hostname` may stand last, as upstream demands, and makes no domains: a node is one already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelLevels(pub Vec<String>);

impl Topology {
    /// Builds the tree from the HyperNodes or, if there is none, from the labels of the nodes. Findings come with
    /// what is quarantined first, then by name.
    pub fn build<'a>(
        hyper_nodes: impl IntoIterator<Item = HyperNodeInput<'a>>,
        nodes: impl IntoIterator<Item = NodeInput<'a>>,
        levels: &LabelLevels,
    ) -> (Topology, Vec<Finding>) {
        let mut nodes: Vec<NodeInput<'_>> = nodes.into_iter().collect();
        nodes.sort_by(|a, b| natural::compare(a.name, b.name));
        let mut hyper_nodes: Vec<HyperNodeInput<'_>> = hyper_nodes.into_iter().collect();
        if hyper_nodes.is_empty() {
            return labels::build(&nodes, levels);
        }
        hyper_nodes.sort_by(|a, b| natural::compare(a.name, b.name));

        let mut findings = Vec::new();
        let claims = members::resolve(&hyper_nodes, &nodes, &mut findings);
        let checked = validate::check(&hyper_nodes, &claims.hyper_nodes, &mut findings);
        let claimants = Buckets::new(nodes.len(), claims.nodes.iter().copied());
        let mut settling = Settling::new(&checked);
        settling.settle_hyper_nodes();
        let homes = settling.settle_nodes(&claimants, nodes.len());
        settling.report(&hyper_nodes, &nodes, &mut findings);
        let topology = settling.freeze(&hyper_nodes, &nodes, &claimants, &homes, &mut findings);
        sort_findings(&hyper_nodes, &mut findings);
        (topology, findings)
    }
}

fn sort_findings(hyper_nodes: &[HyperNodeInput<'_>], findings: &mut [Finding]) {
    let rank: BTreeMap<&str, usize> = hyper_nodes.iter().map(|hyper_node| hyper_node.name).zip(0..).collect();
    findings.sort_by_cached_key(|finding| {
        let first = finding.hyper_nodes().first().and_then(|name| rank.get(name)).copied();
        (finding.severity(), first, finding.code())
    });
    debug_assert!(findings.is_sorted_by_key(|finding| finding.severity() > Severity::Quarantined));
}

/// Where everything hangs, and who contradicts whom.
struct Settling<'a> {
    checked: &'a Checked,
    /// All HyperNodes that are not broken in themselves, contested or not.
    forest: Forest,
    /// By HyperNode: its vertex, or, if it is broken, the vertex that its members hang below.
    place: Vec<u32>,
    /// By vertex: contested.
    contested: Vec<bool>,
    conflicts: BTreeMap<(u32, MemberKind), Conflict>,
}

/// Members that a HyperNode shares, and with whom.
#[derive(Default)]
struct Conflict {
    members: Vec<u32>,
    count: usize,
    with: BTreeSet<u32>,
}

impl<'a> Settling<'a> {
    fn new(checked: &'a Checked) -> Self {
        Settling {
            checked,
            forest: Forest::new(),
            place: vec![0; checked.broken.len()],
            contested: vec![false],
            conflicts: BTreeMap::new(),
        }
    }

    fn settle_hyper_nodes(&mut self) {
        let checked = self.checked;
        for group in &checked.order {
            let [at] = group[..] else {
                self.settle_cycle(group);
                continue;
            };
            if checked.cyclic[at as usize] {
                self.settle_cycle(group);
                continue;
            }
            // no exemption for claimants that are contested already: two disputes at once must not hide each other
            let sound = |claimant: u32| !checked.broken[claimant as usize];
            let home = self.settle((at, MemberKind::HyperNode), checked.parents.get(at), sound);
            self.place[at as usize] = if sound(at) {
                self.contested.push(false);
                self.forest.add(home)
            } else {
                home
            };
        }
    }

    /// What a cycle contains hangs below whatever contains all of the cycle; nobody is to blame for that but
    /// the cycle.
    fn settle_cycle(&mut self, group: &[u32]) {
        let outside = group
            .iter()
            .flat_map(|&at| self.checked.parents.get(at))
            .filter(|parent| group.binary_search(parent).is_err());
        let home = outside.map(|&parent| self.place[parent as usize]).reduce(|a, b| self.forest.common(a, b));
        for &at in group {
            self.place[at as usize] = home.unwrap_or(0);
        }
    }

    /// The vertex of each node.
    fn settle_nodes(&mut self, claimants: &Buckets, nodes: usize) -> Vec<u32> {
        let sound: Vec<bool> = (0..self.place.len()).map(|at| self.is_sound(at as u32)).collect();
        let sound = |claimant: u32| sound[claimant as usize];
        (0..nodes as u32)
            .map(|node| self.settle((node, MemberKind::Node), claimants.get(node), sound))
            .collect()
    }

    /// The vertex that a member hangs below. Sound claimants that contradict each other become contested.
    fn settle(&mut self, member: (u32, MemberKind), claimants: &[u32], sound: impl Fn(u32) -> bool) -> u32 {
        match claimants {
            [] => return 0,
            [one] => return self.place[*one as usize],
            _ => {}
        }
        let blame = claimants.iter().any(|&claimant| sound(claimant));
        let counted: Vec<u32> =
            claimants.iter().copied().filter(|&claimant| !blame || sound(claimant)).collect();
        let vertex = |claimant: u32| self.place[claimant as usize];
        let depth = |claimant: u32| self.forest.depth(vertex(claimant));
        let innermost =
            counted.iter().copied().map(vertex).max_by_key(|&vertex| self.forest.depth(vertex)).unwrap_or(0);
        let beside = counted
            .iter()
            .copied()
            .map(vertex)
            .filter(|&vertex| self.forest.common(vertex, innermost) != vertex);
        let Some(home) = beside.reduce(|a, b| self.forest.common(a, b)) else { return innermost };
        let home = self.forest.common(home, innermost);
        if blame {
            let below = self.forest.depth(home);
            let rivals: Vec<u32> = counted.into_iter().filter(|&claimant| depth(claimant) > below).collect();
            self.contest(member, &rivals);
        }
        home
    }

    fn contest(&mut self, (member, kind): (u32, MemberKind), rivals: &[u32]) {
        for &rival in rivals {
            self.contested[self.place[rival as usize] as usize] = true;
            let conflict = self.conflicts.entry((rival, kind)).or_default();
            if conflict.members.len() < 3 {
                conflict.members.push(member);
            }
            conflict.count += 1;
            // the first four of all: enough to name three and to know of others
            conflict.with.extend(rivals.iter().filter(|&&other| other != rival).take(4));
            while conflict.with.len() > 4 {
                conflict.with.pop_last();
            }
        }
    }

    fn is_sound(&self, hyper_node: u32) -> bool {
        !self.checked.broken[hyper_node as usize] && !self.contested[self.place[hyper_node as usize] as usize]
    }

    fn report(
        &self,
        hyper_nodes: &[HyperNodeInput<'_>],
        nodes: &[NodeInput<'_>],
        findings: &mut Vec<Finding>,
    ) {
        for (&(hyper_node, kind), conflict) in &self.conflicts {
            let name = |&at: &u32| -> Box<str> {
                match kind {
                    MemberKind::Node => nodes[at as usize].name.into(),
                    MemberKind::HyperNode => hyper_nodes[at as usize].name.into(),
                }
            };
            let with = conflict.with.iter().map(|&other| hyper_nodes[other as usize].name.into()).collect();
            findings.push(Finding::SharedMembers {
                hyper_node: hyper_nodes[hyper_node as usize].name.into(),
                kind,
                members: Sample { first: conflict.members.iter().map(name).collect(), count: conflict.count },
                with,
            });
        }
    }

    fn freeze(
        &self,
        hyper_nodes: &[HyperNodeInput<'_>],
        nodes: &[NodeInput<'_>],
        claimants: &Buckets,
        homes: &[u32],
        findings: &mut Vec<Finding>,
    ) -> Topology {
        // by vertex: the lowest that is not contested, itself or around it
        let mut lowest: Vec<u32> = Vec::with_capacity(self.forest.len());
        for vertex in 0..self.forest.len() as u32 {
            let contested = self.contested[vertex as usize];
            lowest.push(if contested { lowest[self.forest.parent(vertex) as usize] } else { vertex });
        }
        let sound: Vec<u32> = (0..hyper_nodes.len() as u32).filter(|&at| self.is_sound(at)).collect();
        let mut domain_of: Vec<Option<u32>> = vec![None; self.forest.len()];
        for (&at, domain) in sound.iter().zip(0..) {
            domain_of[self.place[at as usize] as usize] = Some(domain);
        }
        let domain = |vertex: u32| domain_of[lowest[vertex as usize] as usize];

        let in_quarantine = self.in_quarantine();
        let mut draft = Draft::default();
        draft.other_tiers.extend(hyper_nodes.iter().filter_map(validate::tier));
        let mut names: BTreeMap<&str, BTreeMap<Tier, &str>> = BTreeMap::new();
        for &at in &sound {
            let HyperNodeInput { name, spec } = hyper_nodes[at as usize];
            let tier = validate::tier(&hyper_nodes[at as usize]).expect("those without a tier are broken");
            let parent = domain(self.forest.parent(self.place[at as usize]));
            draft.domains.push(DraftDomain { name: name.into(), tier, parent });
            if !spec.tier_name.is_empty() {
                names.entry(&spec.tier_name).or_default().entry(tier).or_insert(name);
            }
        }
        for (node, at) in nodes.iter().zip(0..) {
            let quarantined = claimants.get(at).iter().any(|&claimant| in_quarantine[claimant as usize]);
            draft.nodes.push(DraftNode { id: node.id, domain: domain(homes[at as usize]), quarantined });
        }
        for (name, tiers) in names {
            if tiers.len() > 1 {
                let tiers = tiers.into_iter().map(|(tier, hyper_node)| (tier, hyper_node.into())).collect();
                findings.push(Finding::AmbiguousTierName { name: name.into(), tiers });
            } else {
                draft.tier_names.extend(tiers.into_keys().map(|tier| (name.into(), tier)));
            }
        }
        draft.freeze()
    }

    /// By HyperNode: is it, or anything that contains it, quarantined?
    fn in_quarantine(&self) -> Vec<bool> {
        let mut in_quarantine: Vec<bool> =
            (0..self.place.len() as u32).map(|at| !self.is_sound(at)).collect();
        for &at in self.checked.order.iter().flatten() {
            let around = self.checked.parents.get(at);
            in_quarantine[at as usize] |= around.iter().any(|&parent| in_quarantine[parent as usize]);
        }
        in_quarantine
    }
}
