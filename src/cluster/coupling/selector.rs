//! Which pods a term means: namespaces and a label selector, interned, and an index from labels to selectors.
//!
//! A selector that demands a value for some key is found by that value (its anchor), so that a pod is tested against
//! the few selectors that name one of its values and not against those of every gang in the cluster. The same anchors
//! lead from a new selector to the presences that it may match.

use super::super::ids::TextId;
use super::super::labels::{LabelSet, LabelSets};
use super::super::refusal::{Namespaces, selected_namespaces};
use super::super::slab::Interner;
use super::super::text::Texts;
use super::counter::CounterId;
use super::presence::{PresenceId, Presences};
use crate::api::core::{PodAffinityTerm, TopologySpreadConstraint};
use crate::api::meta::{LabelSelector, LabelSelectorRequirement, SelectorOperator};
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

/// A selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SelectorId(pub(super) u32);

/// Pods in some namespaces whose labels pass some tests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Selector {
    /// Ascending; `None` is every namespace.
    namespaces: Option<Box<[TextId]>>,
    /// All must pass; ascending, each once.
    tests: Box<[(TextId, Test)]>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Test {
    In(Box<[TextId]>),
    NotIn(Box<[TextId]>),
    Present,
    Absent,
    Never,
}

#[derive(Debug, Default)]
pub(super) struct Selectors {
    selectors: Interner<Selector>,
    users: Vec<Users>,
    /// By label key.
    anchors: IndexMap<TextId, Anchor, FxBuildHasher>,
    /// Selectors that demand no value.
    loose: Vec<SelectorId>,
    /// The key that each selector is anchored at.
    anchored: Vec<Option<TextId>>,
}

/// What looks at pods through a selector.
#[derive(Debug, Default)]
pub(super) struct Users {
    /// Counters of pods that match it, and whatever else the counter demands; each counter hangs on one selector.
    pub(super) counters: Vec<CounterId>,
    /// Counters of pods that hold an anti-affinity term with it.
    pub(super) holders: Vec<CounterId>,
}

#[derive(Debug, Default)]
struct Anchor {
    /// By value.
    selectors: FxHashMap<TextId, Vec<SelectorId>>,
    presences: FxHashMap<TextId, FxHashSet<PresenceId>>,
}

impl Selector {
    /// The pods that an affinity term of a pod means.
    pub(super) fn of_term(
        term: &PodAffinityTerm,
        namespace: &str,
        labels: LabelSet<'_>,
        texts: &mut Texts,
    ) -> Self {
        let mut tests = Tests::new(term.label_selector.as_ref(), texts);
        tests.add_keys(&term.match_label_keys, labels, texts, Test::In);
        tests.add_keys(&term.mismatch_label_keys, labels, texts, Test::NotIn);
        let mut names: Vec<&str> = term.namespaces.iter().map(String::as_str).collect();
        let all = match &term.namespace_selector {
            None => {
                if names.is_empty() {
                    names.push(namespace);
                }
                false
            }
            // A selector that we cannot read only gets here on pods that others have placed: it means all
            // namespaces, since keeping too far away breaks no rule.
            Some(selector) => match selected_namespaces(selector) {
                Some(Namespaces::Named(named)) => {
                    names.extend(named);
                    false
                }
                Some(Namespaces::All) | None => true,
            },
        };
        let namespaces = (!all).then(|| sorted(names.into_iter().map(|name| texts.intern(name)).collect()));
        Selector { namespaces, tests: tests.finish() }
    }

    /// The pods that a spread constraint of a pod counts: those of its namespace. A selector without any test counts
    /// nothing.
    pub(super) fn of_spread(
        constraint: &TopologySpreadConstraint,
        namespace: &str,
        labels: LabelSet<'_>,
        texts: &mut Texts,
    ) -> Self {
        let mut tests = Tests::new(constraint.label_selector.as_ref(), texts);
        tests.add_keys(&constraint.match_label_keys, labels, texts, Test::In);
        if tests.0.is_empty() {
            tests.0.push((texts.intern(""), Test::Never));
        }
        Selector { namespaces: Some([texts.intern(namespace)].into()), tests: tests.finish() }
    }

    /// `None`: a namespace that no selector and no pod on a node has named.
    pub(super) fn matches(&self, namespace: Option<TextId>, labels: LabelSet<'_>, texts: &Texts) -> bool {
        self.namespaces.as_ref().is_none_or(|names| namespace.is_some_and(|name| names.contains(&name)))
            && self.tests.iter().all(|(key, test)| {
                let value = labels.get(texts.get(*key));
                let is_among = |values: &[TextId]| {
                    value.is_some_and(|value| values.iter().any(|&known| texts.get(known) == value))
                };
                match test {
                    Test::In(values) => is_among(values),
                    Test::NotIn(values) => !is_among(values),
                    Test::Present => value.is_some(),
                    Test::Absent => value.is_none(),
                    Test::Never => false,
                }
            })
    }
}

struct Tests(Vec<(TextId, Test)>);

impl Tests {
    /// An absent selector matches nothing, an empty one everything.
    fn new(selector: Option<&LabelSelector>, texts: &mut Texts) -> Self {
        let Some(selector) = selector else { return Tests(vec![(texts.intern(""), Test::Never)]) };
        let mut tests = Vec::with_capacity(selector.match_labels.len() + selector.match_expressions.len());
        for (key, value) in &selector.match_labels {
            tests.push((texts.intern(key), Test::In([texts.intern(value)].into())));
        }
        for LabelSelectorRequirement { key, operator, values } in &selector.match_expressions {
            let values = sorted(values.iter().map(|value| texts.intern(value)).collect());
            let test = match operator {
                SelectorOperator::In if !values.is_empty() => Test::In(values),
                SelectorOperator::NotIn if !values.is_empty() => Test::NotIn(values),
                SelectorOperator::Exists if values.is_empty() => Test::Present,
                SelectorOperator::DoesNotExist if values.is_empty() => Test::Absent,
                _ => Test::Never,
            };
            tests.push((texts.intern(key), test));
        }
        Tests(tests)
    }

    /// `matchLabelKeys` and `mismatchLabelKeys`: the pod's own value is (not) to be found. Keys that the pod lacks ask
    /// for nothing.
    fn add_keys(
        &mut self,
        keys: &[String],
        labels: LabelSet<'_>,
        texts: &mut Texts,
        test: impl Fn(Box<[TextId]>) -> Test,
    ) {
        for key in keys {
            if let Some(value) = labels.get(key) {
                self.0.push((texts.intern(key), test([texts.intern(value)].into())));
            }
        }
    }

    fn finish(mut self) -> Box<[(TextId, Test)]> {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.into()
    }
}

impl Selectors {
    pub(super) fn len(&self) -> usize {
        self.selectors.len()
    }

    pub(super) fn get(&self, id: SelectorId) -> &Selector {
        &self.selectors[id.0]
    }

    pub(super) fn users(&self, id: SelectorId) -> &Users {
        &self.users[id.0 as usize]
    }

    pub(super) fn users_mut(&mut self, id: SelectorId) -> &mut Users {
        &mut self.users[id.0 as usize]
    }

    /// The id of a selector and whether it is new; a new one must be anchored.
    pub(super) fn intern(&mut self, selector: Selector) -> (SelectorId, bool) {
        let (place, is_new) = self.selectors.intern(selector);
        if is_new && place as usize == self.users.len() {
            self.users.push(Users::default());
            self.anchored.push(None);
        }
        (SelectorId(place), is_new)
    }

    /// Chooses where a new selector is found: at the value that the fewest selectors share.
    pub(super) fn anchor(
        &mut self,
        id: SelectorId,
        presences: &Presences,
        label_sets: &LabelSets,
        texts: &mut Texts,
    ) {
        let load = |key: TextId, values: &[TextId]| {
            let Some(anchor) = self.anchors.get(&key) else { return (0, usize::MAX) };
            let selectors = values.iter().filter_map(|value| anchor.selectors.get(value)).map(Vec::len);
            let found = values.iter().filter_map(|value| anchor.presences.get(value)).map(FxHashSet::len);
            (selectors.sum::<usize>(), found.sum())
        };
        let choices = self.get(id).tests.iter().filter_map(|(key, test)| match test {
            Test::In(values) => Some((load(*key, values), *key, values.clone())),
            _ => None,
        });
        let Some((_, key, values)) = choices.min_by_key(|choice| choice.0) else {
            self.loose.push(id);
            return;
        };
        let anchor = self.anchors.entry(key).or_insert_with(|| {
            let mut anchor = Anchor::default();
            for presence in presences.all() {
                let labels = label_sets.get(presences.get(presence).1);
                if let Some(value) = labels.get(texts.get(key)) {
                    let value = texts.intern(value);
                    anchor.presences.entry(value).or_default().insert(presence);
                }
            }
            anchor
        });
        for value in values {
            anchor.selectors.entry(value).or_default().push(id);
        }
        self.anchored[id.0 as usize] = Some(key);
    }

    /// Selectors that match, ascending.
    pub(super) fn matching(
        &self,
        namespace: Option<TextId>,
        labels: LabelSet<'_>,
        texts: &Texts,
    ) -> Vec<SelectorId> {
        let found = self.anchors.iter().filter_map(|(&key, anchor)| {
            let value = texts.find(labels.get(texts.get(key))?)?;
            anchor.selectors.get(&value)
        });
        let mut matching: Vec<_> = found
            .flatten()
            .chain(&self.loose)
            .copied()
            .filter(|&id| self.get(id).matches(namespace, labels, texts))
            .collect();
        matching.sort_unstable();
        matching
    }

    /// Presences that a selector may match, ascending; `None`: any.
    pub(super) fn candidates(&self, id: SelectorId) -> Option<Vec<PresenceId>> {
        let key = self.anchored[id.0 as usize]?;
        let values = self.get(id).tests.iter().filter_map(|(at, test)| match test {
            Test::In(values) if *at == key => Some(values),
            _ => None,
        });
        let presences = &self.anchors[&key].presences;
        let mut found: Vec<_> =
            values.flatten().filter_map(|value| presences.get(value)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    /// Notes a new presence.
    pub(super) fn enter(&mut self, presence: PresenceId, labels: LabelSet<'_>, texts: &mut Texts) {
        for (&key, anchor) in &mut self.anchors {
            if let Some(value) = labels.get(texts.get(key)) {
                let value = texts.intern(value);
                anchor.presences.entry(value).or_default().insert(presence);
            }
        }
    }

    /// Forgets a presence.
    pub(super) fn leave(&mut self, presence: PresenceId, labels: LabelSet<'_>, texts: &Texts) {
        for (&key, anchor) in &mut self.anchors {
            let value = labels.get(texts.get(key)).and_then(|value| texts.find(value));
            if let Some(value) = value
                && let Some(found) = anchor.presences.get_mut(&value)
            {
                found.remove(&presence);
                if found.is_empty() {
                    anchor.presences.remove(&value);
                }
            }
        }
    }
}

impl Selectors {
    /// Forgets counters, and then the selectors that no counter is left of. Says whether there were any.
    pub(super) fn retain(
        &mut self,
        counters: impl Fn(CounterId) -> bool,
        mut is_needed: impl FnMut(SelectorId) -> bool,
    ) -> bool {
        for users in &mut self.users {
            users.counters.retain(|&id| counters(id));
            users.holders.retain(|&id| counters(id));
        }
        let gone = self.selectors.retain(|place| is_needed(SelectorId(place)));
        if gone.is_empty() {
            return false;
        }
        let is_known = |id: &SelectorId| gone.binary_search(&id.0).is_err();
        self.loose.retain(is_known);
        self.anchors.retain(|_, anchor| {
            anchor.selectors.retain(|_, ids| {
                ids.retain(is_known);
                !ids.is_empty()
            });
            !anchor.selectors.is_empty()
        });
        for place in gone {
            self.users[place as usize] = Users::default();
            self.anchored[place as usize] = None;
        }
        true
    }

    /// Visits the texts that selectors and the index are made of.
    pub(super) fn texts(&self, visit: &mut impl FnMut(TextId)) {
        for (_, selector) in self.selectors.iter() {
            selector.namespaces.iter().flatten().for_each(|&name| visit(name));
            for (key, test) in &selector.tests {
                visit(*key);
                if let Test::In(values) | Test::NotIn(values) = test {
                    values.iter().for_each(|&value| visit(value));
                }
            }
        }
        for (&key, anchor) in &self.anchors {
            visit(key);
            anchor.selectors.keys().chain(anchor.presences.keys()).for_each(|&value| visit(value));
        }
    }
}

#[cfg(test)]
impl Selectors {
    /// Is no presence left?
    pub(super) fn is_clear(&self) -> bool {
        self.anchors.values().all(|anchor| anchor.presences.is_empty())
    }
}

fn sorted(mut ids: Vec<TextId>) -> Box<[TextId]> {
    ids.sort_unstable();
    ids.dedup();
    ids.into()
}
