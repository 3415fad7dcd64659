//! What `deploy/` holds is taken by a real API server, grants what it should and no more, and says the same for Helm
//! as for kubectl.

use std::process::Command;

use phalanx::scheduler::config::SchedulerConfig;

use crate::cluster::{TestCluster, skipped, succeed};

fn read(path: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path))
        .unwrap()
}

#[test]
fn manifests_are_accepted_and_grant_no_more_than_needed() {
    let Some(cluster) = TestCluster::shared() else { return };
    let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
    cluster.install_crds();
    let output = cluster.kubectl(["apply", "-k", deploy]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // A warning would say that a pod breaks the restricted security profile, or that an API is going away.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    cluster.get(["create", "-f", &format!("{deploy}/examples"), "--dry-run=server"]);

    let account = "--as=system:serviceaccount:phalanx-system:phalanx";
    for (allowed, verbs, resource, subresource, namespace) in [
        (true, "get list watch create patch delete", "pods", "", "any"),
        (true, "create", "pods", "binding", "any"),
        (true, "patch", "pods", "status", "any"),
        (true, "create", "pods", "eviction", "any"),
        (true, "list watch", "poddisruptionbudgets.policy", "", "any"),
        (false, "create patch delete", "poddisruptionbudgets.policy", "", "any"),
        (true, "list watch", "nodes", "", ""),
        (true, "list watch create patch delete", "podgroups.scheduling.volcano.sh", "", "any"),
        (true, "list watch create", "queues.scheduling.volcano.sh", "", ""),
        (true, "patch", "hypernodes.topology.volcano.sh", "status", ""),
        (true, "patch", "modelservings.workload.serving.volcano.sh", "status", "any"),
        (true, "create patch delete", "services", "", "any"),
        (true, "create patch delete", "controllerrevisions.apps", "", "any"),
        (true, "create patch", "events", "", "any"),
        (true, "list watch", "resourceslices.resource.k8s.io", "", ""),
        (true, "list watch", "deviceclasses.resource.k8s.io", "", ""),
        (true, "get list watch create patch", "resourceclaims.resource.k8s.io", "", "any"),
        (true, "patch", "resourceclaims.resource.k8s.io", "status", "any"),
        (false, "update delete deletecollection", "resourceclaims.resource.k8s.io", "", "any"),
        (false, "create update patch delete", "resourceslices.resource.k8s.io", "", ""),
        (false, "create update patch delete", "deviceclasses.resource.k8s.io", "", ""),
        (false, "list get", "resourceclaimtemplates.resource.k8s.io", "", "any"),
        (false, "list watch", "customresourcedefinitions.apiextensions.k8s.io", "", ""),
        (true, "create", "configmaps", "", "phalanx-system"),
        (true, "get patch", "configmaps/phalanx-journal-0", "", "phalanx-system"),
        (true, "get patch", "configmaps/phalanx-journal-15", "", "phalanx-system"),
        (false, "get patch", "configmaps/other", "", "phalanx-system"),
        (false, "get patch create", "configmaps", "", "any"),
        (false, "update delete", "configmaps/phalanx-journal-0", "", "phalanx-system"),
        (true, "create", "leases.coordination.k8s.io", "", "phalanx-system"),
        (true, "get update", "leases.coordination.k8s.io/phalanx", "", "phalanx-system"),
        (false, "update", "leases.coordination.k8s.io/other", "", "phalanx-system"),
        (false, "create get", "leases.coordination.k8s.io", "", "any"),
        (false, "get list", "secrets", "", "any"),
        (false, "get list", "configmaps", "", "any"),
        (false, "update deletecollection", "pods", "", "any"),
        (false, "create", "pods", "exec", "any"),
        (false, "update patch delete", "nodes", "", ""),
        (false, "update patch delete", "hypernodes.topology.volcano.sh", "", ""),
        (true, "create patch", "modelservings.workload.serving.volcano.sh", "", "any"),
        (true, "patch", "persistentvolumes", "", ""),
        (false, "create update delete", "persistentvolumes", "", ""),
        (false, "update delete", "modelservings.workload.serving.volcano.sh", "", "any"),
        (false, "create update patch delete", "customresourcedefinitions.apiextensions.k8s.io", "", ""),
        (false, "escalate bind", "clusterroles.rbac.authorization.k8s.io", "", ""),
        (false, "impersonate", "users", "", ""),
    ] {
        for verb in verbs.split(' ') {
            let subresource = format!("--subresource={subresource}");
            let mut ask = vec!["auth", "can-i", verb, resource, &subresource, account];
            if !namespace.is_empty() {
                ask.extend(["-n", namespace]);
            }
            let output = cluster.kubectl(&ask).output().unwrap();
            assert_eq!(output.status.success(), allowed, "{ask:?} {output:?}");
        }
    }
    // `auth can-i` knows no resource whose CRD is missing.
    let review = "apiVersion: authorization.k8s.io/v1\nkind: SubjectAccessReview\nspec: {user: 'system:serviceaccount:phalanx-system:phalanx', \
                  resourceAttributes: {group: leaderworkerset.x-k8s.io, resource: leaderworkersets, subresource: status, verb: patch, namespace: any}}";
    let answer = cluster.feed(["create", "-o", "jsonpath={.status.allowed}", "-f", "-"], review);
    assert_eq!(answer, "true", "patch of the status of LeaderWorkerSets");
}

#[test]
fn a_service_account_has_its_own_rights_only() {
    let Some(cluster) = TestCluster::shared() else { return };
    cluster.namespace("account");
    let kubeconfig = cluster.as_service_account("account", "default");
    let who = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    let who = succeed(cluster.kubectl(who).env("KUBECONFIG", &kubeconfig).output().unwrap());
    assert_eq!(who, "system:serviceaccount:account:default");
    let pods = cluster.kubectl(["get", "pods"]).env("KUBECONFIG", &kubeconfig).output().unwrap();
    assert!(String::from_utf8(pods.stderr).unwrap().contains("cannot list resource \"pods\""));
}

/// The lines of every `rules:` block, in order.
fn rules(yaml: &str) -> Vec<&str> {
    let mut within = false;
    yaml.lines()
        .filter(|line| {
            let continues = ["- ", "  ", "# "].iter().any(|start| line.starts_with(start));
            within = *line == "rules:" || within && continues;
            within
        })
        .collect()
}

#[test]
fn chart_and_manifests_say_the_same() {
    let manifests = read("manifests/rbac.yaml");
    assert!(rules(&manifests).len() > 50);
    assert_eq!(rules(&read("chart/phalanx/templates/rbac.yaml")), rules(&manifests));

    let (manifest, values) = (read("manifests/config.yaml"), read("chart/phalanx/values.yaml"));
    let policy = manifest.split_once("scheduler.yaml: |\n").unwrap().1;
    let value = values.split_once("config: |\n").unwrap().1.split_once("\n\n").unwrap().0;
    let policy: Vec<&str> = policy.lines().map(|line| &line[4..]).collect();
    let value: Vec<&str> = value.lines().map(|line| &line[2..]).collect();
    assert_eq!(value, policy);
    let (config, warnings) = phalanx::scheduler::config::load(&policy.join("\n")).unwrap();
    assert_eq!((config, warnings), (SchedulerConfig::default(), vec![]));

    for flag in [
        "--controllers=",
        "--leader-elect=",
        "--config=/etc/phalanx/scheduler.yaml",
        "--listen-address=0.0.0.0:",
    ] {
        for path in ["manifests/deployment.yaml", "chart/phalanx/templates/deployment.yaml"] {
            assert!(read(path).contains(flag), "{path} {flag}");
        }
    }
}

#[test]
fn the_chart_installs() {
    let Some(cluster) = TestCluster::shared() else { return };
    let helm = cluster.binaries.join("helm");
    if !helm.exists() {
        return skipped("the chart's: tests/cluster/binaries --helm builds what it needs");
    }
    cluster.install_crds();
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart/phalanx");
    let helm = |arguments: &[&str]| {
        Command::new(&helm).args(arguments).env("KUBECONFIG", &cluster.kubeconfig).output().unwrap()
    };
    succeed(helm(&["lint", "--strict", chart]));
    succeed(helm(&["install", "other", chart, "--namespace", "chart", "--create-namespace"]));
    let pods = ["get", "replicasets", "-n", "chart", "-o", "jsonpath={.items[*].status.replicas}"];
    cluster.wait_for(&pods, "2");
    succeed(helm(&["uninstall", "other", "--namespace", "chart"]));
    assert!(cluster.get(["get", "crd", "-o", "name"]).contains("podgroups.scheduling.volcano.sh"));

    let refused = helm(&["template", chart, "--set", "leaderElection=false"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("leaderElection: false needs replicas: 1"));
}

#[cfg(feature = "live")]
#[test]
fn a_changed_policy_is_taken_up_and_a_broken_one_is_not() {
    use crate::phalanx::Phalanx;
    let Some(cluster) = TestCluster::shared() else { return };
    cluster.install_crds();
    let config = cluster.kubeconfig.with_file_name("changing.yaml");
    std::fs::write(&config, "placement: {packing: tight}\n").unwrap();
    let flag = format!("--config={}", config.display());
    let phalanx = Phalanx::start(
        &cluster.kubeconfig,
        &["--scheduler-name=nobody", "--leader-elect=false", "--leader-elect-name=nobody", &flag],
    );
    let says = |text: &str| {
        let started = std::time::Instant::now();
        while !phalanx.log().contains(text) {
            assert!(started.elapsed().as_secs() < 60, "not after a minute: {text}\n{}", phalanx.log());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    };
    says("in step with the cluster");
    std::fs::write(&config, "placement: {packing: upwards}\n").unwrap();
    says("the changed configuration is refused");
    assert!(!phalanx.log().contains("is in force"));
    std::fs::write(&config, "placement: {packing: spread}\n").unwrap();
    says("the changed configuration is in force");
}
