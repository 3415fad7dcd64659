//! What no pod demands of nodes any more, forgotten: constraints, the columns and values that only they mention, taint
//! lists and texts.

use super::super::ids::{ConstraintId, TextId};
use super::Eligibility;
use rustc_hash::FxHashSet;

impl Eligibility {
    /// Forgets constraints that are not needed any more; that of no demands always is. `texts` are needed for other
    /// reasons. Nodes that only forgotten constraints told apart share a profile from then on.
    pub(in crate::cluster) fn sweep(
        &mut self,
        mut is_needed: impl FnMut(ConstraintId) -> bool,
        texts: impl Iterator<Item = TextId>,
    ) {
        let gone = self.constraints.retain(|place| place == 0 || is_needed(ConstraintId(place)));
        for &place in &gone {
            self.rows[place as usize] = Default::default();
        }
        let is_gone = |id: &ConstraintId| gone.binary_search(&id.0).is_ok();
        self.numeric.retain(|id| !is_gone(id));
        self.mentions.retain(|_, ids| {
            ids.retain(|id| !is_gone(id));
            !ids.is_empty()
        });
        self.nodes.forget_mentions();
        let mut columns = Vec::new();
        for (_, constraint) in self.constraints.iter() {
            constraint.mention(&mut self.nodes, &mut columns);
        }
        columns.sort_unstable();
        self.nodes.retain(&columns);
        for node in self.nodes.present() {
            self.settle_profile(node, None);
        }
        let mut needed: FxHashSet<TextId> = texts.chain(self.nodes.texts()).collect();
        for (_, constraint) in self.constraints.iter() {
            constraint.texts(&mut |text| {
                needed.insert(text);
            });
        }
        needed.extend(self.mentions.keys().map(|&(_, text)| text));
        self.texts.retain(|text| needed.contains(&text));
    }

    /// How much is kept: constraints, columns, taint lists, mentioned values and texts.
    pub(in crate::cluster) fn size(&self) -> usize {
        self.constraints.len() + self.nodes.size() + self.texts.len()
    }
}
