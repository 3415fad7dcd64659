//! What a claim asks for, with its classes looked up and its expressions known: what is searched for.
//!
//! Errors here abort the attempt for all nodes, as upstream: an unknown class, mode, selector or constraint is wrong
//! wherever the pod goes. A field that this version does not know is refused by name.

use super::catalogue::Catalogue;
use super::selectors::Expression;
use crate::api::device::{
    CapacityRequirements, DeviceClaim, DeviceSelector, DeviceTaint, DeviceToleration, TaintEffect, Unknown,
};

/// A claim to be searched for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// How messages call the claim.
    pub(super) name: String,
    pub(super) requests: Vec<Request>,
    pub(super) constraints: Vec<Constraint>,
}

/// One of these must be had; the first is preferred.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) choices: Vec<Choice>,
}

/// So many devices, or all of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    /// Of a subrequest; empty otherwise.
    pub(super) name: String,
    pub(super) class: String,
    /// Of the class, then of the request.
    pub(super) selectors: Vec<Expression>,
    /// `None` is all.
    pub(super) count: Option<usize>,
    pub(super) is_admin: bool,
    pub(super) tolerations: Vec<DeviceToleration>,
    pub(super) capacity: Option<CapacityRequirements>,
}

/// What holds between devices.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Constraint {
    /// Requests, or `request/subrequest`; empty is all.
    requests: Vec<String>,
    /// Name with its domain.
    pub(super) attribute: String,
    pub(super) is_distinct: bool,
}

impl Plan {
    /// Does it ask for the same, whatever it is called?
    pub(super) fn is_like(&self, other: &Plan) -> bool {
        self.requests == other.requests && self.constraints == other.constraints
    }
}

impl Choice {
    /// How a result calls it.
    pub(super) fn full_name(&self, request: &str) -> String {
        if self.name.is_empty() { request.to_owned() } else { format!("{request}/{}", self.name) }
    }

    /// Are all taints that keep claims away tolerated?
    pub(super) fn tolerates(&self, taints: &[&DeviceTaint]) -> bool {
        let mut hard = taints
            .iter()
            .filter(|taint| matches!(taint.effect, Some(TaintEffect::NoSchedule | TaintEffect::NoExecute)));
        hard.all(|taint| self.tolerations.iter().any(|toleration| tolerates(toleration, taint)))
    }
}

fn tolerates(toleration: &DeviceToleration, taint: &DeviceTaint) -> bool {
    let effect = toleration.effect.as_ref().is_none_or(|effect| Some(effect) == taint.effect.as_ref());
    let key = toleration.key.is_empty() || toleration.key == taint.key;
    effect
        && key
        && match toleration.operator.as_deref() {
            Some("Exists") => true,
            None | Some("" | "Equal") => toleration.value == taint.value,
            Some(_) => false,
        }
}

impl Constraint {
    /// Does it concern devices of this choice of a request?
    pub(super) fn concerns(&self, request: &str, choice: &Choice) -> bool {
        self.requests.is_empty()
            || self.requests.iter().any(|name| {
                name == request || (!choice.name.is_empty() && *name == choice.full_name(request))
            })
    }
}

/// Looks up what a claim asks for.
pub(super) fn plan(name: &str, claim: &DeviceClaim, catalogue: &Catalogue) -> Result<Plan, String> {
    let mut requests = Vec::new();
    for request in &claim.requests {
        let place = format!("ResourceClaim {name}, request {}", request.name);
        known(&request.unknown, &place)?;
        let mut choices = Vec::new();
        if let Some(exactly) = &request.exactly {
            known(&exactly.unknown, &place)?;
            let choice = RequestTerms {
                class: &exactly.device_class_name,
                selectors: &exactly.selectors,
                mode: exactly.allocation_mode.as_deref(),
                count: exactly.count,
            };
            choices.push(Choice {
                name: String::new(),
                is_admin: exactly.admin_access == Some(true),
                tolerations: exactly.tolerations.clone(),
                capacity: exactly.capacity.clone(),
                ..choice.read(&place, catalogue)?
            });
        }
        for sub in &request.first_available {
            let place = format!("{place}/{}", sub.name);
            known(&sub.unknown, &place)?;
            let choice = RequestTerms {
                class: &sub.device_class_name,
                selectors: &sub.selectors,
                mode: sub.allocation_mode.as_deref(),
                count: sub.count,
            };
            choices.push(Choice {
                name: sub.name.clone(),
                is_admin: false,
                tolerations: sub.tolerations.clone(),
                capacity: sub.capacity.clone(),
                ..choice.read(&place, catalogue)?
            });
        }
        if choices.is_empty() {
            return Err(format!("{place} has neither exactly nor firstAvailable, which is not supported"));
        }
        requests.push(Request { name: request.name.clone(), choices });
    }
    let mut constraints = Vec::new();
    for (at, constraint) in claim.constraints.iter().enumerate() {
        let place = format!("ResourceClaim {name}, constraint {at}");
        known(&constraint.unknown, &place)?;
        let (attribute, is_distinct) = match (&constraint.match_attribute, &constraint.distinct_attribute) {
            (Some(attribute), _) => (attribute.clone(), false),
            (None, Some(attribute)) => (attribute.clone(), true),
            (None, None) => {
                return Err(format!(
                    "{place} has neither matchAttribute nor distinctAttribute, which is not supported"
                ));
            }
        };
        constraints.push(Constraint { requests: constraint.requests.clone(), attribute, is_distinct });
    }
    Ok(Plan { name: name.to_owned(), requests, constraints })
}

fn known(unknown: &Unknown, place: &str) -> Result<(), String> {
    match unknown.keys().next() {
        Some(field) => Err(format!("{place} has field {field}, which is not supported")),
        None => Ok(()),
    }
}

/// What requests and subrequests have in common.
struct RequestTerms<'a> {
    class: &'a str,
    selectors: &'a [DeviceSelector],
    mode: Option<&'a str>,
    count: Option<i64>,
}

impl RequestTerms<'_> {
    fn read(&self, place: &str, catalogue: &Catalogue) -> Result<Choice, String> {
        if self.class.is_empty() {
            return Err(format!("{place} names no device class"));
        }
        let Some(class) = catalogue.class(self.class) else {
            return Err(format!("{place}: DeviceClass {} does not exist; create it", self.class));
        };
        let mut selectors = Vec::new();
        for selector in class.spec.selectors.iter().chain(self.selectors) {
            let Some(cel) = &selector.cel else {
                return Err(format!(
                    "{place} has a selector without a CEL expression, which is not supported"
                ));
            };
            known(&selector.unknown, place)?;
            selectors.push(catalogue.selectors.borrow_mut().expression(&cel.expression));
        }
        let count = match self.mode {
            None | Some("" | "ExactCount") => {
                Some(usize::try_from(self.count.unwrap_or(1)).unwrap_or_default())
            }
            Some("All") => None,
            Some(other) => {
                return Err(format!("{place} has allocation mode {other}, which is not supported"));
            }
        };
        Ok(Choice {
            name: String::new(),
            class: self.class.to_owned(),
            selectors,
            count,
            is_admin: false,
            tolerations: Vec::new(),
            capacity: None,
        })
    }
}
