//! All gangs of a cluster that wait, the longest first.

use super::super::found::Found;
use crate::api::time::Timestamp;
use crate::cluster::gangs::GangKind;
use crate::scheduler::GangReport;
use crate::simulation::report::columns::columns;
use crate::simulation::report::rows::shortfall;
use crate::simulation::time::print_duration;
use serde_json::{Value, json};
use std::fmt::Write;

/// A gang that waits, or that would fit and has not been placed.
pub(in crate::cli) struct Waiting {
    report: GangReport,
    /// Seconds since it began to wait, or since it was created; `None` where neither is known.
    seconds: Option<i64>,
    /// Would it fit now?
    fits: bool,
}

/// Gangs that pass the test and wait, or would fit now; the longest wait first.
pub(in crate::cli) fn waiting(found: &Found, test: impl Fn(&GangReport) -> bool) -> Vec<Waiting> {
    let mut waiting: Vec<Waiting> = found
        .scheduler
        .reports()
        .into_iter()
        .filter(test)
        .filter_map(|report| {
            let fits = found.would_fit.contains(&format!("{}/{}", report.namespace, report.name));
            (report.reason.is_some() || fits).then(|| Waiting {
                seconds: seconds(found, &report),
                fits: fits && report.reason.is_none(),
                report,
            })
        })
        .collect();
    waiting.sort_by_key(|it| std::cmp::Reverse(it.seconds));
    waiting
}

fn seconds(found: &Found, report: &GangReport) -> Option<i64> {
    let group = found
        .pod_groups
        .iter()
        .filter(|_| report.kind == GangKind::PodGroup)
        .find(|group| group.metadata.name == report.name && group.metadata.namespace == report.namespace);
    let since = match group {
        Some(group) => {
            let waits = group.status.conditions.iter();
            let mut waits = waits.filter(|it| it.type_ == "Unschedulable" && it.status == "True");
            let since = waits.next().and_then(|condition| condition.last_transition_time.as_deref());
            since.or(group.metadata.creation_timestamp.as_deref())
        }
        None => found.created.get(&format!("{}/{}", report.namespace, report.name)).map(String::as_str),
    };
    let since = Timestamp::parse(since?)?;
    Some((found.now.0 - since.0).max(0))
}

impl Waiting {
    fn reason(&self) -> String {
        match self.report.reason {
            Some(reason) => reason.to_string(),
            None => String::new(),
        }
    }

    fn message(&self) -> &str {
        if self.fits { super::WOULD_FIT } else { &self.report.message }
    }

    pub(in crate::cli) fn json(&self) -> Value {
        json!({
            "kind": if self.report.kind == GangKind::PodGroup { "PodGroup" } else { "Pod" },
            "namespace": self.report.namespace,
            "name": self.report.name,
            "waitingSeconds": self.seconds,
            "pendingPods": self.report.counts.pending,
            "minimum": self.report.minimum,
            "wouldFit": self.fits,
            "reason": self.report.reason.map(|reason| reason.to_string()),
            "message": self.message(),
            "shortfall": self.report.explanation.clone().map(shortfall),
        })
    }
}

/// The list as a table, and each sentence below it.
pub(in crate::cli) fn table(waiting: &[Waiting], text: &mut String) {
    if waiting.is_empty() {
        text.push_str("No gang waits.\n");
        return;
    }
    let age = |it: &Waiting| {
        it.seconds.map_or("<unknown>".to_owned(), |seconds| print_duration(seconds.unsigned_abs() * 1000))
    };
    let row = |it: &Waiting| {
        vec![
            it.report.namespace.clone(),
            it.report.name.clone(),
            age(it),
            // What the cycle has just placed wants nodes as well.
            (it.report.counts.pending + if it.fits { it.report.counts.assumed } else { 0 }).to_string(),
            it.report.minimum.to_string(),
            it.reason(),
        ]
    };
    let rows: Vec<Vec<String>> = waiting.iter().map(row).collect();
    text.push_str(&columns(&["NAMESPACE", "GANG", "WAITING", "PODS", "MINIMUM", "REASON"], &rows));
    text.push('\n');
    for it in waiting {
        let _ = writeln!(text, "{}/{}: {}", it.report.namespace, it.report.name, it.message());
    }
}
