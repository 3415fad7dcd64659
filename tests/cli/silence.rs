//! Nothing is ignored in silence: what objects ask for and do not get is listed under WARNINGS, what an API server refuses
//! is refused, and workloads whose controllers do not run here are named.

use crate::binary::simulate;

const NODE: &str = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n\
                    status: {allocatable: {cpu: '64', memory: 512Gi, pods: '110', nvidia.com/gpu: '8'}}\n";

/// A pod of ours on its own, with more metadata and this in its spec.
fn pod(name: &str, metadata: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default{metadata}}}\n\
         spec: {{schedulerName: volcano{spec}}}\n"
    )
}

const GPU: &str = ", containers: [{name: main, image: i, resources: {limits: {nvidia.com/gpu: 1}}}]";

fn group(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{{spec}}}\n"
    )
}

fn in_group(name: &str, group: &str) -> String {
    pod(name, &format!(", annotations: {{scheduling.k8s.io/group-name: {group}}}"), GPU)
}

/// Expects lines that hold these texts under WARNINGS, and as many.
fn warns(objects: &str, expect: &[&str]) {
    let answer = simulate(&["-"], &format!("{NODE}{objects}"));
    assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{objects}");
    let listed = answer.out.split_once("WARNINGS\n").map_or("", |(_, rest)| rest);
    let listed: Vec<&str> = listed.lines().skip(1).take_while(|line| !line.is_empty()).collect();
    assert_eq!(listed.len(), expect.len(), "{objects}\n{listed:#?}");
    for text in expect {
        assert!(listed.iter().any(|line| line.contains(text)), "{text}\n{listed:#?}");
    }
}

/// Expects that the input is refused with lines that hold these texts, and as many.
fn refuses(objects: &str, expect: &[&str]) {
    let answer = simulate(&["-"], &format!("{NODE}{objects}"));
    assert_eq!(answer.code, 2, "{objects}\n{}", answer.out);
    let lines: Vec<&str> = answer.err.lines().collect();
    assert_eq!(lines.len(), expect.len(), "{lines:#?}");
    for text in expect {
        assert!(lines.iter().any(|line| line.contains(text)), "{text}\n{lines:#?}");
    }
}

#[test]
fn misspelt_and_misplaced_fields_are_refused() {
    let root = format!("{}tolerations: [{{operator: Exists}}]\n", pod("p", "", GPU));
    refuses(&root, &["tolerations: is not a field; it belongs to spec"]);
    let node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n2}\nspec: {taint: [{key: a, effect: NoSchedule}]}\n";
    let limits = ", containers: [{name: main, image: i, resources: {nvidia.com/gpu: 16}}]";
    refuses(
        &format!("{node}{}{}", pod("a", "", &format!(", nodeselector: {{}}{GPU}")), pod("b", "", limits)),
        &[
            "spec.taint: is not a field; did you mean taints?",
            "spec.nodeselector: is not a field; did you mean nodeSelector?",
            "resources[\"nvidia.com/gpu\"]: is not a field; write it under limits or requests",
        ],
    );
    let template = "{spec: {nodeselector: {}, containers: [{name: c, image: i}]}}";
    let serving = format!(
        "---\napiVersion: workload.serving.volcano.sh/v1alpha1\nkind: ModelServing\nmetadata: {{name: m}}\n\
         spec: {{template: {{roles: [{{name: r, workerReplicas: 0, entryTemplate: {template}}}]}}}}\n"
    );
    refuses(&serving, &["spec.template.roles[0].entryTemplate.spec.nodeselector: is not a field"]);
}

#[test]
fn values_that_the_api_does_not_know_are_refused() {
    let tolerations = |text: &str| pod("p", "", &format!(", tolerations: [{text}]{GPU}"));
    refuses(&tolerations("{key: a, operator: exists}"), &["operator: is \"exists\"; did you mean Exists?"]);
    refuses(
        &tolerations("{key: a, operator: Exists, effect: noSchedule}"),
        &["effect: is \"noSchedule\"; did you mean NoSchedule?"],
    );
    let sidecar =
        ", initContainers: [{name: p, image: i, restartPolicy: always}], containers: [{name: c, image: i}]";
    refuses(&pod("p", "", sidecar), &["restartPolicy: is \"always\"; did you mean Always?"]);
    let half = ", containers: [{name: c, image: i, resources: {requests: {cpu: 500mi}}}]";
    refuses(&pod("p", "", half), &["requests.cpu: \"500mi\" is not a quantity; write 500m"]);
    let answer = simulate(&["-"], "{\"apiVersion\": \"v1\", \"kind\": \"Node\",\n\"kind\": \"Pod\"}");
    assert_eq!(answer.code, 2);
    assert!(answer.err.contains("duplicate") && answer.err.contains("keep one of the two"), "{}", answer.err);
}

/// A kind of others that bears on placement is told of once, however many there are; each kind that makes pods has its row.
#[test]
fn kinds_of_others_are_named() {
    let quota = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: {name}, namespace: default}}\nspec: {{hard: {{pods: 1}}}}\n"
        )
    };
    warns(
        &(quota("a") + &quota("b")),
        &["kind: is ResourceQuota, which is not read; its quota refuses no pods here"],
    );
    let maker = |version: &str, kind: &str, name: &str| {
        format!(
            "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: default}}\n\
             spec: {{template: {{spec: {{schedulerName: volcano, containers: [{{name: c, image: i}}]}}}}}}\n"
        )
    };
    let makers = maker("example.com/v1", "Trainer", "a")
        + &maker("example.com/v1", "Trainer", "b")
        + &maker("argoproj.io/v1alpha1", "Rollout", "c");
    warns(
        &makers,
        &[
            "Trainer default/a and 1 more: its controller is not simulated",
            "Rollout default/c: its controller is not simulated",
        ],
    );
    let flow = "---\napiVersion: flow.volcano.sh/v1alpha1\nkind: JobFlow\nmetadata: {name: f, namespace: default}\nspec: {flows: [{name: a}]}\n";
    warns(flow, &["JobFlow default/f: its controller is not simulated"]);
    warns(&pod("r", "", &format!(", runtimeClassName: gvisor{GPU}")), &["RuntimeClass gvisor is not read"]);
    let near = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: default}\n\
                spec: {schedulerName: Volcano, containers: [{name: c, image: i}]}\n";
    warns(
        near,
        &[
            "Pod default/p: asks for scheduler Volcano, and this scheduler answers to volcano: it is left alone; \
                   write schedulerName: volcano",
        ],
    );
}

#[test]
fn what_nobody_reads_is_listed() {
    warns(&pod("p", "", &format!(", gangOf: 4{GPU}")), &["spec.gangOf: is not a field"]);
    let marks = pod("cs-0", ", labels: {pod-group.scheduling.sigs.k8s.io: cs}", GPU)
        + &pod("cs-1", ", labels: {pod-group.scheduling.sigs.k8s.io: cs}", GPU)
        + &pod("ko-0", ", annotations: {gang.scheduling.koordinator.sh/name: ko}", GPU);
    warns(
        &marks,
        &[
            "Pod default/cs-0 and 1 more: metadata.labels: pod-group.scheduling.sigs.k8s.io: cs",
            "Koordinator",
        ],
    );
    let queue = "---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: Queue\nmetadata: {name: team-a}\n\
                 spec: {weight: 1, capability: {nvidia.com/gpu: 2}, deserved: {nvidia.com/gpu: 4}}\n";
    warns(queue, &["Queue team-a: spec.deserved: deserved above capability"]);
    let share =
        ", containers: [{name: main, image: i, resources: {limits: {volcano.sh/vgpu-memory: 20000}}}]";
    warns(&pod("p", "", share), &["volcano.sh/vgpu-memory is a share of one card"]);
    let small = ", containers: [{name: main, image: i, resources: {limits: {memory: 100m}}}]";
    warns(&pod("p", "", small), &["is 100m, a fraction of a byte"]);
}

#[test]
fn what_other_objects_make_void_is_listed() {
    let urgent = format!(
        "{}{}",
        group("urgent", "minMember: 1, priorityClassName: urgent"),
        pod(
            "u",
            ", annotations: {scheduling.k8s.io/group-name: urgent}",
            &format!(", priorityClassName: urgent{GPU}")
        )
    );
    warns(
        &urgent,
        &[
            "PodGroup default/urgent: spec.priorityClassName: PriorityClass urgent does not exist",
            "Pod default/u: spec.priority",
        ],
    );
    warns(&group("empty", "minMember: 1"), &["PodGroup default/empty: no pod of this scheduler names it"]);
    let roles = group("pd", "minMember: 1, minTaskMember: {prefill: 4}") + &in_group("pd-0", "pd");
    warns(&roles, &["spec.minTaskMember asks for 4 pods, more than spec.minMember, 1"]);
    let lost = pod("l", "", &format!(", nodeName: gone{GPU}")) + "status: {phase: Running}\n";
    warns(&lost, &["spec.nodeName: node gone does not exist"]);
}

#[test]
fn workloads_of_other_controllers_are_named_and_fail_require_all() {
    let ray = "---\napiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: ray, namespace: default, labels: {ray.io/scheduler-name: volcano}}\n\
               spec: {headGroupSpec: {template: {spec: {containers: [{name: c, image: i}]}}}}\n";
    warns(ray, &["RayCluster default/ray: its controller is not simulated, so its pods are missing here"]);
    let check = |objects: &str, code: i32| {
        assert_eq!(simulate(&["-", "--require-all"], &format!("{NODE}{objects}")).code, code, "{objects}");
    };
    check(ray, 1);
    check(&ray.replace(": volcano}", ": yunikorn}"), 0);
    check(
        "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec: {jobTemplate: {spec: {template: {spec: {schedulerName: volcano}}}}}\n",
        1,
    );
    check(
        "---\napiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: c}\ndata: {spec: {schedulerName: volcano}}\n",
        0,
    );
}

#[test]
fn a_scheduler_name_that_nobody_answers_to_is_told() {
    let template = "{spec: {containers: [{name: c, image: i, resources: {limits: {nvidia.com/gpu: 1}}}]}}";
    let serving = format!(
        "---\napiVersion: workload.serving.volcano.sh/v1alpha1\nkind: ModelServing\nmetadata: {{name: m, namespace: default}}\n\
         spec: {{schedulerName: volcanoo, template: {{roles: [{{name: r, workerReplicas: 0, entryTemplate: {template}}}]}}}}\n"
    );
    let answer = simulate(&["-", "--require-all"], &format!("{NODE}{serving}"));
    assert_eq!(answer.code, 1, "{}", answer.out);
    let said = "ModelServing default/m: asks for scheduler volcanoo, and this scheduler answers to volcano";
    assert!(answer.out.contains(said), "{}", answer.out);
    let answer = simulate(
        &["-", "--require-all"],
        &format!("{NODE}{}", pod("p", "", GPU).replace("volcano", "vocalno")),
    );
    assert_eq!(answer.code, 1, "{}", answer.out);
}

/// All members of a gang ask for another name: the gang was left alone without a word.
#[test]
fn a_gang_none_of_whose_pods_names_this_scheduler_is_told() {
    let check = |first: &str, second: &str, expect: &str| {
        let pod =
            |name: &str, scheduler: &str| in_group(name, "g").replace("schedulerName: volcano", scheduler);
        let objects = group("g", "minMember: 2")
            + &pod("g-0", &format!("schedulerName: {first}"))
            + &pod("g-1", &format!("schedulerName: {second}"));
        let answer = simulate(&["-", "--require-all"], &format!("{NODE}{objects}"));
        assert_eq!(answer.code, 1, "{}", answer.out);
        assert_eq!(answer.out.contains("OtherScheduler"), !expect.is_empty(), "{}", answer.out);
        assert!(answer.out.contains(expect), "{expect}\n{}", answer.out);
    };
    check("vocalno", "vocalno", "2 pods ask for scheduler vocalno; this scheduler answers to volcano");
    let two = "1 pod asks for scheduler default-scheduler, 1 for volcanoo; this scheduler answers to volcano";
    check("volcanoo", "''", two);
    // Somebody else's gang is theirs to tell about.
    check("kai-scheduler", "kai-scheduler", "");
}

#[test]
fn a_model_serving_says_what_its_pods_wait_for() {
    let template = "{spec: {containers: [{name: c, image: i, resources: {limits: {nvidia.com/gpu: 1}}}]}}";
    let serving = |scheduler: &str| {
        format!(
            "---\napiVersion: workload.serving.volcano.sh/v1alpha1\nkind: ModelServing\nmetadata: {{name: m, namespace: default}}\n\
             spec: {{schedulerName: {scheduler}, template: {{roles: [{{name: r, replicas: 2, workerReplicas: 0, entryTemplate: {template}}}]}}}}\n"
        )
    };
    let check = |objects: &str, expect: &[&str]| {
        let answer = simulate(&["-", "--require-all"], &format!("{NODE}{objects}"));
        assert_eq!(answer.code, 1, "{}", answer.out);
        for text in expect {
            assert!(answer.out.contains(text), "{text}\n{}", answer.out);
        }
    };
    let said = "default/m: 2 pods ask for scheduler volcanoo; this scheduler answers to volcano";
    check(&serving("volcanoo"), &[said, "OtherScheduler"]);
    // The pod of this name is somebody else's.
    let taken = pod("m-0-r-0-0", "", GPU) + &serving("volcano");
    check(
        &taken,
        &["default/m: Pod m-0-r-0-0 belongs to another owner; waiting for its name", "no more changes after"],
    );
}

/// No pod of the gang waits for a node, and it has less than its minimum: the row had no reason.
#[test]
fn a_gang_that_lacks_members_says_so_though_no_pod_of_it_waits() {
    let check = |members: &[String], expect: &str| {
        let objects = group("g", "minMember: 3") + &members.concat();
        let answer = simulate(&["-", "--require-all"], &format!("{NODE}{objects}"));
        assert_eq!(answer.code, 1, "{}", answer.out);
        assert!(answer.out.lines().any(|line| line == expect), "{expect}\n{}", answer.out);
    };
    let on_node = |name: &str, phase: &str| {
        in_group(name, "g").replace("schedulerName: volcano", "schedulerName: volcano, nodeName: n1")
            + &format!("status: {{phase: {phase}}}\n")
    };
    let other = in_group("g-2", "g").replace("schedulerName: volcano", "schedulerName: default-scheduler");
    check(&[], "default/g: 0 of 3 pods exist (spec.minMember)");
    check(&[on_node("g-0", "Running")], "default/g: 1 of 3 pods exist (spec.minMember)");
    check(
        &[on_node("g-0", "Running"), on_node("g-1", "Failed")],
        "default/g: 1 of 3 pods can run: g-1 has failed",
    );
    check(
        &[on_node("g-0", "Running"), on_node("g-1", "Running"), other],
        "default/g: 2 of 3 pods name this scheduler; g-2 names default-scheduler",
    );
}
