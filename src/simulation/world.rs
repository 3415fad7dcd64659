//! What a run starts from: objects that an API server would have admitted, and the scenario. Everything that is wrong
//! with the input is found here, before anything runs.

mod admit;
#[cfg(test)]
mod tests;

use super::generate;
use super::problem::Problem;
use super::reader::{Document, Reader};
use super::scenario::{self, Action, Scenario};
use crate::apiserver::Key;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a run starts from.
#[derive(Clone, Debug)]
pub struct World {
    /// Objects, in the order they were written; made ones come first.
    pub(crate) objects: Vec<Value>,
    /// The scenario.
    pub(crate) scenario: Scenario,
    /// Kinds that Phalanx does not read, and how many of each there were.
    pub ignored: BTreeMap<String, usize>,
    /// What was done with the input that is worth knowing, and that nothing is wrong with.
    pub notes: Vec<Problem>,
    /// What is read and not used, with the code of the warning.
    pub warnings: Vec<(&'static str, Problem)>,
}

impl World {
    /// Admits what was read, or says all that is wrong with it.
    pub fn admit(reader: Reader) -> Result<World, Vec<Problem>> {
        let Reader { documents, mut problems } = reader;
        let (mut ignored, mut notes, mut warnings) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut scenario: Option<(Scenario, Document)> = None;
        let mut objects = Vec::with_capacity(documents.len());
        let mut places: BTreeMap<Key, (String, u32)> = BTreeMap::new();
        let mut admission = admit::Admission::default();
        for document in documents {
            if document.kind() == scenario::KIND
                && document.api_version().starts_with("simulation.phalanx.dev/")
            {
                if let Some((_, first)) = &scenario {
                    let message = format!(
                        "is the second Simulation; the first is document {} of {}",
                        first.number, first.source
                    );
                    problems.push(document.problem("kind", message, "merge the two"));
                    continue;
                }
                match Scenario::read(&document) {
                    Ok(read) => {
                        admission.check_timeline(&read, &document, &mut problems, &mut warnings);
                        scenario = Some((read, document));
                    }
                    Err(wrong) => problems.extend(wrong),
                }
                continue;
            }
            let before = problems.len();
            let Some(key) = admission.check(&document, &mut problems, &mut warnings) else { continue };
            if problems.len() > before {
                continue;
            }
            if !key.kind.is_read() {
                *ignored.entry(format!("{} ({})", document.kind(), document.api_version())).or_default() += 1;
            }
            let place = (document.source.to_string(), document.number);
            if let Some((source, number)) = places.insert(key, place) {
                let message =
                    format!("is applied over document {number} of {source}, which names the same object");
                notes.push(document.problem("", message, ""));
            }
            objects.push(document.value);
        }
        let (scenario, document) = match scenario {
            Some((scenario, document)) => (scenario, Some(document)),
            None => (Scenario::plain(), None),
        };
        match (generate::node_pools(&scenario), &document) {
            (Ok(mut made), _) => {
                made.append(&mut objects);
                objects = made;
            }
            (Err((path, what)), Some(document)) => problems.push(document.problem(&path, what, "")),
            (Err(_), None) => {}
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(World { objects, scenario, ignored, notes, warnings })
    }
}

impl World {
    /// Objects that the run starts with, made ones included.
    pub fn size(&self) -> usize {
        self.objects.len()
    }

    /// Is there so much of it that a run takes a while?
    pub fn is_big(&self) -> bool {
        let gangs: u64 = self.scenario.gangs.iter().map(|gangs| u64::from(gangs.count)).sum();
        self.objects.len() > 2_000 || gangs > 1_000
    }
}

/// Objects that the timeline applies, with their paths.
fn applied(scenario: &Scenario) -> impl Iterator<Item = (String, &Value)> {
    scenario.timeline.iter().enumerate().flat_map(|(index, step)| {
        let at = format!("spec.timeline[{index}].apply");
        let objects: Vec<(String, &Value)> = match &step.action {
            Action::Apply(Value::Array(list)) => {
                list.iter().enumerate().map(|(item, value)| (format!("{at}[{item}]"), value)).collect()
            }
            Action::Apply(value) => vec![(at, value)],
            _ => Vec::new(),
        };
        objects
    })
}
