//! Label sets, interned: the pods of one template share one set.

use rustc_hash::FxBuildHasher;
use std::collections::BTreeMap;

/// Labels of a pod.
pub type Labels = BTreeMap<String, String>;

/// An interned label set. 0 is the empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSetId(pub u32);

/// All label sets seen.
#[derive(Debug)]
pub struct LabelSets {
    sets: indexmap::IndexSet<Labels, FxBuildHasher>,
}

impl Default for LabelSets {
    fn default() -> Self {
        let mut sets = indexmap::IndexSet::default();
        sets.insert(Labels::new());
        LabelSets { sets }
    }
}

impl LabelSets {
    /// The id of a set, new or known.
    pub fn intern(&mut self, labels: &Labels) -> LabelSetId {
        match self.sets.get_index_of(labels) {
            Some(index) => LabelSetId(index as u32),
            None => LabelSetId(self.sets.insert_full(labels.clone()).0 as u32),
        }
    }

    /// The set behind an id.
    pub fn get(&self, id: LabelSetId) -> &Labels {
        self.sets.get_index(id.0 as usize).expect("ids come from intern")
    }
}
