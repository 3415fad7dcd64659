//! Label sets with pods on nodes: what a selector that appears later is matched against.

use super::super::ids::{NodeId, TextId};
use super::super::labels::LabelSetId;
use super::super::slab::Slab;
use super::selector::SelectorId;
use rustc_hash::FxHashMap;

/// A label set in a namespace that has pods on nodes; reused once the last one is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PresenceId(u32);

#[derive(Debug, Default)]
pub(super) struct Presences {
    presences: Slab<Presence>,
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
            PresenceId(self.presences.insert(presence))
        });
        let presence = self.presences.get_mut(id.0).expect("it was found or made just now");
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
        let Some(presence) = self.presences.get_mut(id.0) else { return false };
        presence.pods -= 1;
        if presence.pods > 0 {
            return false;
        }
        self.ids.remove(&(presence.namespace, presence.labels));
        self.presences.remove(id.0);
        true
    }

    pub(super) fn find(&self, namespace: TextId, labels: LabelSetId) -> Option<PresenceId> {
        self.ids.get(&(namespace, labels)).copied()
    }

    pub(super) fn get(&self, id: PresenceId) -> (TextId, LabelSetId) {
        let presence = self.there(id);
        (presence.namespace, presence.labels)
    }

    /// All presences, ascending.
    pub(super) fn all(&self) -> impl Iterator<Item = PresenceId> {
        self.presences.iter().map(|(place, _)| PresenceId(place))
    }

    pub(super) fn selectors(&self, id: PresenceId) -> &[SelectorId] {
        &self.there(id).selectors
    }

    pub(super) fn set_selectors(&mut self, id: PresenceId, selectors: Vec<SelectorId>) {
        if let Some(presence) = self.presences.get_mut(id.0) {
            presence.selectors = selectors;
        }
    }

    /// Notes that a new selector matches.
    pub(super) fn add_selector(&mut self, id: PresenceId, selector: SelectorId) {
        if let Some(Presence { selectors, .. }) = self.presences.get_mut(id.0)
            && let Err(at) = selectors.binary_search(&selector)
        {
            selectors.insert(at, selector);
        }
    }

    /// Forgets selectors.
    pub(super) fn retain_selectors(&mut self, is_known: impl Fn(SelectorId) -> bool) {
        self.presences.iter_mut().for_each(|presence| presence.selectors.retain(|&id| is_known(id)));
    }

    /// Namespaces that have pods on nodes.
    pub(super) fn namespaces(&self) -> impl Iterator<Item = TextId> {
        self.presences.iter().map(|(_, presence)| presence.namespace)
    }

    fn there(&self, id: PresenceId) -> &Presence {
        self.presences.get(id.0).expect("a presence is known as long as it has pods")
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
