//! Dense ids. Strings live at the edge; inside, everything is an index.

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The index into columns.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}

ids! {
    /// A node.
    NodeId,
    /// A domain of the frozen topology; valid for one [`super::topology::Topology::version`]. 0 is the root.
    DomainId,
    /// A pod class: pods that no rule can tell apart.
    ClassId,
    /// What a class demands of a node regardless of other pods. 0 demands nothing (and tolerates nothing).
    ConstraintId,
    /// What a class demands relative to other pods. 0 demands nothing.
    CouplingId,
    /// A resource; see [`super::capacity`] for the fixed ones.
    ResourceId,
    /// A pod in the cluster.
    PodId,
    /// A gang in the cluster.
    GangId,
    /// An interned text.
    TextId,
}
