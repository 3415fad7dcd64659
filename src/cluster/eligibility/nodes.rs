//! Nodes as constraints see them: labels by id, taint lists, flags, and the profile that sums them up.
//!
//! A column exists for every label key that a constraint mentions (and for the node name). A profile's key is a list
//! of integers, `[flags, taint list, value of column 0, value of column 1, ..]`, with values normalised by
//! [`Nodes::normal`].

use super::super::cause::Cause;
use super::super::ids::{NodeId, TextId};
use super::super::slab::Interner;
use super::super::text::Texts;
use super::constraint::Subject;
use crate::api::core::{Node, TaintEffect};
use crate::api::keys;
use rustc_hash::{FxHashMap, FxHashSet};

/// The column of `metadata.name`.
pub(super) const NAME_COLUMN: u32 = 0;
/// The column of `kubernetes.io/hostname`.
pub(super) const HOSTNAME_COLUMN: u32 = 1;
/// The profile of nodes that do not exist.
pub(super) const NO_PROFILE: u32 = 0;

/// A column's value: the label is absent.
pub(super) const ABSENT: u32 = 0;
/// A column's value: some value that no constraint mentions.
pub(super) const OTHER: u32 = 1;

/// Where the columns begin in a profile's key.
pub(super) const KEY_HEAD: usize = 2;
const CORDONED: u32 = 1;
const NOT_READY: u32 = 2;

/// Taints that the node lifecycle controller adds to a node that is not ready or does not answer.
const NOT_READY_TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// A taint that matters to scheduling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Taint {
    pub(super) key: TextId,
    pub(super) value: TextId,
    pub(super) effect: Effect,
}

/// What a taint does. Other effects do nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Effect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

#[derive(Debug)]
pub(super) struct Nodes {
    facts: Vec<Option<Facts>>,
    columns: Vec<Column>,
    column_of: FxHashMap<TextId, u32>,
    /// Columns that no constraint mentions any more; they tell nothing apart.
    vacant_columns: Vec<u32>,
    taint_lists: Interner<Box<[Taint]>>,
    /// Profile by node.
    profile_of: Vec<u32>,
    profiles: Vec<Profile>,
    profile_ids: FxHashMap<Box<[u32]>, u32>,
    free: Vec<u32>,
    /// The taint of a cordoned node.
    pub(super) cordon: Taint,
    /// Keys of the taints of a node that is not ready.
    not_ready: [TextId; 2],
}

#[derive(Debug)]
struct Facts {
    name: TextId,
    /// In the order of the keys' texts.
    labels: Box<[(TextId, TextId)]>,
    taints: u32,
    flags: u32,
}

#[derive(Debug, Default)]
struct Column {
    /// Normal form of the value by node, as if everything were mentioned.
    values: Vec<u32>,
    /// Values that constraints mention; never any for the two columns that identify a node.
    mentioned: FxHashSet<TextId>,
    /// Some constraint compares numbers: every value counts as mentioned.
    numeric: bool,
}

#[derive(Debug, Default)]
struct Profile {
    /// `None` for the profile of absent nodes and for free slots.
    key: Option<Box<[u32]>>,
    nodes: u32,
}

/// The normal form of a value that is mentioned.
pub(super) fn verbatim(value: TextId) -> u32 {
    value.0 + 2
}

/// The text behind a normal form, if it is one.
pub(super) fn text(normal: u32) -> Option<TextId> {
    normal.checked_sub(2).map(TextId)
}

impl Effect {
    pub(super) fn from_api(effect: &TaintEffect) -> Option<Effect> {
        match effect {
            TaintEffect::NoSchedule => Some(Effect::NoSchedule),
            TaintEffect::PreferNoSchedule => Some(Effect::PreferNoSchedule),
            TaintEffect::NoExecute => Some(Effect::NoExecute),
            TaintEffect::Other(_) => None,
        }
    }
}

impl Nodes {
    pub(super) fn new(texts: &mut Texts) -> Self {
        let cordon = Taint {
            key: texts.intern("node.kubernetes.io/unschedulable"),
            value: texts.intern(""),
            effect: Effect::NoSchedule,
        };
        let mut column_of = FxHashMap::default();
        column_of.insert(texts.intern(keys::HOSTNAME), HOSTNAME_COLUMN);
        Nodes {
            facts: Vec::new(),
            columns: vec![Column::default(), Column::default()],
            column_of,
            vacant_columns: Vec::new(),
            taint_lists: Interner::default(),
            profile_of: Vec::new(),
            profiles: vec![Profile::default()],
            profile_ids: FxHashMap::default(),
            free: Vec::new(),
            cordon,
            not_ready: NOT_READY_TAINTS.map(|key| texts.intern(key)),
        }
    }

    /// Takes in a node. `None` if nothing changed that scheduling reads, else the identity that it had before.
    pub(super) fn update(
        &mut self,
        node: NodeId,
        object: &Node,
        texts: &mut Texts,
    ) -> Option<Vec<(u32, TextId)>> {
        if self.is_same(node, object, texts) {
            return None;
        }
        let old = self.identity(node).collect();
        if self.facts.len() <= node.index() {
            self.facts.resize_with(node.index() + 1, || None);
            self.profile_of.resize(node.index() + 1, NO_PROFILE);
        }
        let labels = object.metadata.labels.iter();
        let labels: Box<[_]> = labels.map(|(key, value)| (texts.intern(key), texts.intern(value))).collect();
        let taints = object.spec.taints.iter().filter_map(|taint| {
            let effect = Effect::from_api(&taint.effect)?;
            Some(Taint { key: texts.intern(&taint.key), value: texts.intern(&taint.value), effect })
        });
        let taints = self.taint_lists.intern(taints.collect()).0;
        let name = texts.intern(&object.metadata.name);
        for (&key, &column) in &self.column_of {
            let value = labels.iter().find(|label| label.0 == key).map_or(ABSENT, |label| verbatim(label.1));
            put(&mut self.columns[column as usize].values, node, value);
        }
        put(&mut self.columns[NAME_COLUMN as usize].values, node, verbatim(name));
        self.facts[node.index()] = Some(Facts { name, labels, taints, flags: flags(object) });
        Some(old)
    }

    pub(super) fn remove(&mut self, node: NodeId) {
        if let Some(facts) = self.facts.get_mut(node.index()) {
            *facts = None;
            self.columns.iter_mut().for_each(|column| put(&mut column.values, node, ABSENT));
            self.leave(node);
        }
    }

    /// The column of a label key, made if need be; says whether it was.
    pub(super) fn column(&mut self, key: TextId) -> (u32, bool) {
        if let Some(&column) = self.column_of.get(&key) {
            return (column, false);
        }
        let values = (0..self.facts.len() as u32)
            .map(|node| self.label(NodeId(node), key).map_or(ABSENT, verbatim))
            .collect();
        let column = self.vacant_columns.pop().unwrap_or(self.columns.len() as u32);
        let new = Column { values, ..Column::default() };
        match self.columns.get_mut(column as usize) {
            Some(vacant) => *vacant = new,
            None => self.columns.push(new),
        }
        self.column_of.insert(key, column);
        (column, true)
    }

    /// Notes that a constraint mentions a value; says whether it is the first.
    pub(super) fn mention(&mut self, column: u32, value: TextId) -> bool {
        let column = &mut self.columns[column as usize];
        column.mentioned.insert(value) && !column.numeric
    }

    /// Notes that a constraint compares the values of a column as numbers; says whether it is the first.
    pub(super) fn compare(&mut self, column: u32) -> bool {
        !std::mem::replace(&mut self.columns[column as usize].numeric, true)
    }

    /// Nodes whose profile may split after these columns became finer and these values were mentioned; ascending.
    pub(super) fn affected(&self, columns: &[u32], values: &[(u32, TextId)]) -> Vec<NodeId> {
        if !columns.is_empty() {
            return self.present();
        }
        let mut nodes: Vec<_> =
            values.iter().flat_map(|&(column, value)| self.carrying(column, value)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Nodes with this value in a column, ascending.
    pub(super) fn carrying(&self, column: u32, value: TextId) -> Vec<NodeId> {
        let wanted = verbatim(value);
        let values = self.columns[column as usize].values.iter().enumerate();
        values.filter(|&(_, &value)| value == wanted).map(|(node, _)| NodeId(node as u32)).collect()
    }

    /// Nodes that exist, ascending.
    pub(super) fn present(&self) -> Vec<NodeId> {
        let facts = self.facts.iter().enumerate();
        facts.filter(|(_, facts)| facts.is_some()).map(|(node, _)| NodeId(node as u32)).collect()
    }

    /// Name and host name of a node, with their columns.
    pub(super) fn identity(&self, node: NodeId) -> impl Iterator<Item = (u32, TextId)> + use<> {
        let value = |column: u32| {
            let value = self.columns[column as usize].values.get(node.index()).copied().unwrap_or(ABSENT);
            text(value).map(|text| (column, text))
        };
        value(NAME_COLUMN).into_iter().chain(value(HOSTNAME_COLUMN))
    }

    pub(super) fn label(&self, node: NodeId, key: TextId) -> Option<TextId> {
        let facts = self.facts.get(node.index())?.as_ref()?;
        facts.labels.iter().find(|label| label.0 == key).map(|label| label.1)
    }

    pub(super) fn labels(&self, node: NodeId) -> impl Iterator<Item = (TextId, TextId)> + '_ {
        let facts = self.facts.get(node.index()).and_then(Option::as_ref);
        facts.into_iter().flat_map(|facts| facts.labels.iter().copied())
    }

    /// What a constraint sees of one node, its name included.
    pub(super) fn subject(&self, node: NodeId) -> Option<Subject<'_>> {
        let key = self.key(self.profile(node))?;
        let value = |column: u32| self.columns[column as usize].values[node.index()];
        Some(Subject { key, name: value(NAME_COLUMN), hostname: value(HOSTNAME_COLUMN) })
    }

    pub(super) fn profile(&self, node: NodeId) -> u32 {
        self.profile_of.get(node.index()).copied().unwrap_or(NO_PROFILE)
    }

    pub(super) fn profile_column(&self) -> &[u32] {
        &self.profile_of
    }

    /// Slots for profiles, free ones included.
    pub(super) fn profiles(&self) -> u32 {
        self.profiles.len() as u32
    }

    pub(super) fn key(&self, profile: u32) -> Option<&[u32]> {
        self.profiles[profile as usize].key.as_deref()
    }

    /// What a taint says of its node: that it is cordoned, that it is not ready, or just itself.
    pub(super) fn cause_of(&self, taint: &Taint) -> Cause {
        if taint.key == self.cordon.key {
            Cause::Unschedulable
        } else if self.not_ready.contains(&taint.key) {
            Cause::NotReady
        } else {
            Cause::Taint(taint.key)
        }
    }

    /// The key of a column's label; `None` for the node name.
    pub(super) fn column_key(&self, column: u32) -> Option<TextId> {
        self.column_of.iter().find(|&(_, &known)| known == column).map(|(&key, _)| key)
    }

    pub(super) fn taints(&self, key: &[u32]) -> &[Taint] {
        &self.taint_lists[key[1]]
    }

    /// Moves a node to the profile that its facts ask for. `Some` if that profile is new and has no verdicts yet; the
    /// verdicts of the profile that the node left may still be read until the next call.
    pub(super) fn settle(&mut self, node: NodeId) -> Option<u32> {
        let key = self.profile_key(node);
        let (profile, is_new) = match self.profile_ids.get(&key) {
            Some(&profile) => (profile, false),
            None => {
                let profile = self.free.pop().unwrap_or_else(|| {
                    self.profiles.push(Profile::default());
                    self.profiles.len() as u32 - 1
                });
                self.profiles[profile as usize].key = Some(key.clone());
                self.profile_ids.insert(key, profile);
                (profile, true)
            }
        };
        // Enter before leaving: the old profile must not be freed and taken again in one step.
        self.profiles[profile as usize].nodes += 1;
        self.leave(node);
        self.profile_of[node.index()] = profile;
        is_new.then_some(profile)
    }

    fn leave(&mut self, node: NodeId) {
        let old = std::mem::replace(&mut self.profile_of[node.index()], NO_PROFILE);
        let profile = &mut self.profiles[old as usize];
        if old == NO_PROFILE {
            return;
        }
        profile.nodes -= 1;
        if profile.nodes == 0 {
            let key = profile.key.take().expect("a profile with nodes has a key");
            self.profile_ids.remove(&key);
            self.free.push(old);
        }
    }

    fn profile_key(&self, node: NodeId) -> Box<[u32]> {
        let facts = self.facts[node.index()].as_ref().expect("the node is present");
        let values = self.columns.iter().map(|column| column.normal(node));
        [facts.flags, facts.taints].into_iter().chain(values).collect()
    }

    /// Forgets all that constraints mention; those that are needed still are to be noted anew.
    pub(super) fn forget_mentions(&mut self) {
        for column in &mut self.columns {
            column.mentioned.clear();
            column.numeric = false;
        }
    }

    /// Gives columns back that are not among these (ascending), and taint lists that no node has. Profiles stay as they are
    /// until their nodes are settled.
    pub(super) fn retain(&mut self, columns: &[u32]) {
        let Nodes { columns: all, column_of, vacant_columns, .. } = self;
        column_of.retain(|_, column| {
            let stays = *column <= HOSTNAME_COLUMN || columns.binary_search(column).is_ok();
            if !stays {
                all[*column as usize] = Column::default();
                vacant_columns.push(*column);
            }
            stays
        });
        vacant_columns.sort_unstable_by(|a, b| b.cmp(a));
        let taints: FxHashSet<u32> = self.facts.iter().flatten().map(|facts| facts.taints).collect();
        self.taint_lists.retain(|place| taints.contains(&place));
    }

    /// Texts that nodes and columns are made of.
    pub(super) fn texts(&self) -> impl Iterator<Item = TextId> {
        let facts = self.facts.iter().flatten();
        let facts = facts
            .flat_map(|facts| facts.labels.iter().flat_map(|&(key, value)| [key, value]).chain([facts.name]));
        let lists = self.taint_lists.iter().flat_map(|(_, list)| list.iter());
        let taints = lists.chain([&self.cordon]).flat_map(|taint| [taint.key, taint.value]);
        facts.chain(taints).chain(self.column_of.keys().copied())
    }

    /// Columns, taint lists and mentioned values.
    pub(super) fn size(&self) -> usize {
        let mentioned: usize = self.columns.iter().map(|column| column.mentioned.len()).sum();
        self.column_of.len() + self.taint_lists.len() + mentioned
    }

    /// Is everything that scheduling reads of the node as it was?
    pub(super) fn is_same(&self, node: NodeId, object: &Node, texts: &Texts) -> bool {
        let Some(facts) = self.facts.get(node.index()).and_then(Option::as_ref) else { return false };
        let labels = &object.metadata.labels;
        let taints =
            object.spec.taints.iter().filter_map(|taint| Some((Effect::from_api(&taint.effect)?, taint)));
        facts.flags == flags(object)
            && texts.get(facts.name) == object.metadata.name
            && facts.labels.len() == labels.len()
            && facts
                .labels
                .iter()
                .zip(labels)
                .all(|(known, (key, value))| texts.get(known.0) == key && texts.get(known.1) == value)
            && self.taint_lists[facts.taints]
                .iter()
                .map(|taint| (taint.effect, texts.get(taint.key), texts.get(taint.value)))
                .eq(taints.map(|(effect, taint)| (effect, taint.key.as_str(), taint.value.as_str())))
    }
}

impl Column {
    /// The value of a node as far as constraints can tell values apart.
    fn normal(&self, node: NodeId) -> u32 {
        let value = self.values.get(node.index()).copied().unwrap_or(ABSENT);
        match text(value) {
            Some(text) if !self.numeric && !self.mentioned.contains(&text) => OTHER,
            _ => value,
        }
    }
}

/// Cordoned and ready at a glance.
pub(super) fn is_cordoned(key: &[u32]) -> bool {
    key[0] & CORDONED != 0
}

pub(super) fn is_ready(key: &[u32]) -> bool {
    key[0] & NOT_READY == 0
}

/// A node without a `Ready` condition counts as ready: manifests on disk rarely have one.
fn flags(object: &Node) -> u32 {
    let ready = object.status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let not_ready = ready.is_some_and(|condition| condition.status != "True");
    u32::from(object.spec.unschedulable) * CORDONED + u32::from(not_ready) * NOT_READY
}

fn put(values: &mut Vec<u32>, node: NodeId, value: u32) {
    if values.len() <= node.index() {
        values.resize(node.index() + 1, ABSENT);
    }
    values[node.index()] = value;
}
