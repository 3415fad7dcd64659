//! Pod classes: pods that no rule can tell apart share one id, and the solver counts classes instead of pods.

use super::ids::{ClassId, ConstraintId, CouplingId, ResourceId};
use rustc_hash::FxHashMap;

/// What the pods of a class ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    /// Requests per pod, ascending by resource, values above 0. Counts `pods: 1` as well.
    pub requests: Box<[(ResourceId, i64)]>,
    /// Static demands on a node.
    pub constraint: ConstraintId,
    /// Demands relative to other pods; [`CouplingId`] 0 for none.
    pub coupling: CouplingId,
}

/// All classes seen, interned.
#[derive(Debug, Default)]
pub struct Classes {
    classes: Vec<Class>,
    ids: FxHashMap<Class, ClassId>,
}

impl Classes {
    /// The id of a class, new or known.
    pub fn intern(&mut self, class: Class) -> ClassId {
        if let Some(&id) = self.ids.get(&class) {
            return id;
        }
        let id = ClassId(self.classes.len() as u32);
        self.classes.push(class.clone());
        self.ids.insert(class, id);
        id
    }

    /// The class behind an id.
    pub fn get(&self, id: ClassId) -> &Class {
        &self.classes[id.index()]
    }

    /// Classes known.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Is there none yet?
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}
