//! `kill -9` before and after every single write of a gang's life, on a real API server: afterwards the gang is whole, no
//! node holds more than it can, and no pod was deleted.

use crate::cluster::TestCluster;
use crate::phalanx::{Gateway, Phalanx};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const MEMBERS: usize = 16;
const NAMESPACE: &str = "kill";
/// Without an election the next process starts at once; leases have tests of their own.
const ALONE: &[&str] = &["--leader-elect=false"];

fn gang() -> String {
    let mut yaml = format!(
        "apiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: g, namespace: {NAMESPACE}}}\n\
         spec: {{minMember: {MEMBERS}}}\n"
    );
    for member in 0..MEMBERS {
        yaml.push_str(&format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: p-{member}\n  namespace: {NAMESPACE}\n  annotations: {{scheduling.k8s.io/group-name: g}}\n\
             spec:\n  schedulerName: volcano\n  containers:\n  - {{name: main, image: none, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}\n"
        ));
    }
    yaml
}

/// Pods by uid, with their node.
fn pods(cluster: &TestCluster) -> BTreeMap<String, String> {
    let format = "jsonpath={range .items[*]}{.metadata.uid}={.spec.nodeName}{\"\\n\"}{end}";
    let text = cluster.get(["get", "pods", "-n", NAMESPACE, "-o", format]);
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(uid, node)| (uid.into(), node.into()))
        .collect()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "not after a minute: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_gang_is_whole_wherever_the_scheduler_is_killed() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.install_crds();
    cluster.namespace(NAMESPACE);
    cluster.fleet(&["--nodes", "4", "--no-hypernodes"]);
    let gateway = Gateway::start(&cluster);
    let (mut positions, mut partial) = (0, 0);
    for after in [false, true] {
        for position in 0.. {
            let phalanx = Phalanx::start(&gateway.kubeconfig, ALONE);
            gateway.crash_at(position, after, phalanx.killer());
            let before = gateway.writes();
            cluster.create(&gang());
            let uids: Vec<String> = pods(&cluster).into_keys().collect();
            let all_bound = || pods(&cluster).values().all(|node| !node.is_empty());
            // either the crash comes about, or the gang's life is over without it
            let quiet = || {
                all_bound() && {
                    let writes = gateway.writes();
                    std::thread::sleep(Duration::from_millis(700));
                    writes == gateway.writes()
                }
            };
            let mut crashed = false;
            until("a crash or a bound gang", || {
                crashed = crashed || !gateway.planned();
                crashed || quiet()
            });
            let over = gateway.calm();
            drop(phalanx);
            let bound = pods(&cluster).values().filter(|node| !node.is_empty()).count();
            partial += usize::from(bound > 0 && bound < MEMBERS);
            let second = Phalanx::start(&gateway.kubeconfig, ALONE);
            until("the gang is bound by the next process", all_bound);
            let now = pods(&cluster);
            assert_eq!(now.keys().cloned().collect::<Vec<_>>(), uids, "no pod is deleted, none comes");
            let mut by_node: BTreeMap<&String, usize> = BTreeMap::new();
            now.values().for_each(|node| *by_node.entry(node).or_default() += 1);
            assert!(by_node.values().all(|&pods| pods <= 8), "a node holds more than 8 GPUs: {by_node:?}");
            drop(second);
            let everything = ["delete", "pods,podgroups.scheduling.volcano.sh", "-n", NAMESPACE, "--all"];
            cluster.get(everything);
            positions += 1;
            if over {
                assert!(gateway.writes() - before >= MEMBERS as u32, "every member is bound by a write");
                break;
            }
        }
    }
    eprintln!(
        "killed at {} positions, {partial} of them in mid-gang; the gang was whole each time",
        positions - 2
    );
    assert!(partial >= MEMBERS, "the crashes must have met half-bound gangs");
}
