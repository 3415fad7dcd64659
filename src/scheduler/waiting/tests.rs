//! What is kept, shared and bounded under overload, and that none of it costs a gang its place.

use super::super::gang::{Prepared, prepare};
use super::super::{Decision, Scheduler};
use super::FIRST;
use crate::api::core::{Node, Pod};
use crate::api::pod_group::PodGroup;
use crate::cluster::{Event, Settings};
use crate::placement::{PlacementRules, Placer};
use proptest::prelude::*;
use serde_json::json;

/// Nodes with so many GPUs each, two to a rack.
fn scheduler(gpus: &[u32]) -> Scheduler {
    let settings = Settings { domain_labels: vec!["rack".to_owned()], ..Settings::default() };
    let mut scheduler = Scheduler::new(settings, PlacementRules::default());
    for (index, gpus) in gpus.iter().enumerate() {
        let labels = json!({"rack": format!("r{}", index / 2)});
        let status = json!({"allocatable": {"nvidia.com/gpu": gpus.to_string(), "pods": "20"}});
        let node = json!({"metadata": {"name": format!("n{index}"), "labels": labels}, "status": status});
        let node: Node = serde_json::from_value(node).unwrap();
        scheduler.apply(Event::Node(&node));
    }
    scheduler
}

fn pod(name: &str, gang: Option<&str>, node: Option<&str>) -> Pod {
    let mut metadata = json!({"name": name, "namespace": "ns", "uid": name});
    if let Some(gang) = gang {
        metadata["annotations"] = json!({"scheduling.k8s.io/group-name": gang});
    }
    let containers = json!([{"name": "c", "resources": {"requests": {"nvidia.com/gpu": "1"}}}]);
    let spec = json!({"schedulerName": "volcano", "containers": containers, "nodeName": node});
    serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
}

fn arrive(scheduler: &mut Scheduler, name: &str, pods: u32, hard: bool) {
    let mut spec = json!({"minMember": pods});
    if hard {
        spec["networkTopology"] = json!({"mode": "hard", "highestTierAllowed": 1});
    }
    let group: PodGroup =
        serde_json::from_value(json!({"metadata": {"name": name, "namespace": "ns"}, "spec": spec})).unwrap();
    scheduler.apply(Event::PodGroup(&group));
    for index in 0..pods {
        scheduler.apply(Event::Pod(&pod(&format!("{name}-{index}"), Some(name), None)));
    }
}

fn leave(scheduler: &mut Scheduler, name: &str) {
    for index in 0..4 {
        scheduler.apply(Event::PodGone { namespace: "ns", name: &format!("{name}-{index}") });
    }
    scheduler.apply(Event::PodGroupGone { namespace: "ns", name });
}

/// Cycles until there is nothing to do; how many gangs were tried.
fn settle(scheduler: &mut Scheduler) -> usize {
    let mut tried = 0;
    for _ in 0..100 {
        if !scheduler.has_work() {
            return tried;
        }
        tried += scheduler.cycle("").tried;
    }
    panic!("it does not settle");
}

/// The sentence for each gang.
fn messages(scheduler: &Scheduler) -> Vec<String> {
    scheduler.reports().into_iter().map(|report| report.message).filter(|text| !text.is_empty()).collect()
}

/// A claim was to be made for one node, and is not any more: the gang fits no better at once, and what is said of it
/// stays, but from now on another node can help it.
#[test]
fn a_question_that_changed_is_helped_by_other_nodes() {
    let mut scheduler = scheduler(&[1, 1]);
    let class =
        json!({"metadata": {"name": "c"}, "provisioner": "p", "volumeBindingMode": "WaitForFirstConsumer"});
    scheduler.apply(Event::StorageClass(&serde_json::from_value(class).unwrap()));
    let claim = |node: Option<&str>| {
        let annotations = node.map(|node| json!({crate::api::keys::SELECTED_NODE: node}));
        let metadata =
            json!({"name": "data", "namespace": "ns", "annotations": annotations.unwrap_or(json!({}))});
        let spec = json!({"storageClassName": "c"});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}))
            .unwrap()
    };
    for (filler, node) in [("f0", "n0"), ("f1", "n1")] {
        scheduler.apply(Event::Pod(&pod(filler, None, Some(node))));
    }
    scheduler.apply(Event::Claim(&claim(Some("n0"))));
    let mut waits = pod("p", None, None);
    waits.spec.volumes =
        serde_json::from_value(json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]))
            .unwrap();
    scheduler.apply(Event::Pod(&waits));
    settle(&mut scheduler);
    scheduler.apply(Event::Claim(&claim(None)));
    settle(&mut scheduler);
    scheduler.apply(Event::PodGone { namespace: "ns", name: "f1" });
    let placed = scheduler.cycle("").placed;
    assert_eq!(placed, 1, "{:?}", messages(&scheduler));
}

#[test]
fn every_gang_gets_its_full_explanation_in_the_end() {
    let mut scheduler = scheduler(&[1, 1]);
    let gangs = 3 * FIRST as u32;
    for gang in 0..gangs {
        arrive(&mut scheduler, &format!("g{gang}"), 3 + gang, false);
    }
    let cycle = scheduler.cycle("");
    assert_eq!((cycle.tried, cycle.placed), (gangs as usize, 0));
    let is_full = |text: &String| text.contains("would fit with");
    assert_eq!(messages(&scheduler).iter().filter(|text| is_full(text)).count(), FIRST, "so many a cycle");
    assert_eq!(messages(&scheduler).len(), gangs as usize, "the others are told how far they got");
    settle(&mut scheduler);
    assert!(messages(&scheduler).iter().all(is_full));
    assert_eq!(scheduler.cycle("").tried, 0, "and then it is quiet");
}

#[test]
fn gangs_of_one_shape_share_an_explanation_and_shapes_tell_gangs_apart() {
    let mut scheduler = scheduler(&[1, 1, 1, 1]);
    for gang in 0..2 * FIRST {
        arrive(&mut scheduler, &format!("alike{gang}"), 5, false);
    }
    arrive(&mut scheduler, "close", 4, true);
    arrive(&mut scheduler, "far", 4, false);
    let cycle = scheduler.cycle("");
    assert_eq!(cycle.placed, 1, "only the gang without a rule fits");
    assert_eq!(settle(&mut scheduler), 0, "nobody is owed anything");
    let mut texts = messages(&scheduler);
    assert!(texts.iter().all(|text| text.contains("would fit with")), "{texts:?}");
    texts.sort();
    texts.dedup();
    assert_eq!(
        texts.len(),
        2,
        "one sentence for those that are alike, another for the one with a rule: {texts:?}"
    );
}

#[test]
fn only_what_a_change_can_help_is_tried_and_told_again() {
    let mut scheduler = scheduler(&[1, 1, 0, 0]);
    scheduler.apply(Event::Pod(&pod("holder", None, Some("n0"))));
    scheduler.apply(Event::Pod(&pod("other", None, Some("n1"))));
    arrive(&mut scheduler, "g", 2, false);
    settle(&mut scheduler);
    let before = messages(&scheduler);
    // A pod that takes room helps nobody.
    scheduler.apply(Event::Pod(&pod("late", None, Some("n2"))));
    assert_eq!(scheduler.cycle("").tried, 0);
    // One node more is not enough, but the gang gets further, and is told.
    scheduler.apply(Event::PodGone { namespace: "ns", name: "holder" });
    let cycle = scheduler.cycle("");
    assert_eq!((cycle.tried, cycle.placed), (1, 0));
    assert!(cycle.decisions.iter().any(|decision| matches!(decision, Decision::Unschedulable { .. })));
    assert_ne!(messages(&scheduler), before);
    // The same room once more: tried, refused, and nothing new to say.
    scheduler.apply(Event::Pod(&pod("holder", None, Some("n0"))));
    scheduler.apply(Event::PodGone { namespace: "ns", name: "holder" });
    let cycle = scheduler.cycle("");
    assert_eq!((cycle.tried, cycle.decisions.len()), (1, 0), "{:?}", cycle.decisions);
    scheduler.apply(Event::PodGone { namespace: "ns", name: "other" });
    assert_eq!(scheduler.cycle("").placed, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was kept: once a scheduler has settled, no gang waits that a new solver would place.
    #[test]
    fn no_gang_waits_that_would_fit(
        steps in prop::collection::vec((0..5u32, 0..6u32, 1..5u32, any::<bool>()), 1..40),
    ) {
        let mut scheduler = scheduler(&[2, 1, 2, 2]);
        for (what, which, pods, hard) in steps {
            let name = format!("g{which}");
            match what {
                0 | 1 => {
                    leave(&mut scheduler, &name);
                    arrive(&mut scheduler, &name, pods, hard);
                }
                2 => leave(&mut scheduler, &name),
                3 => {
                    let node = format!("n{}", which % 4);
                    scheduler.apply(Event::Pod(&pod(&format!("h{which}"), None, Some(&node))));
                }
                _ => scheduler.apply(Event::PodGone { namespace: "ns", name: &format!("h{which}") }),
            }
            settle(&mut scheduler);
            prop_assert_eq!(scheduler.cluster.audit(), Vec::<String>::new());
            for (id, gang) in scheduler.cluster.gangs().iter() {
                if let Prepared::Ready(request) = prepare(&scheduler.cluster, gang) {
                    let view = scheduler.cluster.view();
                    let answer = Placer::default().decide(view, &request, &scheduler.rules);
                    prop_assert!(answer.is_err(), "{} waits, but fits: {answer:?}", gang.key);
                    prop_assert!(scheduler.waiting.contains_key(&id), "{} waits and is not told", gang.key);
                }
            }
        }
    }
}

/// Two gangs that ask for the same room: one has three pods, the other one pod and `minResources` for two more. What one is
/// told is not told the other: `spec.minMember` lowers nothing where pods to come are asked for as well.
#[test]
fn a_gang_whose_pods_are_to_come_shares_no_explanation_with_one_whose_pods_exist() {
    let check = |order: [&str; 2]| {
        let mut scheduler = scheduler(&[2]);
        for name in order {
            let whole = name == "whole";
            let spec = match whole {
                true => json!({"minMember": 3}),
                false => json!({"minMember": 1, "minResources": {"nvidia.com/gpu": 3}}),
            };
            let group = json!({"metadata": {"name": name, "namespace": "ns"}, "spec": spec});
            scheduler.apply(Event::PodGroup(&serde_json::from_value::<PodGroup>(group).unwrap()));
            for index in 0..if whole { 3 } else { 1 } {
                scheduler.apply(Event::Pod(&pod(&format!("{name}-{index}"), Some(name), None)));
            }
        }
        settle(&mut scheduler);
        for report in scheduler.reports() {
            let remedies = report.explanation.as_ref().map_or(&[][..], |told| &told.remedies);
            let lowers = remedies.iter().any(|remedy| remedy.kind == "lowerMinimum");
            assert_eq!(lowers, report.name == "whole", "{}: {remedies:?}", report.name);
        }
    };
    check(["whole", "partly"]);
    check(["partly", "whole"]);
}
