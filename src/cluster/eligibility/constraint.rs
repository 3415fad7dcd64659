//! What a pod says about nodes, interned, and its verdict on one node.
//!
//! The semantics are kube-scheduler's: `NodeUnschedulable`, `TaintToleration`, `NodeAffinity` and, for preferences,
//! their scores. A selector that the API server would refuse (an unknown operator, `Gt` without an integer) matches
//! nothing, so that a pod which asks for something we cannot read is not placed as if it had not asked.

use super::super::cause::Cause;
use super::super::ids::TextId;
use super::super::refusal::requirement_problem;
use super::super::text::Texts;
use super::nodes::{self, ABSENT, Effect, HOSTNAME_COLUMN, KEY_HEAD, NAME_COLUMN, Nodes, Taint};
use super::{SOFT_TAINT_PENALTY, Verdict};
use crate::api::core::{NodeSelector, NodeSelectorTerm, PodSpec, TolerationOperator};
use crate::api::meta::{LabelSelectorRequirement, SelectorOperator};

/// Demands on a node. Two pods with the same one are treated the same by every node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Constraint {
    /// Column and value, ascending by column.
    selector: Box<[(u32, TextId)]>,
    /// One term must match; `None` demands nothing, an empty list can never be met.
    required: Option<Box<[Term]>>,
    /// What volumes and devices ask for, each as `required`, with the cause where it is not met.
    reached: Box<[(Cause, Box<[Term]>)]>,
    /// Weight and term.
    preferred: Box<[(i32, Term)]>,
    /// Ascending, each once.
    tolerations: Box<[Toleration]>,
}

/// Requirements that must all hold.
type Term = Box<[Requirement]>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Requirement {
    column: u32,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Test {
    In(Box<[TextId]>),
    NotIn(Box<[TextId]>),
    Present,
    Absent,
    Above(i64),
    Below(i64),
    Never,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Toleration {
    /// `None` is every key.
    key: Option<TextId>,
    /// `None` is every effect.
    effect: Option<Effect>,
    test: TolerationTest,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TolerationTest {
    Any,
    Equal(TextId),
    Above(i64),
    Below(i64),
}

/// A node, or all nodes of a profile, as a constraint sees them: values in the normal form of columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) key: &'a [u32],
    pub(super) name: u32,
    pub(super) hostname: u32,
}

impl<'a> Subject<'a> {
    /// A node whose name and host name the constraint does not mention.
    pub(super) fn of_profile(key: &'a [u32]) -> Self {
        let value = |column: u32| key[KEY_HEAD + column as usize];
        Subject { key, name: value(NAME_COLUMN), hostname: value(HOSTNAME_COLUMN) }
    }

    fn value(&self, column: u32) -> u32 {
        match column {
            NAME_COLUMN => self.name,
            HOSTNAME_COLUMN => self.hostname,
            column => self.key[KEY_HEAD + column as usize],
        }
    }
}

impl Constraint {
    pub(super) fn verdict(&self, subject: Subject<'_>, nodes: &Nodes, texts: &Texts) -> Verdict {
        Verdict {
            cause: self.cause(subject, nodes, texts),
            preference: self.preference(subject, nodes, texts),
        }
    }

    /// The first cause, in the order of [`Cause`].
    fn cause(&self, subject: Subject<'_>, nodes: &Nodes, texts: &Texts) -> Option<Cause> {
        if self.cordoned(subject, nodes, texts) {
            return Some(Cause::Unschedulable);
        }
        if self.not_ready(subject, nodes, texts) {
            return Some(Cause::NotReady);
        }
        if let Some(taint) = self.intolerable(subject, nodes, texts) {
            return Some(Cause::Taint(taint.key));
        }
        if !self.selector_matches(subject) {
            return Some(Cause::NodeSelector);
        }
        if !self.affinity_matches(subject, texts) {
            return Some(Cause::NodeAffinity);
        }
        self.unreached(subject, texts).next()
    }

    /// Is this the cause, and the only one? Taints of one key count as one.
    pub(super) fn is_only(&self, cause: Cause, subject: Subject<'_>, nodes: &Nodes, texts: &Texts) -> bool {
        let mut hard =
            nodes.taints(subject.key).iter().filter(|taint| taint.effect != Effect::PreferNoSchedule);
        self.cause(subject, nodes, texts) == Some(cause)
            && (cause == Cause::Unschedulable || !self.cordoned(subject, nodes, texts))
            && (cause == Cause::NotReady || !self.not_ready(subject, nodes, texts))
            && hard.all(|taint| cause == nodes.cause_of(taint) || self.tolerates(taint, texts))
            && (cause == Cause::NodeSelector || self.selector_matches(subject))
            && (cause == Cause::NodeAffinity || self.affinity_matches(subject, texts))
            && self.unreached(subject, texts).all(|other| other == cause)
    }

    /// Does the cordon keep the pod away: its field, or its taint?
    fn cordoned(&self, subject: Subject<'_>, nodes: &Nodes, texts: &Texts) -> bool {
        nodes::is_cordoned(subject.key) && !self.tolerates(&nodes.cordon, texts)
            || self.is_kept_by(Cause::Unschedulable, subject, nodes, texts)
    }

    /// Does it keep the pod away that the node is not ready: its condition, which nothing tolerates, or its taints?
    fn not_ready(&self, subject: Subject<'_>, nodes: &Nodes, texts: &Texts) -> bool {
        !nodes::is_ready(subject.key) || self.is_kept_by(Cause::NotReady, subject, nodes, texts)
    }

    /// Is there a taint of this cause that the pod does not tolerate?
    fn is_kept_by(&self, cause: Cause, subject: Subject<'_>, nodes: &Nodes, texts: &Texts) -> bool {
        let mut taints = nodes.taints(subject.key).iter();
        taints.any(|taint| {
            taint.effect != Effect::PreferNoSchedule
                && nodes.cause_of(taint) == cause
                && !self.tolerates(taint, texts)
        })
    }

    /// The pairs of key column and value that the node selector asks for.
    pub(super) fn selector(&self) -> &[(u32, TextId)] {
        &self.selector
    }

    fn preference(&self, subject: Subject<'_>, nodes: &Nodes, texts: &Texts) -> i32 {
        let likes = self.preferred.iter().filter(|(_, term)| matches(term, subject, texts));
        let dislikes = nodes
            .taints(subject.key)
            .iter()
            .filter(|taint| taint.effect == Effect::PreferNoSchedule && !self.tolerates(taint, texts));
        let liked = likes.fold(0i32, |sum, (weight, _)| sum.saturating_add(*weight));
        liked.saturating_sub(SOFT_TAINT_PENALTY.saturating_mul(dislikes.count() as i32))
    }

    /// The first taint, in the node's own order, that keeps the pod away.
    pub(super) fn intolerable<'n>(
        &self,
        subject: Subject<'_>,
        nodes: &'n Nodes,
        texts: &Texts,
    ) -> Option<&'n Taint> {
        let hard = |taint: &&Taint| taint.effect != Effect::PreferNoSchedule;
        nodes.taints(subject.key).iter().filter(hard).find(|taint| !self.tolerates(taint, texts))
    }

    /// Notes in the columns what the constraint tells apart, as its [`Builder`] did, and which columns it reads.
    pub(super) fn mention(&self, nodes: &mut Nodes, columns: &mut Vec<u32>) {
        for &(column, value) in &self.selector {
            columns.push(column);
            if column != HOSTNAME_COLUMN {
                nodes.mention(column, value);
            }
        }
        for requirement in self.requirements() {
            let column = requirement.column;
            columns.push(column);
            match &requirement.test {
                Test::In(_) | Test::NotIn(_) if column == NAME_COLUMN || column == HOSTNAME_COLUMN => {}
                Test::Above(_) | Test::Below(_) if column == HOSTNAME_COLUMN => {}
                Test::In(values) | Test::NotIn(values) => values.iter().for_each(|&value| {
                    nodes.mention(column, value);
                }),
                Test::Above(_) | Test::Below(_) => {
                    nodes.compare(column);
                }
                Test::Present | Test::Absent | Test::Never => {}
            }
        }
    }

    /// Visits the texts that the constraint is made of.
    pub(super) fn texts(&self, visit: &mut impl FnMut(TextId)) {
        self.selector.iter().for_each(|&(_, value)| visit(value));
        for requirement in self.requirements() {
            if let Test::In(values) | Test::NotIn(values) = &requirement.test {
                values.iter().for_each(|&value| visit(value));
            }
        }
        for toleration in &self.tolerations {
            toleration.key.into_iter().for_each(&mut *visit);
            if let TolerationTest::Equal(value) = toleration.test {
                visit(value);
            }
        }
    }

    fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        let reached = self.reached.iter().map(|(_, terms)| terms);
        let lists = self.required.iter().chain(reached).flat_map(|terms| terms.iter());
        lists.chain(self.preferred.iter().map(|(_, term)| term)).flat_map(|term| term.iter())
    }

    pub(super) fn has_selectors(&self) -> bool {
        !self.selector.is_empty() || self.required.is_some()
    }

    pub(super) fn selector_matches(&self, subject: Subject<'_>) -> bool {
        self.selector.iter().all(|&(column, value)| subject.value(column) == nodes::verbatim(value))
    }

    pub(super) fn affinity_matches(&self, subject: Subject<'_>, texts: &Texts) -> bool {
        self.required.as_ref().is_none_or(|terms| terms.iter().any(|term| matches(term, subject, texts)))
    }

    /// What of the pod cannot be reached from a node.
    fn unreached(&self, subject: Subject<'_>, texts: &Texts) -> impl Iterator<Item = Cause> {
        let unmet = self
            .reached
            .iter()
            .filter(move |(_, terms)| !terms.iter().any(|term| matches(term, subject, texts)));
        unmet.map(|(cause, _)| *cause)
    }

    fn tolerates(&self, taint: &Taint, texts: &Texts) -> bool {
        self.tolerations.iter().any(|toleration| {
            toleration.key.is_none_or(|key| key == taint.key)
                && toleration.effect.is_none_or(|effect| effect == taint.effect)
                && match toleration.test {
                    TolerationTest::Any => true,
                    TolerationTest::Equal(value) => value == taint.value,
                    TolerationTest::Above(limit) => {
                        canonical(texts.get(taint.value)).is_some_and(|value| value > limit)
                    }
                    TolerationTest::Below(limit) => {
                        canonical(texts.get(taint.value)).is_some_and(|value| value < limit)
                    }
                }
        })
    }
}

fn matches(term: &Term, subject: Subject<'_>, texts: &Texts) -> bool {
    term.iter().all(|requirement| {
        let value = subject.value(requirement.column);
        let is_among =
            |values: &[TextId]| nodes::text(value).is_some_and(|value| values.binary_search(&value).is_ok());
        let number = || nodes::text(value).and_then(|value| texts.get(value).parse::<i64>().ok());
        match &requirement.test {
            Test::In(values) => is_among(values),
            Test::NotIn(values) => !is_among(values),
            Test::Present => value != ABSENT,
            Test::Absent => value == ABSENT,
            Test::Above(limit) => number().is_some_and(|number| number > *limit),
            Test::Below(limit) => number().is_some_and(|number| number < *limit),
            Test::Never => false,
        }
    })
}

/// Taints are compared with integers in their canonical form only: no leading zeros, no plus sign.
fn canonical(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

/// Turns a pod spec into a [`Constraint`] and remembers which distinctions between nodes are new with it.
pub(super) struct Builder<'a> {
    texts: &'a mut Texts,
    nodes: &'a mut Nodes,
    news: News,
}

/// Distinctions that the constraint makes.
#[derive(Default)]
pub(super) struct News {
    /// Columns that are new, or whose values count one by one from now on.
    pub(super) columns: Vec<u32>,
    /// Values mentioned for the first time.
    pub(super) values: Vec<(u32, TextId)>,
    /// Node names and host names that the constraint mentions, whether new or not; each once.
    pub(super) names: Vec<(u32, TextId)>,
    /// Does it compare host names as numbers?
    pub(super) host_numbers: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(texts: &'a mut Texts, nodes: &'a mut Nodes) -> Self {
        Builder { texts, nodes, news: News::default() }
    }

    pub(super) fn finish(mut self) -> News {
        self.news.names.sort_unstable();
        self.news.names.dedup();
        self.news
    }

    pub(super) fn build(&mut self, spec: &PodSpec, reached: &[(Cause, NodeSelector)]) -> Constraint {
        let mut selector: Vec<_> = Vec::with_capacity(spec.node_selector.len());
        for (key, value) in &spec.node_selector {
            let (column, value) = (self.column(key), self.texts.intern(value));
            self.mention(column, value);
            selector.push((column, value));
        }
        selector.sort_unstable();
        let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
        let required = affinity.and_then(|affinity| affinity.required.as_ref());
        let required = required.map(|selector| self.terms(selector));
        let reached = reached.iter().map(|(cause, selector)| (*cause, self.terms(selector))).collect();
        let preferred = affinity.iter().flat_map(|affinity| &affinity.preferred);
        let preferred = preferred
            .filter(|preferred| preferred.weight != 0)
            .filter_map(|preferred| Some((preferred.weight, self.term(&preferred.preference)?)))
            .collect();
        let mut tolerations: Vec<_> =
            spec.tolerations.iter().filter_map(|toleration| self.toleration(toleration)).collect();
        tolerations.sort_unstable();
        tolerations.dedup();
        Constraint {
            selector: selector.into(),
            required,
            reached,
            preferred,
            tolerations: tolerations.into(),
        }
    }

    fn terms(&mut self, selector: &NodeSelector) -> Box<[Term]> {
        selector.node_selector_terms.iter().filter_map(|term| self.term(term)).collect()
    }

    /// `None` for an empty term, which matches nothing.
    fn term(&mut self, term: &NodeSelectorTerm) -> Option<Term> {
        let labels = term.match_expressions.iter().map(|requirement| (requirement, false));
        let fields = term.match_fields.iter().map(|requirement| (requirement, true));
        let term: Term = labels.chain(fields).map(|(r, is_field)| self.requirement(r, is_field)).collect();
        (!term.is_empty()).then_some(term)
    }

    fn requirement(&mut self, requirement: &LabelSelectorRequirement, is_field: bool) -> Requirement {
        if requirement_problem(requirement, is_field).is_some() {
            return Requirement { column: NAME_COLUMN, test: Test::Never };
        }
        let column = if is_field { NAME_COLUMN } else { self.column(&requirement.key) };
        let test = match requirement.operator {
            SelectorOperator::In => Test::In(self.values(column, &requirement.values)),
            SelectorOperator::NotIn => Test::NotIn(self.values(column, &requirement.values)),
            SelectorOperator::Exists => Test::Present,
            SelectorOperator::DoesNotExist => Test::Absent,
            SelectorOperator::Gt | SelectorOperator::Lt => {
                self.compare(column);
                match requirement.values[0].parse() {
                    Ok(limit) if requirement.operator == SelectorOperator::Gt => Test::Above(limit),
                    Ok(limit) => Test::Below(limit),
                    Err(_) => Test::Never,
                }
            }
            SelectorOperator::Other(_) => Test::Never,
        };
        Requirement { column, test }
    }

    fn values(&mut self, column: u32, values: &[String]) -> Box<[TextId]> {
        let mut ids: Vec<_> = values.iter().map(|value| self.texts.intern(value)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().for_each(|&value| self.mention(column, value));
        ids.into()
    }

    fn toleration(&mut self, toleration: &crate::api::core::Toleration) -> Option<Toleration> {
        let effect = match &toleration.effect {
            None => None,
            Some(effect) if effect.as_str().is_empty() => None,
            // A toleration of an effect that does nothing here tolerates nothing.
            Some(effect) => Some(Effect::from_api(effect)?),
        };
        let key = (!toleration.key.is_empty()).then(|| self.texts.intern(&toleration.key));
        let test = match &toleration.operator {
            None | Some(TolerationOperator::Equal) => {
                TolerationTest::Equal(self.texts.intern(&toleration.value))
            }
            Some(TolerationOperator::Exists) => TolerationTest::Any,
            Some(TolerationOperator::Gt) => TolerationTest::Above(canonical(&toleration.value)?),
            Some(TolerationOperator::Lt) => TolerationTest::Below(canonical(&toleration.value)?),
            Some(TolerationOperator::Other(text)) if text.is_empty() => {
                TolerationTest::Equal(self.texts.intern(&toleration.value))
            }
            Some(TolerationOperator::Other(_)) => return None,
        };
        Some(Toleration { key, effect, test })
    }

    fn column(&mut self, key: &str) -> u32 {
        let key = self.texts.intern(key);
        let (column, is_new) = self.nodes.column(key);
        if is_new {
            self.news.columns.push(column);
        }
        column
    }

    fn mention(&mut self, column: u32, value: TextId) {
        if column == NAME_COLUMN || column == HOSTNAME_COLUMN {
            self.news.names.push((column, value));
        } else if self.nodes.mention(column, value) {
            self.news.values.push((column, value));
        }
    }

    fn compare(&mut self, column: u32) {
        if column == HOSTNAME_COLUMN {
            self.news.host_numbers = true;
        } else if self.nodes.compare(column) {
            self.news.columns.push(column);
        }
    }
}
