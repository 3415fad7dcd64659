//! What an API server would refuse: fields of the wrong type, values that the CRDs forbid, quantities that are none.

use super::{Document, Key, Problem, Scenario, applied};
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
        notes: &mut Vec<Problem>,
    ) -> Option<Key> {
        let (key, faults) = admission::faults(&self.schemas, &document.value);
        for fault in faults {
            let list = if fault.unknown { &mut *notes } else { &mut *problems };
            list.push(document.problem(&fault.path, fault.message, fault.remedy));
        }
        key
    }

    /// Checks the objects that the timeline applies.
    pub(super) fn check_timeline(
        &mut self,
        scenario: &Scenario,
        document: &Document,
        problems: &mut Vec<Problem>,
        notes: &mut Vec<Problem>,
    ) {
        for (at, object) in applied(scenario) {
            for fault in admission::faults(&self.schemas, object).1 {
                let list = if fault.unknown { &mut *notes } else { &mut *problems };
                let path = if fault.path.starts_with('[') || fault.path.is_empty() {
                    format!("{at}{}", fault.path)
                } else {
                    format!("{at}.{}", fault.path)
                };
                list.push(document.problem(&path, fault.message, fault.remedy));
            }
        }
    }
}
