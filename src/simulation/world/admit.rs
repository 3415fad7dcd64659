//! What an API server would refuse: see [`strict`](crate::api::strict) for core objects, the CRDs for custom resources.

use super::{Document, Key, Problem, Scenario, applied};
use crate::api::strict::Fault;
use crate::apiserver::admission;
use crate::apiserver::schema::Schemas;

/// The checks, with the schemas they need.
#[derive(Debug, Default)]
pub(super) struct Admission {
    schemas: Schemas,
}

impl Admission {
    /// Checks one document and returns its key, if it has one.
    pub(super) fn check(
        &mut self,
        document: &Document,
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<(&'static str, Problem)>,
    ) -> Option<Key> {
        let (key, faults) = admission::faults(&self.schemas, &document.value);
        for fault in faults {
            let (is_warning, code) = (fault.unknown, code(&fault));
            let problem = document.problem(&fault.path, fault.message, fault.remedy);
            // A kind of which every namespace has one is told of once.
            let is_kind = problem.path == "kind" && code == "KindNotRead";
            let is_told = |(_, told): &(_, Problem)| {
                (&told.message, &told.remedy) == (&problem.message, &problem.remedy)
            };
            match is_warning {
                true if is_kind && warnings.iter().any(is_told) => {}
                true => warnings.push((code, problem)),
                false => problems.push(problem),
            }
        }
        key
    }

    /// Checks the objects that the timeline applies.
    pub(super) fn check_timeline(
        &mut self,
        scenario: &Scenario,
        document: &Document,
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<(&'static str, Problem)>,
    ) {
        for (at, object) in applied(scenario) {
            for fault in admission::faults(&self.schemas, object).1 {
                let (is_warning, code) = (fault.unknown, code(&fault));
                let path = if fault.path.starts_with('[') || fault.path.is_empty() {
                    format!("{at}{}", fault.path)
                } else {
                    format!("{at}.{}", fault.path)
                };
                let problem = document.problem(&path, fault.message, fault.remedy);
                if is_warning { warnings.push((code, problem)) } else { problems.push(problem) }
            }
        }
    }
}

/// The code of a warning.
fn code(fault: &Fault) -> &'static str {
    match fault.path.as_str() {
        "apiVersion" | "kind" => "KindNotRead",
        _ if fault.message == "is not a field" => "UnknownField",
        // What is left out, and what no amount can be.
        _ => "UnlikelyValue",
    }
}
