//! Pod classes: pods that no rule can tell apart share one id, and the solver counts classes instead of pods.

use super::ids::{ClassId, ConstraintId, CouplingId, ResourceId};
use super::slab::Interner;

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

/// All classes that pods have, interned.
#[derive(Debug, Default)]
pub struct Classes {
    classes: Interner<Class>,
    generation: u64,
}

impl Classes {
    /// The id of a class, new or known.
    pub fn intern(&mut self, class: Class) -> ClassId {
        ClassId(self.classes.intern(class).0)
    }

    /// The class behind an id.
    pub fn get(&self, id: ClassId) -> &Class {
        &self.classes[id.0]
    }

    /// Changes when ids are given back, after which another class may have them: what is kept by id is to be dropped then.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Forgets the classes that no pod has any more.
    pub(super) fn retain(&mut self, mut is_needed: impl FnMut(ClassId) -> bool) {
        let gone = self.classes.retain(|place| is_needed(ClassId(place)));
        self.generation += u64::from(!gone.is_empty());
    }

    /// Classes with their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ClassId, &Class)> {
        self.classes.iter().map(|(place, class)| (ClassId(place), class))
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
