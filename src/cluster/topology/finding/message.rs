//! Findings in words: what is wrong, where, and what would be right.

use super::{Finding, LevelFault, MemberFault, MemberKind, Sample};
use crate::cluster::topology::Tier;
use crate::words::counted;
use std::fmt;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Cycle { hyper_nodes, path } => {
                write!(f, "HyperNode {:?}: spec.members: contains itself: ", path[0])?;
                for name in path.iter().take(8) {
                    write!(f, "{name} -> ")?;
                }
                if path.len() > 8 {
                    write!(f, "({} more) -> ", path.len() - 8)?;
                }
                write!(f, "{}; remove one of these members", path[0])?;
                match hyper_nodes.len() {
                    1 => write!(f, "; quarantined"),
                    count => write!(f, "; {} are quarantined", counted(count, "HyperNode")),
                }
            }
            Finding::SharedMembers { hyper_node, kind, members, with } => {
                write!(f, "HyperNode {hyper_node:?}: spec.members: shares {} with ", kind.with(members))?;
                match &with[..] {
                    [a, b, c, _, ..] => write!(f, "{a}, {b}, {c} and others")?,
                    few => write!(f, "{}", Sample { first: few.to_vec(), count: few.len() })?,
                }
                let remedy = match kind {
                    MemberKind::Node => {
                        "a node belongs to one HyperNode, or to HyperNodes that contain each other"
                    }
                    MemberKind::HyperNode => "a HyperNode has one parent",
                };
                write!(
                    f,
                    "; {remedy}: remove the wrong member; quarantined, as it cannot be told which is right"
                )
            }
            Finding::TierNotAbove { hyper_node, tier, inside, inside_tier } => write!(
                f,
                "HyperNode {hyper_node:?}: spec.tier: {tier} is not above the tier of {inside:?} inside it, which is \
                 {inside_tier}; tiers must rise from a member to the HyperNode that lists it: raise the one or lower \
                 the other; quarantined"
            ),
            Finding::TierNotBelow { hyper_node, tier, parent, parent_tier } => write!(
                f,
                "HyperNode {hyper_node:?}: spec.tier: {tier} is not below the tier of {parent:?} around it, which is \
                 {parent_tier}, nor of the one around that; tiers must rise from a member to the HyperNode that lists \
                 it: set a tier below {parent_tier}; quarantined"
            ),
            Finding::TierOutOfRange { hyper_node, tier } => write!(
                f,
                "HyperNode {hyper_node:?}: spec.tier: {tier} is out of range; must be from 0 to {}; quarantined",
                Tier::MAX - 1
            ),
            Finding::AmbiguousTierName { name, tiers } => {
                write!(f, "tier name {name:?} stands for several tiers: ")?;
                for (at, (tier, hyper_node)) in tiers.iter().enumerate().take(4) {
                    write!(f, "{}{tier} (HyperNode {hyper_node:?})", if at > 0 { ", " } else { "" })?;
                }
                if tiers.len() > 4 {
                    write!(f, " and {} more", tiers.len() - 4)?;
                }
                write!(f, "; give each tier a spec.tierName of its own; gangs that ask for {name:?} are held")
            }
            Finding::BadMember { hyper_node, member, fault } => {
                write!(f, "HyperNode {hyper_node:?}: spec.members[{member}]{fault}; this member is ignored")
            }
            Finding::MissingMembers { hyper_node, kind, members } => {
                write!(f, "HyperNode {hyper_node:?}: spec.members: no {} yet", kind.with(members))
            }
            Finding::BadLevel { level, key, fault } => {
                write!(f, "domain label {level} ({key:?}) {fault}; this level is ignored")
            }
            Finding::MissingLabel { key, nodes } => write!(
                f,
                "{} without the label {key:?}; placed below the last level they have",
                MemberKind::Node.with(nodes)
            ),
        }
    }
}

impl fmt::Display for MemberFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberFault::UnknownType(value) => write!(f, ".type: {value:?} is unknown; must be Node or HyperNode"),
            MemberFault::NoSelector => {
                f.write_str(".selector: is empty; set one of exactMatch, regexMatch and labelMatch")
            }
            MemberFault::SeveralSelectors => {
                f.write_str(".selector: has several selectors; set only one of exactMatch, regexMatch and labelMatch")
            }
            MemberFault::NoName => f.write_str(".selector.exactMatch.name: is empty; set the name of one object"),
            MemberFault::BadPattern { pattern, error } => {
                write!(f, ".selector.regexMatch.pattern: {pattern:?} cannot be used: {error}")
            }
            MemberFault::LabelMatchOnHyperNode => f.write_str(
                ".selector.labelMatch: has no effect on members of type HyperNode; list them with exactMatch or regexMatch",
            ),
            MemberFault::BadSelector(error) => write!(f, ".selector.labelMatch: {error}"),
            MemberFault::TooBroad { candidates } => write!(
                f,
                ".selector: there is too much to try: {candidates} candidates here besides those of other members; \
                 use a pattern with a fixed part that few names have, or a label with a value"
            ),
        }
    }
}

impl fmt::Display for LevelFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LevelFault::Empty => "is empty; give a label key",
            LevelFault::Repeated => "occurs twice; list each label once, outermost first",
            LevelFault::HostnameNotLast => "must be the last level; it names single nodes",
        })
    }
}

impl MemberKind {
    /// For example `nodes a, b and 3 more`.
    fn with(self, names: &Sample) -> String {
        let noun = match (self, names.count) {
            (MemberKind::Node, 1) => "node",
            (MemberKind::Node, _) => "nodes",
            (MemberKind::HyperNode, 1) => "HyperNode",
            (MemberKind::HyperNode, _) => "HyperNodes",
        };
        format!("{noun} {names}")
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = self.count - self.first.len();
        for (at, name) in self.first.iter().enumerate() {
            let last = more == 0 && at + 1 == self.first.len();
            f.write_str(if at == 0 {
                ""
            } else if last {
                " and "
            } else {
                ", "
            })?;
            f.write_str(name)?;
        }
        if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
    }
}
