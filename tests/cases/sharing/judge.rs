//! Is what came of a case what it expects? Written against the case and the report alone.

use super::form::{Case, Pod};
use phalanx::api::quantity::Quantity;
use phalanx::simulation::Report;
use std::collections::{BTreeMap, BTreeSet};

/// All that is wrong.
pub(crate) fn judge(case: &Case, report: &Report) -> Vec<String> {
    let mut wrong = Vec::new();
    match case.kind.as_str() {
        "validate" => validated(case, report, &mut wrong),
        "settle" => settled(case, report, &mut wrong),
        _ => decided(case, report, &mut wrong),
    }
    shares(case, report, &mut wrong);
    wrong
}

fn validated(case: &Case, report: &Report, wrong: &mut Vec<String>) {
    let candidate = case.candidate.as_ref().map_or("", |queue| &queue.name);
    let object = format!("Queue/{candidate}");
    let said: Vec<&str> = report
        .warnings
        .iter()
        .filter(|warning| warning.objects.contains(&object))
        .map(|warning| warning.message.as_str())
        .collect();
    if case.expect.allowed == Some(true) && !said.is_empty() {
        wrong.push(format!("is objected to: {said:?}"));
    }
    if case.expect.allowed == Some(false) {
        let reason = case.expect.reason_has.as_ref().and_then(|reason| reason.as_str()).unwrap_or_default();
        if !said.iter().any(|said| said.contains(reason)) {
            wrong.push(format!("nobody says {reason:?}: {said:?}"));
        }
    }
}

fn evicted(report: &Report) -> BTreeSet<&str> {
    report.evictions.iter().map(|row| row.name.as_str()).collect()
}

fn counts(case: &Case, report: &Report, wrong: &mut Vec<String>) {
    let expect = &case.expect;
    let count = report.evictions.len();
    let rows: Vec<String> = report
        .evictions
        .iter()
        .map(|row| format!("{} {} for {}", row.kind, row.name, row.claimant))
        .collect();
    if expect.evictions.is_some_and(|expected| expected != count) {
        wrong.push(format!("{count} evictions, not {:?}: {rows:?}", expect.evictions));
    }
    if expect.max_evictions.is_some_and(|most| count > most) {
        wrong.push(format!("{count} evictions, more than {:?}: {rows:?}", expect.max_evictions));
    }
    let mut from: BTreeMap<String, usize> = BTreeMap::new();
    for row in &report.evictions {
        *from.entry(row.pod_group.clone()).or_default() += 1;
    }
    if !expect.evicted_from.is_empty() && from != expect.evicted_from {
        wrong.push(format!("evicted from {from:?}, not {:?}", expect.evicted_from));
    }
    let evicted = evicted(report);
    let is_set = |set: &Vec<String>| set.iter().map(String::as_str).collect::<BTreeSet<_>>() == evicted;
    if case.kind == "evict" && expect.evicted.as_ref().is_some_and(|set| !is_set(set)) {
        wrong.push(format!("evicted {evicted:?}, not {:?}", expect.evicted));
    }
    if expect.evicted_any_of.as_ref().is_some_and(|sets| !sets.iter().any(is_set)) {
        wrong.push(format!("evicted {evicted:?}, none of {:?}", expect.evicted_any_of));
    }
}

fn decided(case: &Case, report: &Report, wrong: &mut Vec<String>) {
    let expect = &case.expect;
    counts(case, report, wrong);
    let had_none = |pod: &&Pod| pod.node.is_none();
    let bound = |group: &str| {
        let of = case.pods.iter().filter(|pod| pod.group.as_deref() == Some(group)).filter(had_none);
        of.filter(|pod| report.pods.iter().any(|row| row.name == pod.name && row.node.is_some())).count()
    };
    let row = |group: &str| report.pod_groups.iter().find(|row| row.name == group);
    let message = |group: &str| row(group).map_or("", |row| row.message.as_str());
    for (group, &pods) in &expect.bound {
        if bound(group) != pods {
            wrong.push(format!("{group}: {} bound, not {pods} ({})", bound(group), message(group)));
        }
    }
    for (group, &pods) in &expect.waiting {
        let promised = row(group).map_or(0, |row| row.promised);
        if promised != pods {
            wrong.push(format!("{group}: {promised} promised, not {pods} ({})", message(group)));
        }
    }
    for group in &expect.pending {
        let promised = row(group).map_or(0, |row| row.promised);
        if promised > 0 || bound(group) > 0 {
            wrong.push(format!("{group}: {promised} promised and {} bound, not none", bound(group)));
        }
    }
    let moved: BTreeSet<&str> =
        report.evictions.iter().filter(|row| row.kind == "move").map(|row| row.name.as_str()).collect();
    let count = expect.moved_count.or((!expect.moved.is_empty()).then_some(expect.moved.len()));
    if count.is_some_and(|count| count != moved.len()) {
        wrong.push(format!("{} moved, not {count:?}", moved.len()));
    }
    for (group, class) in &expect.classes {
        let found = row(group).and_then(|row| row.class);
        if found != Some(class.as_str()) {
            wrong.push(format!("{group} is {found:?}, not {class}"));
        }
    }
}

fn settled(case: &Case, report: &Report, wrong: &mut Vec<String>) {
    counts(case, report, wrong);
    if case.expect.stable && report.summary.ended != "quiet" {
        wrong.push(format!("the run ended {}", report.summary.ended));
    }
    for (group, &pods) in &case.expect.running {
        let of = report.pods.iter().filter(|row| row.pod_group.as_deref() == Some(group));
        let names: Vec<&str> = of
            .filter(|row| row.node.is_some() && row.status != "Terminating")
            .map(|row| row.name.as_str())
            .collect();
        if names.len() != pods {
            let row = report.pod_groups.iter().find(|row| row.name == *group);
            let message = row.map_or("", |row| row.message.as_str());
            wrong.push(format!("{group}: {names:?} run, not {pods} ({message})"));
        }
    }
}

fn shares(case: &Case, report: &Report, wrong: &mut Vec<String>) {
    if case.kind == "settle" {
        return;
    }
    for (queue, expected) in &case.expect.fair_share {
        let row = report.queues.iter().find(|row| row.name == *queue);
        for (resource, amount) in expected {
            let found = row.and_then(|row| row.fair_share.get(resource));
            let milli = |text: &String| Quantity(text.clone()).milli().ok();
            if found.and_then(milli).unwrap_or(0) != milli(amount).unwrap_or(0) {
                wrong.push(format!("queue {queue} has a fair share of {found:?} {resource}, not {amount}"));
            }
        }
    }
}
