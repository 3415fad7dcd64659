//! What was recorded of a run, done again: every run of these tests is.

use super::*;
use crate::engine::replay::Replay;
use crate::engine::{Step, What};
use std::collections::BTreeSet;

/// Does what the engines did again, from text: the same is decided, and the last ones end up believing the same. Returns how
/// many engines there were.
pub(super) fn check(run: &mut Simulation) -> usize {
    let recordings = run.take_recordings();
    let mut cycles = 0;
    for recording in &recordings {
        let text: Vec<String> =
            recording.steps.iter().map(|step| serde_json::to_string(step).unwrap()).collect();
        let mut steps = text.iter().map(|line| serde_json::from_str::<Step>(line).unwrap());
        let mut replay = Replay::begin(steps.next().expect("a beginning")).unwrap();
        for (number, step) in steps.enumerate() {
            cycles += usize::from(matches!(step.what, What::Decide { .. }));
            let told = replay
                .step(step)
                .unwrap_or_else(|error| panic!("{}: step {number}: {error}", recording.name));
            assert!(!replay.departs(), "{}: step {number} decides otherwise: {told:#?}", recording.name);
        }
        let is_last =
            std::ptr::eq(recording, recordings.iter().rfind(|last| last.name == "scheduler").unwrap());
        if recording.name == "scheduler" && is_last {
            let replayed = replay.engine().scheduler();
            assert_eq!(replayed.reports(), run.scheduler().reports(), "what it says of each gang");
        }
    }
    let names: BTreeSet<&str> = recordings.iter().map(|recording| recording.name).collect();
    assert_eq!(names, ["controller", "scheduler"].into());
    assert!(cycles > 0 || run.placed == 0, "cycles are recorded");
    recordings.len()
}

/// Nothing of a pod is recorded that is not read: its environment may hold secrets.
#[test]
fn secrets_are_not_recorded() {
    let secret = ", env: [{name: TOKEN, value: hunter2}]";
    let text = pod("a", ", schedulerName: volcano")
        .replace("nodeName: n1, ", "")
        .replace("image: i", &format!("image: i{secret}"));
    let mut reader = Reader::default();
    reader.read("t.yaml", &format!("{NODE}{text}"));
    let mut run = Simulation::new(World::admit(reader).unwrap(), SchedulerConfig::default());
    run.record();
    run.run(|_| ());
    let steps: Vec<Step> = run.take_recordings().into_iter().flat_map(|recording| recording.steps).collect();
    assert!(steps.iter().any(|step| matches!(step.what, What::Decide { .. })));
    let text = serde_json::to_string(&steps).unwrap();
    assert!(text.contains("\"name\":\"a\"") && !text.contains("hunter2"), "{text}");
}
