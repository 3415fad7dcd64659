//! What is wrong with the HyperNodes, or worth knowing about them: stable codes, and messages that name the object,
//! the field and the remedy.

mod message;

use super::Tier;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// A HyperNode is quarantined: it is no domain until this is mended. Its nodes and sound members hang below
    /// the lowest sound domain around it.
    Quarantined,
    /// A part is ignored; the rest works.
    Ignored,
    /// Nothing is wrong, or nothing yet.
    Note,
}

/// Something about the topology that a user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// HyperNodes contain themselves. All of them are quarantined, what they contain besides is not.
    Cycle {
        /// The HyperNodes that contain themselves through each other.
        hyper_nodes: Vec<Box<str>>,
        /// A shortest way round from the first of them, which is not repeated at the end.
        path: Vec<Box<str>>,
    },
    /// Another HyperNode, neither inside nor around this one, lists the same members. Which of them is right cannot
    /// be told, so both are quarantined. The members themselves are not.
    SharedMembers {
        /// This one.
        hyper_node: Box<str>,
        /// What they are.
        kind: MemberKind,
        /// The members.
        members: Sample,
        /// The other HyperNodes; the first four of them.
        with: Vec<Box<str>>,
    },
    /// A HyperNode's tier is not above the tier of what it contains. It is quarantined, since it promises to be closer
    /// than a part of it.
    TierNotAbove {
        /// This one.
        hyper_node: Box<str>,
        /// Its tier.
        tier: Tier,
        /// The HyperNode inside with the highest tier.
        inside: Box<str>,
        /// Its tier.
        inside_tier: Tier,
    },
    /// A HyperNode's tier is not below those of two HyperNodes around it, which agree with each other. It is the one
    /// that is out of line and is quarantined.
    TierNotBelow {
        /// This one.
        hyper_node: Box<str>,
        /// Its tier.
        tier: Tier,
        /// The HyperNode that lists it.
        parent: Box<str>,
        /// The parent's tier.
        parent_tier: Tier,
    },
    /// A tier that is negative or too large; the HyperNode is quarantined.
    TierOutOfRange {
        /// The HyperNode.
        hyper_node: Box<str>,
        /// The tier as written.
        tier: i64,
    },
    /// One name for several tiers. The name is withdrawn: gangs that ask by it are held, the domains stay.
    AmbiguousTierName {
        /// The name.
        name: Box<str>,
        /// The tiers, ascending, each with a HyperNode that gives it the name.
        tiers: Vec<(Tier, Box<str>)>,
    },
    /// A member that cannot be used; it is ignored and the other members count.
    BadMember {
        /// The HyperNode.
        hyper_node: Box<str>,
        /// Index into `spec.members`.
        member: usize,
        /// What is wrong.
        fault: MemberFault,
    },
    /// Members by name that do not exist (yet).
    MissingMembers {
        /// The HyperNode.
        hyper_node: Box<str>,
        /// What they would be.
        kind: MemberKind,
        /// Their names.
        members: Sample,
    },
    /// A level of the label topology that cannot be used.
    BadLevel {
        /// Index into the list of labels.
        level: usize,
        /// The label key.
        key: Box<str>,
        /// What is wrong.
        fault: LevelFault,
    },
    /// Nodes that have the labels of the levels above but not this one; they hang below the last level they have.
    MissingLabel {
        /// The label key.
        key: Box<str>,
        /// The nodes.
        nodes: Sample,
    },
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberKind {
    /// A node.
    Node,
    /// A HyperNode.
    HyperNode,
}

/// Why a member is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberFault {
    /// `type` is neither `Node` nor `HyperNode`.
    UnknownType(Box<str>),
    /// No selector.
    NoSelector,
    /// More than one selector.
    SeveralSelectors,
    /// `exactMatch` without a name.
    NoName,
    /// The pattern is no regular expression, or one that would take too much memory.
    BadPattern {
        /// The pattern.
        pattern: Box<str>,
        /// What the parser says.
        error: Box<str>,
    },
    /// `labelMatch` on a HyperNode: HyperNodes are listed by name or by pattern only.
    LabelMatchOnHyperNode,
    /// An expression of `labelMatch` that makes no sense.
    BadSelector(Box<str>),
    /// The pattern or selector, with the others like it, would take too long to evaluate.
    TooBroad {
        /// Names or nodes it would have to be tried on.
        candidates: usize,
    },
}

/// Why a level is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelFault {
    /// The key is empty.
    Empty,
    /// The key occurs further out already.
    Repeated,
    /// `kubernetes.io/hostname` is not the last level.
    HostnameNotLast,
}

/// A few of many names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The first of them, in natural order; at most three.
    pub first: Vec<Box<str>>,
    /// How many there are in all.
    pub count: usize,
}

impl Sample {
    /// Takes in one more name.
    pub(super) fn push(&mut self, name: &str) {
        if self.first.len() < 3 {
            self.first.push(name.into());
        }
        self.count += 1;
    }
}

impl Finding {
    /// A stable code, for conditions, events and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Finding::Cycle { .. } => "HyperNodeCycle",
            Finding::SharedMembers { kind: MemberKind::Node, .. } => "SharedNodes",
            Finding::SharedMembers { kind: MemberKind::HyperNode, .. } => "SecondParent",
            Finding::TierNotAbove { .. } | Finding::TierNotBelow { .. } => "TierInversion",
            Finding::TierOutOfRange { .. } => "TierOutOfRange",
            Finding::AmbiguousTierName { .. } => "AmbiguousTierName",
            Finding::BadMember { .. } => "BadMember",
            Finding::MissingMembers { .. } => "MissingMembers",
            Finding::BadLevel { .. } => "BadLevel",
            Finding::MissingLabel { .. } => "MissingLabel",
        }
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Finding::Cycle { .. }
            | Finding::SharedMembers { .. }
            | Finding::TierNotAbove { .. }
            | Finding::TierNotBelow { .. }
            | Finding::TierOutOfRange { .. } => Severity::Quarantined,
            Finding::AmbiguousTierName { .. } | Finding::BadMember { .. } | Finding::BadLevel { .. } => {
                Severity::Ignored
            }
            Finding::MissingMembers { .. } | Finding::MissingLabel { .. } => Severity::Note,
        }
    }

    /// The HyperNodes to report it on; with [`Severity::Quarantined`], those that are quarantined.
    pub fn hyper_nodes(&self) -> Vec<&str> {
        match self {
            Finding::Cycle { hyper_nodes, .. } => hyper_nodes.iter().map(|name| &**name).collect(),
            Finding::SharedMembers { hyper_node, .. }
            | Finding::TierNotAbove { hyper_node, .. }
            | Finding::TierNotBelow { hyper_node, .. }
            | Finding::TierOutOfRange { hyper_node, .. }
            | Finding::BadMember { hyper_node, .. }
            | Finding::MissingMembers { hyper_node, .. } => vec![hyper_node],
            Finding::AmbiguousTierName { tiers, .. } => tiers.iter().map(|(_, name)| &**name).collect(),
            Finding::BadLevel { .. } | Finding::MissingLabel { .. } => Vec::new(),
        }
    }
}
