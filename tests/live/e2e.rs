//! What Volcano's users and other operators write, played to the binary on a real API server: a workload that fits runs whole, one
//! that does not has no pod on a node. `e2e/` holds the objects; the table of its README says whose they are.

use crate::cluster::TestCluster;
use crate::phalanx::Phalanx;
use std::time::{Duration, Instant};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/e2e/");

/// The documents of a workload, each with the comment that says when it comes.
fn workload(file: &str) -> Vec<(Option<String>, String)> {
    let text = std::fs::read_to_string(format!("{FOLDER}{file}")).unwrap();
    let documents = text.split("---\n").filter(|document| !document.trim().is_empty());
    documents
        .map(|document| {
            let when = document.lines().next().and_then(|line| line.strip_prefix("# "));
            (when.map(str::to_owned), document.to_owned())
        })
        .collect()
}

/// A cluster with so many nodes of 4 CPUs each, and Phalanx with the rights that `deploy/` grants.
struct Stage {
    cluster: TestCluster,
    _phalanx: Phalanx,
}

impl Stage {
    fn set(nodes: usize, config: &str) -> Option<Stage> {
        let cluster = TestCluster::start()?;
        let phalanx = if config.is_empty() {
            Phalanx::deployed(&cluster, &[])
        } else {
            let file = cluster.kubeconfig.with_file_name("e2e.conf");
            std::fs::write(&file, config).unwrap();
            Phalanx::deployed(&cluster, &[&format!("--config={}", file.display())])
        };
        for node in 0..nodes {
            let amounts = r#"{cpu: "4", memory: 16Gi, pods: "110"}"#;
            cluster.create(&format!(
                "apiVersion: v1\nkind: Node\nmetadata: {{name: worker-{node}, annotations: {{kwok.x-k8s.io/node: fake}}}}\n\
                 status: {{capacity: {amounts}, allocatable: {amounts}}}\n"
            ));
        }
        let taints = ["get", "nodes", "-o", "jsonpath={.items[*].spec.taints[*].key}"];
        cluster.wait_for(&taints, "");
        Some(Stage { cluster, _phalanx: phalanx })
    }

    fn namespace(&self, name: &str) {
        self.cluster.namespace(name);
    }

    fn create(&self, namespace: &str, document: &str) {
        self.cluster.feed(["create", "-n", namespace, "-f", "-"], document);
    }

    /// Pods in all, and those of them that have a node.
    fn pods(&self, namespace: &str) -> (usize, usize) {
        let path = "jsonpath={range .items[*]}{.metadata.name}={.spec.nodeName}{\"\\n\"}{end}";
        let pods = self.cluster.get(["get", "pods", "-n", namespace, "-o", path]);
        (pods.lines().count(), pods.lines().filter(|line| !line.ends_with('=')).count())
    }

    fn podgroups(&self, namespace: &str, path: &str) -> String {
        let path = format!("jsonpath={{.items[*]{path}}}");
        self.cluster.get(["get", "podgroups.scheduling.volcano.sh", "-n", namespace, "-o", &path])
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(
                began.elapsed() < Duration::from_secs(90),
                "not after 90 s: {what}\n{}",
                self.cluster.get(["get", "podgroups.scheduling.volcano.sh,pods", "-A", "-o", "yaml"])
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Plays a workload as its operator does; what comes later comes when it is due.
    fn play(&self, namespace: &str, file: &str) {
        for (when, document) in workload(file) {
            match when.as_deref() {
                None => {}
                Some("when the PodGroup is Inqueue") => {
                    self.until("Inqueue", || self.podgroups(namespace, ".status.phase") == "Inqueue");
                }
                Some("when the leader runs") => {
                    self.until("the leader runs", || self.pods(namespace).1 == 1);
                }
                Some(other) => panic!("{file}: {other}?"),
            }
            self.create(namespace, &document);
        }
    }

    fn clear(&self, namespace: &str) {
        let kinds = "deployments,statefulsets,jobs,pods,podgroups.scheduling.volcano.sh";
        self.cluster.get([
            "delete",
            kinds,
            "--all",
            "-n",
            namespace,
            "--grace-period=0",
            "--force",
            "--wait=true",
        ]);
        self.until("the namespace is empty", || self.pods(namespace).0 == 0);
    }
}

/// One whole workload of four pods fits; a second has no room, and then has it.
#[test]
fn operators_workloads_run_whole_or_not_at_all() {
    let Some(stage) = Stage::set(4, "") else { return };
    stage.namespace("first");
    stage.namespace("second");
    for file in ["vcjob.yaml", "leader-worker-set.yaml", "ray-cluster.yaml", "mpi-job.yaml"] {
        stage.play("first", file);
        stage.until(file, || stage.pods("first") == (4, 4));
        stage.until(file, || stage.podgroups("first", ".status.phase") == "Running");
        let leader_ready = file == "leader-worker-set.yaml";
        let documents = workload(file);
        // What comes after the leader does not come while the leader waits.
        let second = documents.iter().take_while(|(when, _)| !(leader_ready && when.is_some()));
        for (when, document) in second {
            if when.as_deref() == Some("when the PodGroup is Inqueue") {
                stage.until("Inqueue", || stage.podgroups("second", ".status.phase") == "Inqueue");
            }
            stage.create("second", document);
        }
        let said = r#".status.conditions[?(@.type=="Unschedulable")].status"#;
        stage.until("it is said", || stage.podgroups("second", said) == "True");
        assert_eq!(stage.pods("second").1, 0, "{file}: none of the second");
        stage.clear("first");
        let expect = if leader_ready { 1 } else { 4 };
        stage.until(&format!("{file}: the second's turn"), || stage.pods("second").1 == expect);
        stage.clear("second");
    }
    // What a finished RayJob leaves behind waits for nothing (B6).
    stage.play("first", "ray-job-done.yaml");
    stage.until("Completed", || stage.podgroups("first", ".status.phase") == "Completed");
    // Events come from the scheduler's name, as Volcano's do.
    let sources =
        stage.cluster.get(["get", "events", "-n", "first", "-o", "jsonpath={.items[*].source.component}"]);
    assert!(sources.split(' ').any(|source| source == "volcano"), "{sources}");
    assert!(!sources.contains("phalanx"), "{sources}");
    // The queues that Volcano's webhooks look for (B1).
    stage.until("queues", || {
        stage.cluster.get(["get", "queues.scheduling.volcano.sh", "-o", "jsonpath={.items[*].metadata.name}"])
            == "default root"
    });
}

/// B0: what Kubernetes' own controllers create comes without a PodGroup. Where four of eight pods would fit, none is bound,
/// every time; where all fit, all are.
#[test]
fn pods_of_plain_controllers_are_a_gang_where_an_annotation_says_so() {
    let rounds =
        std::env::var("PHALANX_GANG_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2);
    let Some(stage) = Stage::set(4, "") else { return };
    stage.namespace("torn");
    let files = ["deployment.yaml", "stateful-set.yaml", "job.yaml", "indexed-job.yaml", "job-set.yaml"];
    for file in files.iter().cycle().take(files.len() * rounds) {
        let gangs = workload(file).len();
        stage.play("torn", file);
        stage.until("their pods are in a PodGroup that waits", || {
            let waits = r#".status.conditions[?(@.type=="Unschedulable")].status"#;
            stage.pods("torn").0 == 8 * gangs
                && stage.podgroups("torn", waits) == vec!["True"; gangs].join(" ")
        });
        assert_eq!(stage.podgroups("torn", ".spec.minMember"), vec!["8"; gangs].join(" "));
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(stage.pods("torn"), (8 * gangs, 0), "{file}: none of eight where four fit");
        stage.clear("torn");
    }
    let enough = (4..8).map(|node| {
        let amounts = r#"{cpu: "4", memory: 16Gi, pods: "110"}"#;
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: worker-{node}, annotations: {{kwok.x-k8s.io/node: fake}}}}\n\
             status: {{capacity: {amounts}, allocatable: {amounts}}}\n"
        )
    });
    stage.cluster.create(&enough.collect::<String>());
    stage.play("torn", "deployment.yaml");
    stage.until("all eight run", || stage.pods("torn") == (8, 8));
    let owner = stage.podgroups("torn", ".metadata.ownerReferences[0].kind");
    assert_eq!(owner, "ReplicaSet", "it goes with what made the pods");
}

/// Volcano's scheduler.conf with `enqueue`: pods of a vcjob are created only when there is room (M2).
#[test]
fn a_pod_group_waits_for_room_before_its_pods_exist_where_volcanos_configuration_says_so() {
    let config = "actions: \"enqueue, allocate, backfill\"\ntiers:\n- plugins:\n  - name: priority\n  - name: gang\n- plugins:\n  \
                  - name: overcommit\n  - name: predicates\n  - name: proportion\n  - name: nodeorder\n";
    let Some(stage) = Stage::set(4, config) else { return };
    stage.namespace("first");
    stage.namespace("second");
    stage.play("first", "vcjob.yaml");
    stage.until("it runs", || stage.pods("first") == (4, 4));
    let (_, group) = workload("vcjob.yaml").swap_remove(0);
    stage.create("second", &group);
    let said = r#".status.conditions[?(@.type=="Unschedulable")].message"#;
    stage.until("it is said", || stage.podgroups("second", said).contains("waits to be admitted"));
    assert_eq!(stage.podgroups("second", ".status.phase"), "Pending");
    stage.clear("first");
    stage.until("it is let in", || stage.podgroups("second", ".status.phase") == "Inqueue");
}
