//! Plain workloads: `simulate` makes the pods that their controllers would make.

use crate::binary::simulate;
use serde_json::Value;

const NODES: &str = "apiVersion: simulation.phalanx.dev/v1alpha1\nkind: Simulation\nspec:\n  nodePools:\n  - name: g\n    count: 4\n    \
                     capacity: {cpu: 64, memory: 512Gi, nvidia.com/gpu: 8}\n";

const POD: &str = "{schedulerName: volcano, containers: [{name: c, image: 'i:1', resources: {limits: {nvidia.com/gpu: 8}}}]}";

fn report(timeline: &str, objects: &str) -> Value {
    let steps = if timeline.is_empty() { String::new() } else { format!("  timeline:\n{timeline}") };
    let answer = simulate(&["-", "-o", "json", "--timeline"], &format!("{NODES}{steps}---\n{objects}"));
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{objects}");
    serde_json::from_str(&answer.out).unwrap()
}

/// Names and phases of our pods.
fn pods(report: &Value) -> Vec<String> {
    let pods = report["pods"].as_array().unwrap().iter();
    pods.map(|pod| format!("{} {}", pod["name"].as_str().unwrap(), pod["phase"].as_str().unwrap())).collect()
}

fn count(report: &Value, start: &str, phase: &str) -> usize {
    pods(report).iter().filter(|pod| pod.starts_with(start) && pod.ends_with(phase)).count()
}

fn workload(api_version: &str, kind: &str, spec: &str) -> String {
    format!(
        "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: w, namespace: default}}\nspec: {spec}\n"
    )
}

#[test]
fn a_deployment_comes_to_its_pods_and_rolls_out() {
    let spec = format!(
        "{{replicas: 3, selector: {{matchLabels: {{app: w}}}}, template: {{metadata: {{labels: {{app: w}}}}, spec: {POD}}}}}"
    );
    let deployment = workload("apps/v1", "Deployment", &spec);
    let first = report("", &deployment);
    assert_eq!((pods(&first).len(), count(&first, "w-", "Running")), (3, 3), "{:?}", pods(&first));
    let image = "  - {at: 1m, patch: {kind: Deployment, name: w, merge: {spec: {template: {spec: {containers: [{name: c, image: 'i:2', \
                 resources: {limits: {nvidia.com/gpu: 8}}}]}}}}}}\n";
    let rolled = report(image, &deployment);
    assert_eq!((pods(&rolled).len(), count(&rolled, "w-", "Running")), (3, 3), "{:?}", pods(&rolled));
    let hash = |report: &Value| pods(report)[0].rsplit_once('-').unwrap().0.to_owned();
    assert_ne!(hash(&first), hash(&rolled), "all pods are of the new template");
    assert!(pods(&rolled).iter().all(|pod| pod.starts_with(&hash(&rolled))));
    let scaled = report(
        "  - {at: 1m, patch: {kind: Deployment, name: w, merge: {spec: {replicas: 1}}}}\n",
        &deployment,
    );
    assert_eq!(pods(&scaled).len(), 1);
}

#[test]
fn a_stateful_set_makes_its_pods_in_order_and_again_under_their_names() {
    let spec = format!(
        "{{replicas: 3, serviceName: w, selector: {{matchLabels: {{app: w}}}}, template: {{metadata: {{labels: {{app: w}}}}, spec: {POD}}}}}"
    );
    let set = workload("apps/v1", "StatefulSet", &spec);
    let found = report("  - {at: 1m, delete: {kind: Pod, name: w-1}}\n", &set);
    assert_eq!(pods(&found), ["w-0 Running", "w-1 Running", "w-2 Running"]);
    let started: Vec<&str> = found["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["reason"] == "Started")
        .map(|event| event["name"].as_str().unwrap())
        .collect();
    assert_eq!(started, ["w-0", "w-1", "w-2", "w-1"]);
}

#[test]
fn a_job_runs_until_it_has_its_completions() {
    let template = POD.replace("{schedulerName", "{restartPolicy: Never, schedulerName");
    let template =
        format!("{{metadata: {{annotations: {{simulation.phalanx.dev/duration: 1m}}}}, spec: {template}}}");
    let job =
        workload("batch/v1", "Job", &format!("{{completions: 6, parallelism: 2, template: {template}}}"));
    let found = report("", &job);
    assert_eq!((pods(&found).len(), count(&found, "w-", "Succeeded")), (6, 6), "{:?}", pods(&found));
    let indexed =
        format!("{{completions: 3, parallelism: 3, completionMode: Indexed, template: {template}}}");
    let found = report("", &workload("batch/v1", "Job", &indexed));
    let starts: Vec<String> = pods(&found).iter().map(|pod| pod[..4].to_owned()).collect();
    assert_eq!(starts, ["w-0-", "w-1-", "w-2-"]);
}

#[test]
fn a_volcano_job_is_a_gang() {
    let task = |name: &str, gpus: u32| {
        format!(
            "{{name: {name}, replicas: 1, template: {{spec: {{containers: [{{name: c, image: i, resources: {{limits: {{nvidia.com/gpu: {gpus}}}}}}}]}}}}}}"
        )
    };
    let spec = |gpus: u32| {
        format!(
            "{{minAvailable: 2, schedulerName: volcano, tasks: [{}, {}]}}",
            task("head", 1),
            task("worker", gpus)
        )
    };
    let fits = report("", &workload("batch.volcano.sh/v1alpha1", "Job", &spec(8)));
    assert_eq!(pods(&fits), ["w-head-0 Running", "w-worker-0 Running"]);
    assert_eq!(
        (&fits["podGroups"][0]["minMember"], &fits["podGroups"][0]["phase"]),
        (&2.into(), &"Running".into())
    );
    let too_large = report("", &workload("batch.volcano.sh/v1alpha1", "Job", &spec(16)));
    assert_eq!(pods(&too_large), ["w-head-0 Pending", "w-worker-0 Pending"], "all or nothing");
    let restarts = "{minAvailable: 2, policies: [{event: PodFailed, action: RestartJob}], tasks: ["
        .to_owned()
        + &task("a", 8)
        + ", "
        + &task("b", 8)
        + "]}";
    let failed = report(
        "  - {at: 1m, fail: {name: w-a-0}}\n",
        &workload("batch.volcano.sh/v1alpha1", "Job", &restarts),
    );
    assert_eq!(pods(&failed), ["w-a-0 Running", "w-b-0 Running"], "the job runs again");
}

/// A pod whose controller is not among the files comes back as that controller would make it.
#[test]
fn a_lost_pod_of_a_controller_that_is_not_simulated_comes_back() {
    let owned = |kind: &str, generated: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: w-0, namespace: default{generated}, ownerReferences: [{{apiVersion: a/v1, kind: {kind}, \
             name: w, uid: u, controller: true}}]}}\nspec: {POD}\n"
        )
    };
    let lost = "  - {at: 1m, drain: {node: g-0}}\n";
    let named = report(lost, &owned("PyTorchJob", ""));
    assert_eq!(pods(&named), ["w-0 Running"]);
    assert_ne!(named["pods"][0]["node"], "g-0");
    let generated = report(lost, &owned("ReplicaSet", ", generateName: w-"));
    assert_eq!(pods(&generated).len(), 1);
    assert_ne!(generated["pods"][0]["name"], "w-0");
}
