//! The conditions `Available`, `Progressing` and `UpdateInProgress`: exactly one of them is True. The one that was True takes
//! over reason, message and time of the one that supersedes it, and all of them say which generation they are about.
//! Texts are upstream's, grammar included, since tools match on them.

use crate::api::meta::Condition;
use crate::api::time::Timestamp;

/// What the conditions are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Ordinals of ServingGroups that are not available.
    pub(crate) progressing: Vec<u32>,
    /// Ordinals of those that run the revision of the spec.
    pub(crate) updated: Vec<u32>,
    /// How many run another.
    pub(crate) current: usize,
    /// How many of these the rollout leaves alone.
    pub(crate) partition: u32,
    /// What stands in the way, for people.
    pub(crate) troubles: Vec<String>,
}

/// At most so many troubles are told; the rest are counted.
const TROUBLES: usize = 3;

/// At most so many ordinals are told; the rest are counted. Of thousands of ServingGroups nobody reads each at every step of a
/// rollout, and Kubernetes' own conditions end at 32,768 characters.
const ORDINALS: usize = 100;

fn list(ordinals: &[u32]) -> String {
    let texts: Vec<String> = ordinals.iter().take(ORDINALS).map(u32::to_string).collect();
    let texts = texts.join(" ");
    match ordinals.len().saturating_sub(ORDINALS) {
        0 => format!("[{texts}]"),
        more => format!("[{texts} and {more} more]"),
    }
}

/// The conditions after this progress. Nothing changes that means the same.
pub(crate) fn update(
    conditions: &[Condition],
    progress: &Progress,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let groups = format!("Some groups is progressing: {}", list(&progress.progressing));
    let (type_, reason, message) = if progress.progressing.is_empty() {
        ("Available", "AllGroupsReady", "All Serving groups are ready".to_owned())
    } else if progress.current > progress.partition as usize {
        let message = format!("{groups}, Updated Groups are: {}", list(&progress.updated));
        ("UpdateInProgress", "GroupsUpdating", message)
    } else {
        ("Progressing", "GroupProgressing", groups)
    };
    let message = with_troubles(message, &progress.troubles);
    let mut conditions = timed(conditions, now);
    let superseded = ["Available", "Progressing", "UpdateInProgress"];
    for condition in &mut conditions {
        if condition.type_ != type_ && superseded.contains(&condition.type_.as_str()) {
            if condition.status != "False" || condition.reason != reason || condition.message != message {
                set(condition, "False", reason, &message, generation, now);
            }
            condition.observed_generation = Some(generation);
        }
    }
    if !conditions.iter().any(|condition| condition.type_ == type_) {
        conditions.push(Condition { type_: type_.to_owned(), ..Condition::default() });
    }
    if let Some(condition) = conditions.iter_mut().find(|condition| condition.type_ == type_) {
        set(condition, "True", reason, &message, generation, now);
    }
    conditions
}

/// Says why pods of it cannot be placed, as code and sentence, or takes that back: the condition is there only while it is
/// true, so that a column can show its reason.
pub(crate) fn unschedulable(
    conditions: &mut Vec<Condition>,
    why: Option<(&str, &str)>,
    generation: i64,
    now: Timestamp,
) {
    let Some((reason, message)) = why else {
        conditions.retain(|condition| condition.type_ != UNSCHEDULABLE);
        return;
    };
    if !conditions.iter().any(|condition| condition.type_ == UNSCHEDULABLE) {
        conditions.push(Condition { type_: UNSCHEDULABLE.to_owned(), ..Condition::default() });
    }
    if let Some(condition) = conditions.iter_mut().find(|condition| condition.type_ == UNSCHEDULABLE) {
        set(condition, "True", reason, message, generation, now);
    }
}

/// What conditions say is in the way of the object, as code and sentence; the code is empty where a condition has none of its
/// own for it.
pub fn trouble(conditions: &[Condition]) -> Option<(&str, &str)> {
    let holds = |condition: &&Condition| condition.status == "True";
    let gang = conditions.iter().filter(holds).find(|condition| condition.type_ == UNSCHEDULABLE);
    if let Some(condition) = gang {
        return Some((&condition.reason, &condition.message));
    }
    let progress = conditions.iter().filter(holds).find(|condition| {
        matches!(condition.type_.as_str(), "Available" | "Progressing" | "UpdateInProgress")
    })?;
    match progress.reason.as_str() {
        "AllGroupsReady" | "GroupsUpdating" | "GroupProgressing" => {
            progress.message.split_once(SEPARATOR).map(|(_, troubles)| ("", troubles))
        }
        reason => Some((reason, &progress.message)),
    }
}

/// Between what groups do and what stands in their way.
const SEPARATOR: &str = "; ";

/// The condition of a ModelServing whose pods cannot be placed.
const UNSCHEDULABLE: &str = "Unschedulable";

/// The conditions of an object that is not carried out, as the message says.
pub(crate) fn held(
    conditions: &[Condition],
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let mut conditions = timed(conditions, now);
    if !conditions.iter().any(|condition| condition.type_ == "Progressing") {
        conditions.push(Condition { type_: "Progressing".to_owned(), ..Condition::default() });
    }
    for condition in &mut conditions {
        match condition.type_.as_str() {
            "Progressing" => set(condition, "True", reason, message, generation, now),
            "Available" | "UpdateInProgress" => set(condition, "False", reason, message, generation, now),
            _ => {}
        }
    }
    conditions
}

/// What others have left without a time gets one: an API server refuses a condition without.
fn timed(conditions: &[Condition], now: Timestamp) -> Vec<Condition> {
    let mut conditions = conditions.to_vec();
    for condition in conditions.iter_mut().filter(|condition| condition.last_transition_time.is_none()) {
        condition.last_transition_time = Some(now.to_string());
    }
    conditions
}

fn set(
    condition: &mut Condition,
    status: &str,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) {
    if condition.status != status || condition.last_transition_time.is_none() {
        condition.last_transition_time = Some(now.to_string());
    }
    status.clone_into(&mut condition.status);
    reason.clone_into(&mut condition.reason);
    message.clone_into(&mut condition.message);
    condition.observed_generation = Some(generation);
}

fn with_troubles(mut message: String, troubles: &[String]) -> String {
    for trouble in troubles.iter().take(TROUBLES) {
        message.push_str(SEPARATOR);
        message.push_str(trouble);
    }
    if troubles.len() > TROUBLES {
        message.push_str(&format!("; and {} more", troubles.len() - TROUBLES));
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(progressing: &[u32], updated: &[u32], current: usize, partition: u32) -> Progress {
        let (progressing, updated) = (progressing.to_vec(), updated.to_vec());
        Progress { progressing, updated, current, partition, troubles: Vec::new() }
    }

    fn texts(conditions: &[Condition]) -> Vec<String> {
        let text = |c: &Condition| {
            let time = c.last_transition_time.clone().unwrap_or_default();
            format!("{}={} {} | {} | {}", c.type_, c.status, c.reason, c.message, &time[17..19])
        };
        conditions.iter().map(text).collect()
    }

    /// S1.
    #[test]
    fn from_nothing() {
        let check = |progress: Progress, expect: &str| {
            assert_eq!(texts(&update(&[], &progress, 1, Timestamp(7))), [expect]);
        };
        check(progress(&[], &[], 2, 0), "Available=True AllGroupsReady | All Serving groups are ready | 07");
        check(
            progress(&[3], &[2, 3], 2, 0),
            "UpdateInProgress=True GroupsUpdating | Some groups is progressing: [3], Updated Groups are: [2 3] | 07",
        );
        check(
            progress(&[2], &[2], 2, 2),
            "Progressing=True GroupProgressing | Some groups is progressing: [2] | 07",
        );
    }

    /// Upstream leaves reason, message and time of the superseded condition stale, freezes the message while a condition is
    /// True, and never sets observedGeneration.
    #[test]
    fn one_after_the_other() {
        let first = update(&[], &progress(&[0, 1], &[], 0, 0), 1, Timestamp(1));
        let second = update(&first, &progress(&[1], &[], 0, 0), 2, Timestamp(2));
        assert_eq!(
            texts(&second),
            ["Progressing=True GroupProgressing | Some groups is progressing: [1] | 01"],
            "the message is refreshed, the time is that of the transition"
        );
        let third = update(&second, &progress(&[], &[], 0, 0), 2, Timestamp(3));
        assert_eq!(
            texts(&third),
            [
                "Progressing=False AllGroupsReady | All Serving groups are ready | 03",
                "Available=True AllGroupsReady | All Serving groups are ready | 03",
            ]
        );
        assert!(third.iter().all(|condition| condition.observed_generation == Some(2)));
        assert_eq!(update(&third, &progress(&[], &[], 0, 0), 2, Timestamp(9)), third, "nothing to write");
    }

    /// The list of ten thousand ordinals is longer than a condition of Kubernetes may be.
    #[test]
    fn ordinals_are_told_but_not_endlessly() {
        let all: Vec<u32> = (0..10_000).collect();
        let conditions = update(&[], &progress(&all, &all[..101], 1, 0), 1, Timestamp(0));
        let message = &conditions[0].message;
        assert!(message.len() < 1_000, "{} characters", message.len());
        assert!(message.contains(" 98 99 and 9900 more], Updated Groups are: [0 1 "), "{message}");
        assert!(message.ends_with(" 98 99 and 1 more]"), "{message}");
    }

    #[test]
    fn troubles_are_told_but_not_endlessly() {
        let mut progress = progress(&[0], &[], 0, 0);
        progress.troubles = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let conditions = update(&[], &progress, 1, Timestamp(0));
        assert_eq!(conditions[0].message, "Some groups is progressing: [0]; a; b; c; and 2 more");
    }
}
