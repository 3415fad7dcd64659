//! What a real API server refuses of queues with the policy of `deploy/`.

use crate::cluster::TestCluster;

/// A queue that is applied, and what is answered: a part of the message, empty where it is taken.
fn check(cluster: &TestCluster, name: &str, spec: &str, refused: &str) {
    let queue = format!(
        "apiVersion: scheduling.volcano.sh/v1beta1\nkind: Queue\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    );
    let file = cluster.kubeconfig.with_file_name("queue.yaml");
    std::fs::write(&file, queue).unwrap();
    let output = cluster.kubectl(["apply", "-f", &file.display().to_string()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), refused.is_empty(), "{name} {spec}: {said}");
    assert!(said.contains(refused), "{name} {spec}: {said}");
}

#[test]
fn queues_that_contradict_themselves_are_refused() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.install_crds();
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/manifests/queue-policy.yaml");
    cluster.get(["apply", "-f", policy]);
    // Until the API server has taken it in.
    let broken = "apiVersion: scheduling.volcano.sh/v1beta1\nkind: Queue\nmetadata: {name: probe}\nspec: {deserved: {cpu: -1}}\n";
    let file = cluster.kubeconfig.with_file_name("probe.yaml");
    std::fs::write(&file, broken).unwrap();
    let file = file.display().to_string();
    let started = std::time::Instant::now();
    while cluster.kubectl(["create", "--dry-run=server", "-f", &file]).output().unwrap().status.success() {
        assert!(started.elapsed().as_secs() < 60, "the policy is not in force after a minute");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    for (name, spec, refused) in [
        ("root", "{weight: 1}", ""),
        ("default", "{weight: 1, parent: root}", ""),
        ("org", "{deserved: {cpu: 10, nvidia.com/gpu: 16}, capability: {nvidia.com/gpu: 32}}", ""),
        (
            "team",
            "{parent: org, guarantee: {resource: {nvidia.com/gpu: 4}}, deserved: {nvidia.com/gpu: '8'}}",
            "",
        ),
        ("other", "{parent: other}", "its own parent"),
        ("other", "{guarantee: {resource: {cpu: -1}}}", "spec.guarantee: an amount is negative"),
        ("other", "{capability: {cpu: -500m}}", "spec.capability: an amount is negative"),
        ("other", "{guarantee: {resource: {cpu: 2}}}", "guarantee above deserved"),
        ("other", "{guarantee: {resource: {cpu: 2}}, deserved: {cpu: 1500m}}", "guarantee above deserved"),
        ("other", "{deserved: {cpu: 2}, capability: {cpu: 1}}", "deserved above capability"),
        ("other", "{deserved: {memory: 2Gi}, capability: {memory: 2048Mi}}", ""),
        ("other", "{deserved: {memory: 3Gi}, capability: {memory: 2048Mi}}", "deserved above capability"),
        ("third", "{parent: org, capability: {nvidia.com/gpu: 64}}", "capability above parent org"),
        ("third", "{parent: org, deserved: {nvidia.com/gpu: 17}}", "deserved above parent org"),
        ("third", "{parent: org, deserved: {amd.com/gpu: 1}}", "deserved above parent org"),
        ("team", "{parent: org, capability: {nvidia.com/gpu: 24}}", ""),
        ("org", "{capability: {nvidia.com/gpu: 16}}", "capability below that of queue team"),
    ] {
        check(&cluster, name, spec, refused);
    }
    for (name, refused) in [
        ("root", "is always there"),
        ("default", "is always there"),
        ("org", "queue team is below org"),
        ("team", ""),
    ] {
        let output = cluster.kubectl(["delete", "queues.scheduling.volcano.sh", name]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), refused.is_empty(), "{name}: {said}");
        assert!(said.contains(refused), "{name}: {said}");
    }
}
