//! Label sets with pods on nodes: what a selector that appears later is matched against.

use super::super::ids::{NodeId, TextId};
use super::super::labels::LabelSetId;
use super::selector::SelectorId;
use rustc_hash::FxHashMap;

/// A label set in a namespace that has pods on nodes; reused once the last one is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PresenceId(u32);

#[derive(Debug, Default)]
pub(super) struct Presences {
    slots: Vec<Presence>,
    vacant: Vec<PresenceId>,
    ids: FxHashMap<(TextId, LabelSetId), PresenceId>,
    placed: FxHashMap<(PresenceId, NodeId), Pods>,
}

#[derive(Debug)]
struct Presence {
    namespace: TextId,
    labels: LabelSetId,
    /// Selectors that match, ascending.
    selectors: Vec<SelectorId>,
    pods: u32,
}

/// Pods of a presence on a node.
#[derive(Clone, Copy, Debug, Default)]
struct Pods {
    live: u32,
    deleting: u32,
}

impl Presences {
    /// Adds a pod; says whether the presence is new and has yet to learn its selectors.
    pub(super) fn enter(
        &mut self,
        namespace: TextId,
        labels: LabelSetId,
        node: NodeId,
        deleting: bool,
    ) -> (PresenceId, bool) {
        let id = *self.ids.entry((namespace, labels)).or_insert_with(|| {
            let presence = Presence { namespace, labels, selectors: Vec::new(), pods: 0 };
            match self.vacant.pop() {
                Some(id) => {
                    self.slots[id.0 as usize] = presence;
                    id
                }
                None => {
                    self.slots.push(presence);
                    PresenceId(self.slots.len() as u32 - 1)
                }
            }
        });
        let presence = &mut self.slots[id.0 as usize];
        presence.pods += 1;
        let is_new = presence.pods == 1;
        let pods = self.placed.entry((id, node)).or_default();
        *(if deleting { &mut pods.deleting } else { &mut pods.live }) += 1;
        (id, is_new)
    }

    /// Removes a pod; `true` if it was the last and the presence is gone.
    pub(super) fn leave(&mut self, id: PresenceId, node: NodeId, deleting: bool) -> bool {
        let Some(pods) = self.placed.get_mut(&(id, node)) else { return false };
        let count = if deleting { &mut pods.deleting } else { &mut pods.live };
        debug_assert!(*count > 0, "the pod is as it was when it was added");
        *count = count.saturating_sub(1);
        if pods.live + pods.deleting == 0 {
            self.placed.remove(&(id, node));
        }
        let presence = &mut self.slots[id.0 as usize];
        presence.pods -= 1;
        if presence.pods > 0 {
            return false;
        }
        self.ids.remove(&(presence.namespace, presence.labels));
        self.vacant.push(id);
        true
    }

    pub(super) fn find(&self, namespace: TextId, labels: LabelSetId) -> Option<PresenceId> {
        self.ids.get(&(namespace, labels)).copied()
    }

    pub(super) fn get(&self, id: PresenceId) -> (TextId, LabelSetId) {
        let presence = &self.slots[id.0 as usize];
        (presence.namespace, presence.labels)
    }

    /// All presences, ascending.
    pub(super) fn all(&self) -> impl Iterator<Item = PresenceId> {
        let slots = self.slots.iter().enumerate();
        slots.filter(|(_, presence)| presence.pods > 0).map(|(index, _)| PresenceId(index as u32))
    }

    pub(super) fn selectors(&self, id: PresenceId) -> &[SelectorId] {
        &self.slots[id.0 as usize].selectors
    }

    pub(super) fn set_selectors(&mut self, id: PresenceId, selectors: Vec<SelectorId>) {
        self.slots[id.0 as usize].selectors = selectors;
    }

    /// Notes that a new selector matches; ids of selectors grow.
    pub(super) fn add_selector(&mut self, id: PresenceId, selector: SelectorId) {
        self.slots[id.0 as usize].selectors.push(selector);
    }

    /// Where the pods of some presences (ascending) are: node, live pods, pods being deleted, selectors that match.
    /// The order does not matter to sums.
    pub(super) fn placed(
        &self,
        presences: &[PresenceId],
    ) -> impl Iterator<Item = (NodeId, u32, u32, &[SelectorId])> {
        let placed = if presences.is_empty() { None } else { Some(&self.placed) };
        placed
            .into_iter()
            .flatten()
            .filter(|((presence, _), _)| presences.binary_search(presence).is_ok())
            .map(|(&(presence, node), pods)| (node, pods.live, pods.deleting, self.selectors(presence)))
    }
}
