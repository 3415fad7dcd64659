//! What holds between the devices of a claim: equal or different values of an attribute.
//!
//! An attribute is found under its full name, or under its bare name where the domain is that of the driver. A device
//! without it never satisfies a constraint. Lists match if all devices have an element in common, and differ if no element
//! is there twice; a plain value is a list of one.

use super::pools::Candidate;
use crate::api::device::DeviceAttribute;

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Element {
    Int(i64),
    Bool(bool),
    Text(String),
    Version(String),
}

/// The values of an attribute of a device; none if it has no value of a type that is known.
pub(super) fn values(candidate: &Candidate<'_>, attribute: &str, reads_lists: bool) -> Option<Vec<Element>> {
    let attributes = &candidate.device.attributes;
    let bare = attribute.split_once('/').filter(|(domain, _)| *domain == candidate.driver);
    let found = attributes.get(attribute).or_else(|| attributes.get(bare?.1))?;
    elements(found, reads_lists)
}

fn elements(attribute: &DeviceAttribute, reads_lists: bool) -> Option<Vec<Element>> {
    Some(match attribute {
        DeviceAttribute { int: Some(it), .. } => vec![Element::Int(*it)],
        DeviceAttribute { bool: Some(it), .. } => vec![Element::Bool(*it)],
        DeviceAttribute { string: Some(it), .. } => vec![Element::Text(it.clone())],
        DeviceAttribute { version: Some(it), .. } => vec![Element::Version(it.clone())],
        _ if !reads_lists => return None,
        DeviceAttribute { ints: Some(all), .. } => all.iter().map(|&it| Element::Int(it)).collect(),
        DeviceAttribute { bools: Some(all), .. } => all.iter().map(|&it| Element::Bool(it)).collect(),
        DeviceAttribute { strings: Some(all), .. } => all.iter().cloned().map(Element::Text).collect(),
        DeviceAttribute { versions: Some(all), .. } => all.iter().cloned().map(Element::Version).collect(),
        _ => return None,
    })
}

/// The devices that a constraint has seen: after each of them, the elements that all share, or all that are there.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    stack: Vec<Vec<Element>>,
}

impl Held {
    /// Takes in a device with these values, if the constraint still holds.
    pub(super) fn add(&mut self, values: Option<&Vec<Element>>, is_distinct: bool) -> bool {
        let Some(values) = values else { return false };
        let next = match (self.stack.last(), is_distinct) {
            (None, false) => values.clone(),
            (Some(shared), false) => shared.iter().filter(|it| values.contains(it)).cloned().collect(),
            (there, true) => {
                let mut all = there.cloned().unwrap_or_default();
                let twice =
                    values.iter().enumerate().any(|(at, it)| values[..at].contains(it) || all.contains(it));
                if twice {
                    return false;
                }
                all.extend(values.iter().cloned());
                all
            }
        };
        if !is_distinct && next.is_empty() {
            return false;
        }
        self.stack.push(next);
        true
    }

    /// Forgets the device that came last.
    pub(super) fn undo(&mut self) {
        self.stack.pop();
    }
}
