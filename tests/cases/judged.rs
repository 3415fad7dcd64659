//! The judge must be able to find fault: outcomes that are wrong in one point each, and expectations that are.

use crate::case::{Case, Cluster, Expect};
use crate::judge::judge;
use crate::simulate;
use phalanx::simulation::Report;

const CLUSTER: &str = "
nodes:
- {names: a1 a2 b1 b2, cpu: 4, memory: 8Gi, pods: 3}
domains:
- {name: a, tier: 1, nodes: a1 a2}
- {name: b, tier: 1, nodes: b1 b2}
- {name: ab, tier: 2, domains: a b}
";

const CASE: &str = "
id: J-1
title: Two pairs of which one runs
cluster: here
pods:
- {names: filler, node: b1, cpu: 1, memory: 1Gi}
gangs:
- name: g
  minMember: 4
  minTaskMember: {x: 2, y: 2}
  topology: hard 2
  subgroups:
  - {name: pair, matchLabelKeys: [pair], size: 2, minimum: 2, topology: hard 1}
  pods:
  - {names: p1 p2, node: a1 a2, role: x, cpu: 1, memory: 1Gi, labels: {pair: p}}
  - {names: q1 q2, role: y, cpu: 2, memory: 1Gi, labels: {pair: q}}
- name: h
  minMember: 2
  topology: hard 1
  pods:
  - {names: h1 h2, cpu: 5, memory: 1Gi}
expect: {binds: 2}
";

fn read() -> (Cluster, Case) {
    let cluster = serde_saphyr::from_str(CLUSTER).expect("the cluster can be read");
    (cluster, serde_saphyr::from_str(CASE).expect("the case can be read"))
}

/// The outcome, with each pod where it is said to be.
fn outcome(cluster: &Cluster, case: &Case, places: &[(&str, Option<&str>)]) -> Report {
    let mut report = simulate(cluster, case);
    for pod in &mut report.pods {
        if let Some((_, node)) = places.iter().find(|(name, _)| *name == pod.name) {
            pod.node = node.map(Into::into);
            pod.phase = if node.is_some() { "Running" } else { "Pending" }.into();
        }
    }
    report.summary.placements = 2;
    report
}

const GOOD: [(&str, Option<&str>); 2] = [("q1", Some("b1")), ("q2", Some("b2"))];

#[test]
fn wrong_outcomes() {
    let (cluster, case) = read();
    let check = |places: &[(&str, Option<&str>)], complaint: Option<&str>| {
        let places: Vec<_> = places.iter().chain(&GOOD).copied().collect();
        let wrong = judge(&cluster, &case, &outcome(&cluster, &case, &places));
        match complaint {
            None => assert_eq!(wrong, [""; 0]),
            Some(complaint) => {
                assert!(wrong.iter().any(|wrong| wrong.contains(complaint)), "{places:?}: {wrong:?}")
            }
        }
    };
    check(&[], None);
    check(&[("q1", Some("a2"))], Some("g: subgroup pair [\"q\"] breaks its rule"));
    check(&[("q1", None)], Some("g: 3 pods are placed, the minimum is 4"));
    check(&[("q1", None)], Some("g: 1 pods of role y are placed, the minimum is 2"));
    check(&[("q1", None)], Some("g: 1 subgroups pair are complete, the minimum is 2"));
    check(&[("q2", Some("b1"))], Some("node b1 holds more than it has"));
    check(&[("p1", Some("a2"))], Some("p1 was on a1 and is on Some(\"a2\")"));
    check(&[("h1", Some("b1")), ("h2", Some("b2"))], Some("node b2 holds more than it has"));
    check(&[("h1", Some("a1")), ("h2", Some("b2"))], Some("h: breaks its rule"));
    let crowd = [("q1", Some("a1")), ("q2", Some("a1")), ("h1", Some("a1"))];
    check(&crowd, Some("node a1 holds more than it has"));
    let mut report = outcome(&cluster, &case, &GOOD);
    report.pods.iter_mut().filter(|pod| pod.name == "q1").for_each(|pod| pod.phase = "Pending".into());
    report.summary.ended = "restless";
    assert_eq!(judge(&cluster, &case, &report), ["the run ended restless", "q1 has a node and is Pending"]);
}

#[test]
fn wrong_expectations() {
    let (cluster, mut case) = read();
    let report = outcome(&cluster, &case, &GOOD);
    for (expect, complaint) in [
        ("{binds: 3}", Some("2 pods were bound, 3 are expected")),
        ("{binds: 2, places: {q1: b1, p2: a2}}", None),
        ("{binds: 2, places: {q1: b2}}", Some("q1 is on Some(\"b1\"), not b2")),
        ("{binds: 2, onlyNodes: b1 b2 a1}", None),
        ("{binds: 2, onlyNodes: b1 a2}", Some("outside of [\"b1\", \"a2\"]: [(\"q2\", \"b2\")]")),
        ("{binds: 2, withinAny: a b}", None),
        ("{binds: 2, withinAny: a}", Some("within none of [\"a\"]")),
        ("{binds: 2, podsIn: {a: 2, b: 3, ab: 5}}", None),
        ("{binds: 2, podsIn: {b: 2}}", Some("b holds 3 pods, 2 are expected")),
        ("{binds: 2, together: {g: 2}}", None),
        ("{binds: 2, together: {g: 1}}", Some("g is not in one domain of tier 1")),
        ("{binds: 2, subgroupsIn: {a: [pair], ab: [pair, pair]}}", None),
        ("{binds: 2, subgroupsIn: {b: []}}", Some("b holds [\"pair\"], [] are expected")),
        ("{binds: 2, waiting: 2}", None),
        ("{binds: 2, waiting: 1}", Some("2 pods wait, 1 are expected")),
        ("{binds: 2, says: {h: [tier 1]}}", None),
        ("{binds: 2, says: {h: [nothing of the kind]}}", Some("h does not say \"nothing of the kind\"")),
        ("{binds: 2, says: {g: [tier]}}", Some("g does not say \"tier\"")),
    ] {
        case.expect = serde_saphyr::from_str::<Expect>(expect).expect("an expectation");
        let wrong = judge(&cluster, &case, &report);
        match complaint {
            None => assert_eq!(wrong, [""; 0], "{expect}"),
            Some(complaint) => {
                assert!(wrong.iter().any(|wrong| wrong.contains(complaint)), "{expect}: {wrong:?}")
            }
        }
    }
}
