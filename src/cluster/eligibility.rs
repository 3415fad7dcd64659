//! Which nodes a constraint allows: cordon, readiness, taints, node selector, required node affinity; and which of
//! them it prefers. Static with respect to other pods.
//!
//! Two interned worlds meet here. **Constraints** are what pods say about nodes. **Profiles** are what constraints can
//! tell apart in nodes: taints, cordon, readiness, and label values, where a value that no constraint mentions is just
//! "some other value". So 10,000 nodes that differ in their unmentioned labels share a profile, and one verdict per
//! constraint and profile, computed once and kept, answers for all of them:
//!
//! ```text
//! node -> profile   (a column)
//! constraint -> [verdict by profile]   (a row)
//! ```
//!
//! A constraint that mentions a value for the first time splits the profiles of the nodes that carry it. Node names
//! and `kubernetes.io/hostname` would split every node off, so they stay out of profiles: a constraint that mentions
//! some has exceptions for just these nodes. What no pod demands any more is forgotten from time to time (`sweep`).
//! Owned by [`super::Cluster`].

mod constraint;
mod nodes;
#[cfg(test)]
mod reference;
mod sweep;
#[cfg(test)]
mod tests;

use super::cause::Cause;
use super::ids::{ConstraintId, NodeId, TextId};
use super::slab::Interner;
use super::text::Texts;
use crate::api::core::{Node, NodeSelector, PodSpec};
use constraint::{Builder, Constraint, Subject};
use nodes::{NO_PROFILE, Nodes};
use rustc_hash::FxHashMap;

/// What an untolerated `PreferNoSchedule` taint costs in [`Eligibility::preference`]: as much as the strongest
/// preferred term can give.
pub const SOFT_TAINT_PENALTY: i32 = 100;

/// Verdicts by constraint and node.
#[derive(Debug)]
pub struct Eligibility {
    texts: Texts,
    nodes: Nodes,
    constraints: Interner<Constraint>,
    /// By constraint.
    rows: Vec<Verdicts>,
    /// Constraints that mention a node name or host name, by column and text.
    mentions: FxHashMap<(u32, TextId), Vec<ConstraintId>>,
    /// Constraints that compare host names as numbers: every node is an exception.
    numeric: Vec<ConstraintId>,
}

/// What a constraint says to every profile, and to single nodes that it mentions by name.
#[derive(Debug, Default)]
struct Verdicts {
    by_profile: Vec<Verdict>,
    /// Ascending by node.
    exceptions: Vec<(NodeId, Verdict)>,
    has_preferences: bool,
}

/// What a constraint says to a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Verdict {
    cause: Option<Cause>,
    preference: i32,
}

/// One constraint's verdicts, with the look-up of the constraint done: hoist it out of loops over nodes.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    verdicts: &'a Verdicts,
    profiles: &'a [u32],
}

impl Default for Eligibility {
    fn default() -> Self {
        let mut texts = Texts::default();
        let nodes = Nodes::new(&mut texts);
        let mut eligibility = Eligibility {
            texts,
            nodes,
            constraints: Interner::default(),
            rows: Vec::new(),
            mentions: FxHashMap::default(),
            numeric: Vec::new(),
        };
        let none = eligibility.intern(&PodSpec::default());
        debug_assert_eq!(none, ConstraintId(0));
        eligibility
    }
}

impl Eligibility {
    /// Adds or updates a node. `true` if what it allows may have changed; the caller then says so to
    /// [`super::capacity::Capacity::touch`]. A repeated status update costs one comparison of labels and taints.
    pub fn set_node(&mut self, node: NodeId, object: &Node) -> bool {
        let Some(old) = self.nodes.update(node, object, &mut self.texts) else { return false };
        let before = self.nodes.profile(node);
        self.settle_profile(node, None);
        let mut moved = before != self.nodes.profile(node);
        for (column, value) in old.into_iter().chain(self.nodes.identity(node)) {
            for constraint in self.mentions.get(&(column, value)).cloned().unwrap_or_default() {
                moved |= self.settle_exception(constraint, node);
            }
        }
        for constraint in self.numeric.clone() {
            moved |= self.settle_exception(constraint, node);
        }
        moved
    }

    /// Is the node known just so: labels, taints, cordon, readiness? Then there is nothing to set.
    pub fn is_current(&self, node: NodeId, object: &Node) -> bool {
        self.nodes.is_same(node, object, &self.texts)
    }

    /// Removes a node; every constraint excludes it until it is set again.
    pub fn remove_node(&mut self, node: NodeId) {
        let identity = self.nodes.identity(node);
        self.nodes.remove(node);
        for mention in identity {
            for constraint in self.mentions.get(&mention).into_iter().flatten() {
                self.rows[constraint.index()].set_exception(node, None);
            }
        }
        for constraint in &self.numeric {
            self.rows[constraint.index()].set_exception(node, None);
        }
    }

    /// The id of what a pod says about nodes, new or known. Selectors that Kubernetes would refuse match nothing:
    /// [`super::refusal`] names them.
    pub fn intern(&mut self, spec: &PodSpec) -> ConstraintId {
        self.intern_with(spec, &[])
    }

    /// As [`Eligibility::intern`], for a pod whose volumes or devices are only reached from nodes that each of these matches,
    /// with the cause where one does not.
    pub fn intern_with(&mut self, spec: &PodSpec, reached: &[(Cause, NodeSelector)]) -> ConstraintId {
        let mut builder = Builder::new(&mut self.texts, &mut self.nodes);
        let constraint = builder.build(spec, reached);
        let news = builder.finish();
        if let Some(place) = self.constraints.find(&constraint) {
            return ConstraintId(place);
        }
        for node in self.nodes.affected(&news.columns, &news.values) {
            self.settle_profile(node, Some(self.nodes.profile(node)));
        }
        let mut verdicts = Verdicts::default();
        for profile in 0..self.nodes.profiles() {
            let verdict = self.nodes.key(profile).map_or(Verdict::NO_NODE, |key| {
                constraint.verdict(Subject::of_profile(key), &self.nodes, &self.texts)
            });
            verdicts.push(verdict);
        }
        let id = ConstraintId(self.constraints.insert(constraint));
        if id.index() == self.rows.len() {
            self.rows.push(verdicts);
        } else {
            self.rows[id.index()] = verdicts;
        }
        self.register_exceptions(id, news.names, news.host_numbers);
        id
    }

    /// Constraints known.
    pub fn len(&self) -> usize {
        self.constraints.len()
    }

    /// Never: the constraint that demands nothing is always there.
    pub fn is_empty(&self) -> bool {
        self.constraints.is_empty()
    }

    /// All verdicts of a constraint.
    pub fn row(&self, constraint: ConstraintId) -> Row<'_> {
        Row { verdicts: &self.rows[constraint.index()], profiles: self.nodes.profile_column() }
    }

    /// What excludes the node for the constraint, the first in the order of [`Cause`]; `None` allows it. Nodes that
    /// are removed or were never set count as not ready.
    pub fn cause(&self, constraint: ConstraintId, node: NodeId) -> Option<Cause> {
        self.row(constraint).cause(node)
    }

    /// How much the constraint would like the node: the weights of matching preferred terms, minus
    /// [`SOFT_TAINT_PENALTY`] for each `PreferNoSchedule` taint that it does not tolerate.
    pub fn preference(&self, constraint: ConstraintId, node: NodeId) -> i32 {
        self.row(constraint).preference(node)
    }

    /// Do node selector and required node affinity match, whatever else is wrong with the node?
    pub fn matches_selectors(&self, constraint: ConstraintId, node: NodeId) -> bool {
        self.nodes.subject(node).is_some_and(|subject| {
            let constraint = self.constraint(constraint);
            constraint.selector_matches(subject) && constraint.affinity_matches(subject, &self.texts)
        })
    }

    /// Are the `NoSchedule` and `NoExecute` taints tolerated, whatever else is wrong with the node?
    pub fn tolerates_taints(&self, constraint: ConstraintId, node: NodeId) -> bool {
        self.nodes.subject(node).is_some_and(|subject| {
            self.constraint(constraint).intolerable(subject, &self.nodes, &self.texts).is_none()
        })
    }

    /// Would the node be allowed if only this cause went away? Taints of one key go together.
    pub fn is_excluded_only_by(&self, constraint: ConstraintId, node: NodeId, cause: Cause) -> bool {
        self.nodes.subject(node).is_some_and(|subject| {
            self.constraint(constraint).is_only(cause, subject, &self.nodes, &self.texts)
        })
    }

    /// The labels, key and value, that the node selector asks for; ids as in [`Eligibility::texts`].
    pub fn selector(&self, constraint: ConstraintId) -> impl Iterator<Item = (TextId, TextId)> + '_ {
        let pairs = self.constraint(constraint).selector().iter();
        pairs.filter_map(|&(column, value)| Some((self.nodes.column_key(column)?, value)))
    }

    /// Does the constraint have a node selector or a required node affinity?
    pub fn has_selectors(&self, constraint: ConstraintId) -> bool {
        self.constraint(constraint).has_selectors()
    }

    /// Ids of nodes, removed ones included.
    pub fn node_slots(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.profile_column().len() as u32).map(NodeId)
    }

    /// The value of a label of a node; ids as in [`Eligibility::texts`].
    pub fn label(&self, node: NodeId, key: TextId) -> Option<TextId> {
        self.nodes.label(node, key)
    }

    /// The labels of a node, key and value; ids as in [`Eligibility::texts`].
    pub fn labels(&self, node: NodeId) -> impl Iterator<Item = (TextId, TextId)> + '_ {
        self.nodes.labels(node)
    }

    /// The texts behind the ids of labels, and of taints in [`Cause::Taint`].
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The id of a label key, new or known.
    pub fn intern_text(&mut self, text: &str) -> TextId {
        self.texts.intern(text)
    }

    fn constraint(&self, id: ConstraintId) -> &Constraint {
        &self.constraints[id.0]
    }

    /// Gives the node the profile that its facts ask for. `origin`: the profile that the node had, if only the
    /// distinctions have become finer, so that the verdicts are the same.
    fn settle_profile(&mut self, node: NodeId, origin: Option<u32>) {
        let Some(profile) = self.nodes.settle(node) else { return };
        let key = self.nodes.key(profile).expect("the profile was just made");
        for (place, constraint) in self.constraints.iter() {
            let row = &mut self.rows[place as usize];
            let verdict = match origin {
                Some(origin) => row.by_profile[origin as usize],
                None => constraint.verdict(Subject::of_profile(key), &self.nodes, &self.texts),
            };
            row.set(profile, verdict);
        }
    }

    fn register_exceptions(&mut self, id: ConstraintId, names: Vec<(u32, TextId)>, host_numbers: bool) {
        if host_numbers {
            self.numeric.push(id);
            for node in self.nodes.present() {
                self.settle_exception(id, node);
            }
        }
        for (column, value) in names {
            self.mentions.entry((column, value)).or_default().push(id);
            for node in self.nodes.carrying(column, value) {
                self.settle_exception(id, node);
            }
        }
    }

    /// Decides anew whether a node is an exception for a constraint, and with which verdict. `true` if that changed.
    fn settle_exception(&mut self, id: ConstraintId, node: NodeId) -> bool {
        let mentioned = self.numeric.contains(&id)
            || self
                .nodes
                .identity(node)
                .any(|mention| self.mentions.get(&mention).is_some_and(|ids| ids.contains(&id)));
        let verdict = self
            .nodes
            .subject(node)
            .filter(|_| mentioned)
            .map(|subject| self.constraint(id).verdict(subject, &self.nodes, &self.texts));
        self.rows[id.index()].set_exception(node, verdict)
    }
}

impl Row<'_> {
    /// As [`Eligibility::cause`].
    #[inline]
    pub fn cause(&self, node: NodeId) -> Option<Cause> {
        self.verdict(node).cause
    }

    /// As [`Eligibility::preference`].
    #[inline]
    pub fn preference(&self, node: NodeId) -> i32 {
        self.verdict(node).preference
    }

    /// Can [`Row::preference`] be anything but 0?
    pub fn has_preferences(&self) -> bool {
        self.verdicts.has_preferences
    }

    #[inline]
    fn verdict(&self, node: NodeId) -> Verdict {
        if !self.verdicts.exceptions.is_empty()
            && let Ok(at) = self.verdicts.exceptions.binary_search_by_key(&node, |entry| entry.0)
        {
            return self.verdicts.exceptions[at].1;
        }
        let profile = self.profiles.get(node.index()).copied().unwrap_or(NO_PROFILE);
        self.verdicts.by_profile[profile as usize]
    }
}

impl Verdicts {
    fn push(&mut self, verdict: Verdict) {
        self.has_preferences |= verdict.preference != 0;
        self.by_profile.push(verdict);
    }

    fn set(&mut self, profile: u32, verdict: Verdict) {
        if profile as usize == self.by_profile.len() {
            self.push(verdict);
        } else {
            self.has_preferences |= verdict.preference != 0;
            self.by_profile[profile as usize] = verdict;
        }
    }

    fn set_exception(&mut self, node: NodeId, verdict: Option<Verdict>) -> bool {
        let at = self.exceptions.binary_search_by_key(&node, |entry| entry.0);
        self.has_preferences |= verdict.is_some_and(|verdict| verdict.preference != 0);
        match (at, verdict) {
            (Ok(at), Some(verdict)) => std::mem::replace(&mut self.exceptions[at].1, verdict) != verdict,
            (Ok(at), None) => {
                self.exceptions.remove(at);
                true
            }
            (Err(at), Some(verdict)) => {
                self.exceptions.insert(at, (node, verdict));
                true
            }
            (Err(_), None) => false,
        }
    }
}

impl Verdict {
    /// To a node that does not exist.
    const NO_NODE: Verdict = Verdict { cause: Some(Cause::NotReady), preference: 0 };
}
