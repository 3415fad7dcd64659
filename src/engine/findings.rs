//! What is wrong with HyperNodes, on the HyperNodes: an event when it is found, and the condition `Usable` in their
//! status as long as it holds. HyperNodes of which there is nothing to say are not written.

use super::kind::Kind;
use super::request::Request;
use crate::api::hyper_node::HyperNode;
use crate::api::meta::Condition;
use crate::cluster::topology::{Finding, Severity};
use serde_json::{json, to_value};
use std::collections::BTreeMap;

/// The type of the condition.
const USABLE: &str = "Usable";
/// Its reason when all is well again.
const MENDED: &str = "AsSpecified";
/// Longer texts are cut: an event takes 1,024 bytes.
const LONGEST: usize = 1000;

/// HyperNodes as last seen, and what has been said of them.
#[derive(Debug, Default)]
pub struct Findings {
    seen: BTreeMap<String, Seen>,
    told: BTreeMap<String, Verdict>,
    quarantined: usize,
}

#[derive(Debug)]
struct Seen {
    uid: String,
    generation: i64,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    usable: bool,
    reason: &'static str,
    message: String,
}

/// Something to say about a HyperNode.
#[derive(Debug)]
pub struct Say {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Reason and message of a warning, unless it is good news.
    pub warning: Option<(&'static str, String)>,
    /// Writes the condition.
    pub request: Request,
}

impl Findings {
    /// A HyperNode is new or changed.
    pub fn put(&mut self, hyper_node: &HyperNode) {
        let metadata = &hyper_node.metadata;
        let seen = Seen {
            uid: metadata.uid.clone(),
            generation: metadata.generation,
            conditions: hyper_node.status.conditions.clone(),
        };
        self.seen.insert(metadata.name.clone(), seen);
    }

    /// A HyperNode is gone.
    pub fn gone(&mut self, name: &str) {
        self.seen.remove(name);
        self.told.remove(name);
    }

    /// HyperNodes that are quarantined.
    pub fn quarantined(&self) -> usize {
        self.quarantined
    }

    /// What to say that has not been said. `now` is an RFC 3339 time.
    pub fn review(&mut self, findings: &[Finding], now: &str) -> Vec<Say> {
        let verdicts = verdicts(findings);
        self.quarantined = verdicts.values().filter(|verdict| !verdict.usable).count();
        let mended = self.seen.iter().filter(|(name, seen)| {
            !verdicts.contains_key(name.as_str())
                && seen.conditions.iter().any(|c| c.type_ == USABLE && c.reason != MENDED)
        });
        let mended: Vec<String> = mended.map(|(name, _)| name.clone()).collect();
        let mut says = Vec::new();
        for name in mended {
            let verdict =
                Verdict { usable: true, reason: MENDED, message: "nothing is wrong any more".into() };
            says.extend(self.say(&name, verdict, now));
        }
        for (name, verdict) in verdicts {
            says.extend(self.say(name, verdict, now));
        }
        says
    }

    fn say(&mut self, name: &str, verdict: Verdict, now: &str) -> Option<Say> {
        let seen = self.seen.get(name)?;
        let before = seen.conditions.iter().find(|condition| condition.type_ == USABLE);
        let status = if verdict.usable { "True" } else { "False" };
        let is_written = before.is_some_and(|before| {
            before.status == status && before.reason == verdict.reason && before.message == verdict.message
        });
        if is_written || self.told.get(name) == Some(&verdict) {
            return None;
        }
        let since =
            before.filter(|before| before.status == status).and_then(|c| c.last_transition_time.clone());
        let condition = Condition {
            type_: USABLE.to_owned(),
            status: status.to_owned(),
            observed_generation: Some(seen.generation),
            last_transition_time: Some(since.unwrap_or_else(|| now.to_owned())),
            reason: verdict.reason.to_owned(),
            message: verdict.message.clone(),
        };
        let others = seen.conditions.iter().filter(|condition| condition.type_ != USABLE);
        let conditions: Vec<&Condition> = others.chain([&condition]).collect();
        let body = json!({
            "metadata": { "uid": seen.uid },
            "status": { "conditions": to_value(conditions).unwrap_or_default() },
        });
        let say = Say {
            name: name.to_owned(),
            uid: seen.uid.clone(),
            warning: (verdict.reason != MENDED).then(|| (verdict.reason, verdict.message.clone())),
            request: Request::merge(Kind::HyperNode, "", name, "status", body),
        };
        self.told.insert(name.to_owned(), verdict);
        Some(say)
    }
}

/// The worst that is to be said of each HyperNode gives the reason, all of it the message. Notes, as of members that do
/// not exist yet, are left to `phalanx explain`.
fn verdicts(findings: &[Finding]) -> BTreeMap<&str, Verdict> {
    let mut verdicts: BTreeMap<&str, (Severity, Verdict)> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.severity() != Severity::Note) {
        let (severity, text) = (finding.severity(), finding.to_string());
        for name in finding.hyper_nodes() {
            let new = || (severity, Verdict { usable: true, reason: finding.code(), message: String::new() });
            let (worst, verdict) = verdicts.entry(name).or_insert_with(new);
            if severity < *worst {
                (*worst, verdict.reason) = (severity, finding.code());
            }
            verdict.usable &= severity != Severity::Quarantined;
            if verdict.message.len() < LONGEST {
                let separator = if verdict.message.is_empty() { "" } else { "; " };
                verdict.message.push_str(separator);
                verdict.message.push_str(&text);
                cut(&mut verdict.message);
            }
        }
    }
    verdicts.into_iter().map(|(name, (_, verdict))| (name, verdict)).collect()
}

fn cut(text: &mut String) {
    if text.len() > LONGEST {
        let end = (0..=LONGEST - 3).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hyper_node(name: &str, conditions: Vec<Condition>) -> HyperNode {
        let mut hyper_node = HyperNode::default();
        (hyper_node.metadata.name, hyper_node.metadata.uid) = (name.to_owned(), format!("u-{name}"));
        hyper_node.status.conditions = conditions;
        hyper_node
    }

    fn written(say: &Say) -> Vec<Condition> {
        serde_json::from_value(say.request.body["status"]["conditions"].clone()).unwrap()
    }

    #[test]
    fn a_finding_is_said_once_and_taken_back() {
        let mut findings = Findings::default();
        let theirs = Condition {
            type_: "Discovered".into(),
            status: "True".into(),
            observed_generation: None,
            last_transition_time: None,
            reason: String::new(),
            message: String::new(),
        };
        findings.put(&hyper_node("a", vec![theirs.clone()]));
        findings.put(&hyper_node("b", vec![]));
        let cycle = [Finding::Cycle { hyper_nodes: vec!["a".into()], path: vec!["a".into()] }];
        let says = findings.review(&cycle, "t1");
        assert_eq!(says.len(), 1, "nothing is said of b");
        assert_eq!(says[0].warning.as_ref().unwrap().0, "HyperNodeCycle");
        let conditions = written(&says[0]);
        assert_eq!(conditions[0], theirs, "others' conditions stay");
        assert_eq!((&*conditions[1].status, &*conditions[1].reason), ("False", "HyperNodeCycle"));
        assert_eq!(findings.quarantined(), 1);
        assert!(findings.review(&cycle, "t2").is_empty());

        let mut next = Findings::default();
        next.put(&hyper_node("a", conditions.clone()));
        assert!(next.review(&cycle, "t2").is_empty(), "a new leader does not repeat it");
        findings.put(&hyper_node("a", conditions));
        assert!(findings.review(&cycle, "t2").is_empty());
        let says = findings.review(&[], "t3");
        assert!(says[0].warning.is_none());
        assert_eq!(written(&says[0])[1].status, "True");
        assert_eq!(written(&says[0])[1].last_transition_time.as_deref(), Some("t3"));
        findings.put(&hyper_node("a", written(&says[0])));
        assert!(findings.review(&[], "t4").is_empty());
        assert_eq!(findings.review(&cycle, "t5").len(), 1, "it is said again when it comes again");
    }

    #[test]
    fn long_texts_are_cut() {
        let path: Vec<Box<str>> = (0..500).map(|n| format!("hyper-nöde-{n}").into()).collect();
        let cycle = [Finding::Cycle { hyper_nodes: path.clone(), path }];
        assert!(verdicts(&cycle).values().all(|verdict| verdict.message.len() <= LONGEST));
    }
}
