//! Device claims on a real API server, with the claim controller of kube-controller-manager: slices are published as drivers
//! publish them, claims are made from templates, and everything is written with the rights of the deployed account.

mod compute_domain;

use crate::cluster::TestCluster;
use crate::phalanx::Phalanx;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A slice of a driver that holds these devices of a node.
fn slice(driver: &str, node: &str, devices: &[String]) -> String {
    let (devices, short) = (devices.join(", "), driver.split('.').next().unwrap_or(driver));
    format!(
        "---\napiVersion: resource.k8s.io/v1\nkind: ResourceSlice\nmetadata: {{name: {node}-{short}}}\n\
         spec: {{driver: {driver}, nodeName: {node}, pool: {{name: {node}, generation: 1, resourceSliceCount: 1}}, devices: [{devices}]}}\n"
    )
}

/// So many devices, two on each PCIe root.
fn on_roots(name: &str, count: usize) -> Vec<String> {
    let device = |at: usize| {
        let root = at / 2;
        format!(
            "{{name: {name}-{at}, attributes: {{resource.kubernetes.io/pcieRoot: {{string: pci{root}}}}}}}"
        )
    };
    (0..count).map(device).collect()
}

fn class(name: &str, driver: &str, more: &str) -> String {
    format!(
        "---\napiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata: {{name: {name}}}\n\
         spec: {{{more}selectors: [{{cel: {{expression: 'device.driver == \"{driver}\"'}}}}]}}\n"
    )
}

/// A PodGroup of the namespace and its pods.
fn gang(space: &str, name: &str, pods: usize, spec: &str) -> String {
    let mut yaml = format!(
        "---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: {name}, namespace: {space}}}\nspec: {{minMember: {pods}}}\n"
    );
    for at in 0..pods {
        yaml += &format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}-{at:02}, namespace: {space}, annotations: {{scheduling.k8s.io/group-name: {name}}}}}\n\
             spec: {{schedulerName: volcano, {spec}}}\n"
        );
    }
    yaml
}

fn items(cluster: &TestCluster, space: &str, kind: &str) -> Vec<Value> {
    let list: Value = serde_json::from_str(&cluster.get(["get", kind, "-n", space, "-o", "json"])).unwrap();
    list["items"].as_array().unwrap().clone()
}

/// `driver/pool/device` of a claim's results.
fn devices(claim: &Value) -> Vec<String> {
    let results = claim["status"]["allocation"]["devices"]["results"].as_array().cloned().unwrap_or_default();
    let text = |result: &Value, field: &str| result[field].as_str().unwrap().to_owned();
    let name = |result: &Value| ["driver", "pool", "device"].map(|field| text(result, field)).join("/");
    results.iter().map(name).collect()
}

/// Waits until so many pods of the gang have a node.
fn all_bound(cluster: &TestCluster, space: &str, name: &str, pods: usize) {
    let nodes = "jsonpath={range .items[?(@.spec.nodeName)]}{.metadata.name} {end}";
    let nodes = ["get", "pods", "-n", space, "-o", nodes];
    cluster.wait_until(&nodes, &format!("{pods} pods of {name} have nodes"), |names| {
        names.split_whitespace().filter(|pod| pod.starts_with(name)).count() == pods
    });
}

/// Every bound pod has its claims, allocated on its node and reserved for it; no device has two claims, and none has a
/// claim whose pods wait.
fn judge(cluster: &TestCluster, space: &str) {
    let claims = items(cluster, space, "resourceclaims");
    let mut taken = BTreeSet::new();
    for device in claims.iter().flat_map(devices) {
        assert!(taken.insert(device.clone()), "{device} has two claims");
    }
    let by_name: BTreeMap<&str, &Value> =
        claims.iter().map(|claim| (claim["metadata"]["name"].as_str().unwrap(), claim)).collect();
    for pod in items(cluster, space, "pods") {
        let node = &pod["spec"]["nodeName"];
        let named = pod["spec"]["resourceClaims"].as_array().into_iter().flatten();
        let named = named.filter_map(|claim| claim["resourceClaimName"].as_str());
        let statuses = pod["status"]["resourceClaimStatuses"].as_array().into_iter().flatten();
        let made = statuses.map(|status| status["resourceClaimName"].as_str().unwrap());
        let extended = pod["status"]["extendedResourceClaimStatus"]["resourceClaimName"].as_str();
        for name in named.chain(made).chain(extended) {
            let claim = by_name[name];
            let mut users = claim["status"]["reservedFor"].as_array().into_iter().flatten();
            let is_reserved = users.any(|user| user["uid"] == pod["metadata"]["uid"]);
            assert_eq!(is_reserved, node.is_string(), "{pod}\n{claim}");
            if node.is_null() {
                continue;
            }
            let selector = &claim["status"]["allocation"]["nodeSelector"]["nodeSelectorTerms"][0];
            assert_eq!(selector["matchFields"][0]["values"][0], *node, "{claim}");
            assert_eq!(claim["metadata"]["finalizers"][0], "resource.kubernetes.io/delete-protection");
            assert!(devices(claim).iter().all(|device| device.split('/').nth(1) == node.as_str()), "{claim}");
        }
    }
}

fn no_right_is_missing(phalanx: &Phalanx) {
    let log = phalanx.log();
    assert!(!log.to_lowercase().contains("forbidden"), "a right is missing\n{log}");
}

#[test]
fn gangs_with_claims_start_whole_with_the_deployed_rights() {
    const SPACE: &str = "claims";
    let Some(cluster) = TestCluster::start() else { return };
    cluster.namespace(SPACE);
    cluster.fleet(&["--nodes", "4", "--no-hypernodes", "--gpus", "0"]);
    let mut world = class("gpus", "gpu.example.com", "extendedResourceName: example.com/gpu, ")
        + &class("nics", "nic.example.com", "");
    for node in 0..4 {
        let node = format!("node-{node:05}");
        world += &slice("gpu.example.com", &node, &on_roots("gpu", 8));
        world += &slice("nic.example.com", &node, &on_roots("nic", 8));
    }
    // Two GPUs and a NIC of one root: two pods of other shapes would strand devices that these need.
    world += &format!(
        "---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaimTemplate\nmetadata: {{name: aligned, namespace: {SPACE}}}\n\
         spec: {{spec: {{devices: {{requests: [{{name: gpu, exactly: {{deviceClassName: gpus, count: 2}}}}, {{name: nic, exactly: {{deviceClassName: nics}}}}], \
         constraints: [{{matchAttribute: resource.kubernetes.io/pcieRoot}}]}}}}}}\n\
         ---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nmetadata: {{name: shared, namespace: {SPACE}}}\n\
         spec: {{devices: {{requests: [{{name: nic, exactly: {{deviceClassName: nics}}}}]}}}}\n"
    );
    cluster.create(&world);
    let phalanx = Phalanx::deployed(&cluster, &["--leader-elect=false"]);

    let claim = "containers: [{name: c, image: i, resources: {claims: [{name: devices}]}}], \
                 resourceClaims: [{name: devices, resourceClaimTemplateName: aligned}]";
    cluster.create(&gang(SPACE, "aligned", 12, claim));
    all_bound(&cluster, SPACE, "aligned", 12);
    judge(&cluster, SPACE);
    for claim in items(&cluster, SPACE, "resourceclaims").iter().filter(|claim| !devices(claim).is_empty()) {
        let number = |device: &String| device.rsplit('-').next().unwrap().parse::<usize>().unwrap();
        let roots: BTreeSet<usize> = devices(claim).iter().map(|device| number(device) / 2).collect();
        assert_eq!((devices(claim).len(), roots.len()), (3, 1), "{claim}");
    }

    // What would come of more such pods, with the template that is in the cluster.
    let file = cluster.kubeconfig.with_file_name("more.yaml");
    for (pods, fits) in [(4, true), (5, false)] {
        std::fs::write(&file, gang(SPACE, "more", pods, claim)).unwrap();
        let mut simulate = std::process::Command::new(env!("CARGO_BIN_EXE_phalanx"));
        simulate.args(["simulate", "--from-cluster", file.to_str().unwrap()]);
        let output = simulate.env("KUBECONFIG", &cluster.kubeconfig).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.contains("fits 4 of 5 pods"), !fits, "{output:?}");
        assert!(text.contains("more"), "{output:?}");
    }

    // A pod each for what is left of the GPUs, by extended resource: claims are made for them.
    let extended = "containers: [{name: c, image: i, resources: {limits: {example.com/gpu: 2}}}]";
    cluster.create(&gang(SPACE, "extended", 4, extended));
    all_bound(&cluster, SPACE, "extended", 4);
    judge(&cluster, SPACE);
    let made = items(&cluster, SPACE, "resourceclaims");
    let made = made.iter().filter(|claim| {
        claim["metadata"]["annotations"]["resource.kubernetes.io/extended-resource-claim"] == "true"
    });
    assert_eq!(made.map(|claim| devices(claim).len()).sum::<usize>(), 8);

    // All that share a claim go to one node.
    let shares =
        "containers: [{name: c, image: i}], resourceClaims: [{name: nic, resourceClaimName: shared}]";
    cluster.create(&gang(SPACE, "shared", 3, shares));
    all_bound(&cluster, SPACE, "shared", 3);
    judge(&cluster, SPACE);

    // No GPU is left, and it is said of what there are none.
    cluster.create(&gang(SPACE, "waits", 1, claim));
    let message = [
        "get",
        "podgroups.scheduling.volcano.sh",
        "waits",
        "-n",
        SPACE,
        "-o",
        "jsonpath={.status.conditions[*].message}",
    ];
    cluster.wait_until(&message, "it says which devices are missing", |message| {
        message.contains("of class gpus")
    });
    judge(&cluster, SPACE);
    // A pod that ends gives its devices to who waits.
    cluster.get(["delete", "pod", "aligned-00", "-n", SPACE, "--wait=false"]);
    all_bound(&cluster, SPACE, "waits", 1);
    judge(&cluster, SPACE);
    no_right_is_missing(&phalanx);
}

/// Kubernetes 1.36 serves DeviceTaintRules in a beta version, where they are switched on.
#[test]
fn taint_rules_keep_gangs_from_devices() {
    const SPACE: &str = "tainted";
    let Some(cluster) = TestCluster::start_with(&["--native-groups"]) else { return };
    cluster.namespace(SPACE);
    cluster.fleet(&["--nodes", "1", "--no-hypernodes", "--gpus", "0"]);
    cluster.create(&format!(
        "{}{}---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaimTemplate\nmetadata: {{name: one, namespace: {SPACE}}}\n\
         spec: {{spec: {{devices: {{requests: [{{name: gpu, exactly: {{deviceClassName: gpus}}}}]}}}}}}\n\
         ---\napiVersion: resource.k8s.io/v1beta2\nkind: DeviceTaintRule\nmetadata: {{name: broken}}\n\
         spec: {{deviceSelector: {{driver: gpu.example.com, device: gpu-1}}, taint: {{key: broken, effect: NoSchedule}}}}\n",
        class("gpus", "gpu.example.com", ""),
        slice("gpu.example.com", "node-00000", &on_roots("gpu", 2)),
    ));
    let phalanx = Phalanx::deployed(&cluster, &["--leader-elect=false"]);
    let by_claim =
        "containers: [{name: c, image: i}], resourceClaims: [{name: gpu, resourceClaimTemplateName: one}]";
    cluster.create(&gang(SPACE, "train", 2, by_claim));
    let message = "jsonpath={.status.conditions[*].message}";
    let message = ["get", "podgroups.scheduling.volcano.sh", "train", "-n", SPACE, "-o", message];
    cluster.wait_until(&message, "it says that one fits", |message| message.contains("fits 1 of 2 pods"));
    cluster.get(["delete", "devicetaintrule", "broken"]);
    all_bound(&cluster, SPACE, "train", 2);
    judge(&cluster, SPACE);
    no_right_is_missing(&phalanx);
}

fn replace_role(cluster: &TestCluster, mut role: Value) {
    for field in ["resourceVersion", "uid", "managedFields"] {
        role["metadata"].as_object_mut().unwrap().remove(field);
    }
    cluster.feed(["replace", "-f", "-"], &role.to_string());
}

/// Each right on claims is used: without it a gang waits and says what is missing, with it it is bound.
#[test]
fn every_right_on_claims_is_needed() {
    const SPACE: &str = "rights";
    let Some(cluster) = TestCluster::start() else { return };
    cluster.namespace(SPACE);
    cluster.fleet(&["--nodes", "2", "--no-hypernodes", "--gpus", "0"]);
    let mut world = class("gpus", "gpu.example.com", "extendedResourceName: example.com/gpu, ");
    for node in ["node-00000", "node-00001"] {
        world += &slice("gpu.example.com", node, &on_roots("gpu", 8));
    }
    world += &format!(
        "---\napiVersion: resource.k8s.io/v1\nkind: ResourceClaimTemplate\nmetadata: {{name: one, namespace: {SPACE}}}\n\
         spec: {{spec: {{devices: {{requests: [{{name: gpu, exactly: {{deviceClassName: gpus}}}}]}}}}}}\n"
    );
    cluster.create(&world);
    let phalanx = Phalanx::deployed(&cluster, &["--leader-elect=false"]);
    let whole = cluster.get(["get", "clusterrole", "phalanx-scheduler", "-o", "json"]);
    let by_claim =
        "containers: [{name: c, image: i}], resourceClaims: [{name: gpu, resourceClaimTemplateName: one}]";
    let extended = "containers: [{name: c, image: i, resources: {limits: {example.com/gpu: 1}}}]";
    for (at, (resource, verb, spec)) in [
        ("resourceclaims", "patch", by_claim),
        ("resourceclaims/status", "patch", by_claim),
        ("resourceclaims/binding", "patch", by_claim),
        ("resourceclaims", "create", extended),
    ]
    .into_iter()
    .enumerate()
    {
        let mut role: Value = serde_json::from_str(&whole).unwrap();
        for rule in role["rules"].as_array_mut().unwrap() {
            if rule["resources"] == serde_json::json!([resource]) {
                rule["verbs"].as_array_mut().unwrap().retain(|granted| granted != verb);
            }
        }
        role["rules"].as_array_mut().unwrap().retain(|rule| rule["verbs"] != serde_json::json!([]));
        replace_role(&cluster, role);
        let name = format!("without-{at}");
        cluster.create(&gang(SPACE, &name, 2, spec));
        let started = std::time::Instant::now();
        while !phalanx
            .log()
            .lines()
            .any(|line| line.contains(&name) && line.to_lowercase().contains("forbidden"))
        {
            assert!(started.elapsed().as_secs() < 60, "{verb} {resource} is not missed\n{}", phalanx.log());
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        let pods = items(&cluster, SPACE, "pods");
        let bound = pods.iter().filter(|pod| pod["spec"]["nodeName"].is_string());
        assert_eq!(
            bound.filter(|pod| pod["metadata"]["name"].as_str().unwrap().starts_with(&name)).count(),
            0
        );
        replace_role(&cluster, serde_json::from_str(&whole).unwrap());
        all_bound(&cluster, SPACE, &name, 2);
        judge(&cluster, SPACE);
    }
}
