//! Values that the API does not take: words of closed lists, numbers out of range, fields that contradict each other,
//! labels, quantities.

use super::table::Struct;
use super::{Checker, PathStep};
use crate::api::nearest::nearest;
use crate::api::quantity::{Quantity, QuantityError};
use crate::words::counted;
use serde_json::{Map, Value};

const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
const HONOR: &[&str] = &["Honor", "Ignore"];
const STATUS: &[&str] = &["True", "False", "Unknown"];
const RECLAIM: &[&str] = &["Retain", "Delete", "Recycle"];
const ACCESS: &[&str] = &["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
const VOLUME_MODES: &[&str] = &["Filesystem", "Block"];
const PREEMPTION: &[&str] = &["PreemptLowerPriority", "Never"];
const RESTART: &[&str] = &["Always", "OnFailure", "Never"];
const NODE_OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
const LABEL_OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist"];

/// What a policy of Volcano's Job does, and when: `bus/v1alpha1`.
const ACTIONS: &[&str] = &[
    "AbortJob",
    "RestartJob",
    "RestartTask",
    "RestartPod",
    "RestartPartition",
    "TerminateJob",
    "CompleteJob",
    "ResumeJob",
    "SyncJob",
    "EnqueueJob",
    "SyncQueue",
    "OpenQueue",
    "CloseQueue",
];
const EVENTS: &[&str] = &[
    "*",
    "PodPending",
    "PodRunning",
    "PodFailed",
    "PodEvicted",
    "Unknown",
    "TaskCompleted",
    "TaskFailed",
    "OutOfSync",
    "CommandIssued",
    "JobUpdated",
];

/// Struct, field, the words that it takes.
static WORDS: [(&str, &str, &[&str]); 36] = [
    ("Container", "imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
    ("Container", "restartPolicy", RESTART),
    ("Container", "terminationMessagePolicy", &["File", "FallbackToLogsOnError"]),
    ("ContainerPort", "protocol", &["TCP", "UDP", "SCTP"]),
    ("DeploymentStrategy", "type", &["Recreate", "RollingUpdate"]),
    ("JobSpec", "completionMode", &["NonIndexed", "Indexed"]),
    ("JobSpec", "podReplacementPolicy", &["TerminatingOrFailed", "Failed"]),
    ("LabelSelectorRequirement", "operator", LABEL_OPERATORS),
    ("LeaderWorkerSetSpec", "startupPolicy", &["LeaderCreated", "LeaderReady"]),
    (
        "LeaderWorkerTemplate",
        "restartPolicy",
        &["RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None", "Default"],
    ),
    ("NodeCondition", "status", STATUS),
    ("NodeSelectorRequirement", "operator", NODE_OPERATORS),
    ("PersistentVolumeClaimSpec", "accessModes", ACCESS),
    ("PersistentVolumeClaimSpec", "volumeMode", VOLUME_MODES),
    ("PersistentVolumeSpec", "accessModes", ACCESS),
    ("PersistentVolumeSpec", "persistentVolumeReclaimPolicy", RECLAIM),
    ("PersistentVolumeSpec", "volumeMode", VOLUME_MODES),
    ("PodCondition", "status", STATUS),
    ("PodSpec", "dnsPolicy", &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
    ("PodSpec", "preemptionPolicy", PREEMPTION),
    ("PodSpec", "restartPolicy", RESTART),
    ("PodStatus", "phase", &["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    ("PriorityClass", "preemptionPolicy", PREEMPTION),
    ("StatefulSetSpec", "podManagementPolicy", &["OrderedReady", "Parallel"]),
    ("StorageClass", "reclaimPolicy", RECLAIM),
    ("StorageClass", "volumeBindingMode", &["Immediate", "WaitForFirstConsumer"]),
    ("Taint", "effect", EFFECTS),
    ("Toleration", "effect", EFFECTS),
    ("Toleration", "operator", &["Equal", "Exists", "Lt", "Gt"]),
    ("TopologySpreadConstraint", "nodeAffinityPolicy", HONOR),
    ("TopologySpreadConstraint", "nodeTaintsPolicy", HONOR),
    ("TopologySpreadConstraint", "whenUnsatisfiable", &["DoNotSchedule", "ScheduleAnyway"]),
    ("VolcanoNetworkTopology", "mode", &["hard", "soft"]),
    ("VolcanoPolicy", "action", ACTIONS),
    ("VolcanoPolicy", "event", EVENTS),
    ("VolcanoPolicy", "events", EVENTS),
];

/// Struct, field, the least and the most that it takes.
static RANGES: [(&str, &str, i64, i64); 20] = [
    ("ContainerPort", "containerPort", 1, 65_535),
    ("ContainerPort", "hostPort", 0, 65_535),
    ("DeploymentSpec", "replicas", 0, i32::MAX as i64),
    ("JobSpec", "backoffLimit", 0, i32::MAX as i64),
    ("JobSpec", "completions", 0, i32::MAX as i64),
    ("JobSpec", "parallelism", 0, i32::MAX as i64),
    ("LeaderWorkerSetSpec", "replicas", 0, i32::MAX as i64),
    ("LeaderWorkerTemplate", "size", 1, i32::MAX as i64),
    ("PodSpec", "activeDeadlineSeconds", 1, i64::MAX),
    ("PodSpec", "priority", i32::MIN as i64, i32::MAX as i64),
    ("PodSpec", "terminationGracePeriodSeconds", 0, i64::MAX),
    ("PreferredSchedulingTerm", "weight", 1, 100),
    ("PriorityClass", "value", i32::MIN as i64, i32::MAX as i64),
    ("ReplicaSetSpec", "replicas", 0, i32::MAX as i64),
    ("StatefulSetSpec", "replicas", 0, i32::MAX as i64),
    ("TopologySpreadConstraint", "maxSkew", 1, i32::MAX as i64),
    ("TopologySpreadConstraint", "minDomains", 1, i32::MAX as i64),
    ("VolcanoTask", "replicas", 0, i32::MAX as i64),
    ("VolcanoTask", "minAvailable", 0, i32::MAX as i64),
    ("WeightedPodAffinityTerm", "weight", 1, 100),
];

impl<'a> Checker<'a> {
    /// Checks what the fields of a struct hold, after their types.
    pub(super) fn values(&mut self, known: &Struct, fields: &'a Map<String, Value>) {
        let name = known.name;
        let first = WORDS.partition_point(|(of, ..)| *of < name);
        for &(_, field, words) in WORDS[first..].iter().take_while(|(of, ..)| *of == name) {
            self.words(field, fields.get(field), words);
        }
        let first = RANGES.partition_point(|(of, ..)| *of < name);
        for &(_, field, least, most) in RANGES[first..].iter().take_while(|(of, ..)| *of == name) {
            match fields.get(field).and_then(Value::as_i64) {
                Some(number) if number < least => {
                    self.refuse_field(field, format!("is {number}"), format!("write {least} or more"));
                }
                Some(number) if number > most => {
                    self.refuse_field(field, format!("is {number}"), format!("write {most} or less"));
                }
                _ => {}
            }
        }
        match name {
            "ObjectMeta" => {
                self.labels("labels", fields);
                self.keys("annotations", fields);
            }
            "PodSpec" => self.pod(fields),
            "LabelSelector" => self.labels("matchLabels", fields),
            "Toleration" => self.toleration(fields),
            "Taint" => self.required(fields, "key", "name the taint"),
            "TopologySpreadConstraint" | "PodAffinityTerm" => {
                self.required(fields, "topologyKey", "name a node label");
            }
            "NodeSelectorRequirement" | "LabelSelectorRequirement" => self.requirement(fields),
            "ResourceRequirements" => self.requirements(fields),
            "DaemonSetSpec" | "DeploymentSpec" | "ReplicaSetSpec" | "StatefulSetSpec" => {
                self.selector(fields);
                self.restarts(known.name, fields, &["Always"]);
            }
            "JobSpec" => self.restarts(known.name, fields, &["Never", "OnFailure"]),
            "PodDisruptionBudgetSpec" => self.budget(fields),
            "VolcanoJobSpec" => self.volcano_job(fields),
            _ => {}
        }
    }

    /// A controller finds its pods by the labels that it gives them.
    fn selector(&mut self, fields: &'a Map<String, Value>) {
        let wanted = fields.get("selector").and_then(|selector| selector.get("matchLabels"));
        let template = fields.get("template").unwrap_or(&Value::Null);
        let labels = &template["metadata"]["labels"];
        let missing = wanted.and_then(Value::as_object).into_iter().flatten();
        if let Some((key, value)) = missing.into_iter().find(|(key, value)| labels.get(key) != Some(value)) {
            let written = scalar(value);
            self.refuse_field(
                "selector",
                format!("asks for the label {key}: {written}, which the pods of the template do not have"),
                format!("write {key}: {written} in template.metadata.labels"),
            );
        }
    }

    /// A budget is one of two numbers, each of them pods or a percentage of them.
    fn budget(&mut self, fields: &'a Map<String, Value>) {
        const BOUNDS: [&str; 2] = ["minAvailable", "maxUnavailable"];
        let is_set = |field: &str| fields.get(field).is_some_and(|value| !value.is_null());
        if BOUNDS.iter().all(|field| is_set(field)) {
            self.refuse_field("maxUnavailable", "is set beside minAvailable", "write one of the two");
        }
        for field in BOUNDS {
            let is_count = match fields.get(field) {
                Some(Value::Number(number)) => number.as_i64().is_none_or(|number| number >= 0),
                Some(Value::String(text)) => text.strip_suffix('%').is_some_and(|digits| {
                    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
                }),
                _ => true,
            };
            if !is_count {
                let written = scalar(&fields[field]);
                self.refuse_field(
                    field,
                    format!("is {written}"),
                    "write a number of pods, or a percentage such as 50%",
                );
            }
        }
    }

    /// A job's minimum is at most the pods of its tasks, as Volcano's webhook has it.
    fn volcano_job(&mut self, fields: &'a Map<String, Value>) {
        let number = |value: Option<&Value>| value.and_then(Value::as_i64);
        let tasks = fields.get("tasks").and_then(Value::as_array).into_iter().flatten();
        let pods: i64 = tasks.map(|task| number(task.get("replicas")).unwrap_or(1)).sum();
        if let Some(minimum) = number(fields.get("minAvailable")).filter(|&minimum| minimum > pods) {
            let message = format!("is {minimum}, and the tasks have {} in all", counted(pods, "pod"));
            self.refuse_field("minAvailable", message, format!("write {pods} or less"));
        }
    }

    /// Which restart policies the pods of a controller may have; Kubernetes' own default is `Always`.
    fn restarts(&mut self, name: &str, fields: &'a Map<String, Value>, words: &[&str]) {
        let Some(spec) = fields.get("template").and_then(|template| template.get("spec")) else { return };
        let kind = name.trim_end_matches("Spec");
        let written = spec.get("restartPolicy").and_then(Value::as_str).unwrap_or_default();
        let (message, is_left_out) = match written {
            "" if !words.contains(&"Always") => ("is missing, and is Always then".to_owned(), true),
            "" => return,
            // What is no restart policy at all is said by the pod's own rules.
            word if words.contains(&word) || !RESTART.contains(&word) => return,
            word => (format!("is {word}"), false),
        };
        let remedy = format!("pods of a {kind} take {}", words.join(" or "));
        for step in ["template", "spec", "restartPolicy"] {
            self.path.push(PathStep::Field(step));
        }
        self.push(message, remedy, is_left_out);
        self.path.truncate(self.path.len() - 3);
    }

    fn words(&mut self, field: &'static str, value: Option<&'a Value>, words: &[&str]) {
        match value {
            Some(Value::Array(items)) => self.within(PathStep::Field(field), |checker| {
                for (index, item) in items.iter().enumerate() {
                    checker.within(PathStep::Index(index), |checker| checker.word(item, words));
                }
            }),
            Some(value) => self.within(PathStep::Field(field), |checker| checker.word(value, words)),
            None => {}
        }
    }

    fn word(&mut self, value: &Value, words: &[&str]) {
        let Some(written) = value.as_str().filter(|text| !text.is_empty() && !words.contains(text)) else {
            return;
        };
        let remedy = match nearest(written, words.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("write one of {}", words.join(", ")),
        };
        self.refuse(format!("is {written:?}"), remedy);
    }

    fn required(&mut self, fields: &Map<String, Value>, field: &'static str, remedy: &str) {
        if text(fields, field).is_empty() {
            self.refuse_field(field, "is missing", remedy);
        }
    }

    fn toleration(&mut self, fields: &'a Map<String, Value>) {
        let exists = text(fields, "operator") == "Exists";
        if exists && !text(fields, "value").is_empty() {
            self.refuse_field(
                "value",
                "is set, and operator Exists takes none",
                "leave it out, or write operator: Equal",
            );
        }
        if !exists && text(fields, "key").is_empty() {
            self.refuse_field(
                "key",
                "is missing",
                "name the taint's key, or write operator: Exists for all taints",
            );
        }
        let evicts = text(fields, "effect") == "NoExecute";
        if !evicts && fields.get("tolerationSeconds").is_some_and(Value::is_number) {
            self.refuse_field(
                "tolerationSeconds",
                "is set without effect: NoExecute",
                "write effect: NoExecute",
            );
        }
    }

    fn requirement(&mut self, fields: &'a Map<String, Value>) {
        let count = fields.get("values").and_then(Value::as_array).map_or(0, Vec::len);
        let operator = text(fields, "operator");
        match operator {
            "" => self.refuse_field("operator", "is missing", "write In, NotIn, Exists or DoesNotExist"),
            "In" | "NotIn" if count == 0 => {
                self.refuse_field(
                    "values",
                    format!("is empty, and operator {operator} needs values"),
                    "list them",
                );
            }
            "Exists" | "DoesNotExist" if count > 0 => {
                self.refuse_field(
                    "values",
                    format!("is set, and operator {operator} takes none"),
                    "leave it out",
                );
            }
            "Gt" | "Lt" if count != 1 => {
                self.refuse_field(
                    "values",
                    format!("has {count} items"),
                    format!("operator {operator} takes one number"),
                );
            }
            _ => {}
        }
    }

    fn labels(&mut self, field: &'static str, fields: &'a Map<String, Value>) {
        self.keys(field, fields);
        let labels = fields.get(field).and_then(Value::as_object);
        for (key, value) in labels.into_iter().flatten() {
            if let Some(value) = value.as_str().filter(|value| !value.is_empty() && !is_name(value)) {
                let (message, remedy) = match value.chars().count() {
                    ..=63 => (
                        format!("is {value:?}"),
                        "use letters, digits, -, _ and ., with a letter or digit at both ends".to_owned(),
                    ),
                    length => (format!("has {length} characters"), "use at most 63".to_owned()),
                };
                self.within(PathStep::Field(field), |checker| checker.refuse_field(key, message, remedy));
            }
        }
    }

    /// Keys of labels and annotations: `name` or `prefix/name`.
    fn keys(&mut self, field: &'static str, fields: &'a Map<String, Value>) {
        let entries = fields.get(field).and_then(Value::as_object);
        for key in entries.into_iter().flatten().map(|(key, _)| key) {
            let (prefix, name) = key.split_once('/').unwrap_or(("prefix", key));
            if prefix.is_empty() || prefix.len() > 253 || !is_name(name) {
                self.within(PathStep::Field(field), |checker| {
                    checker.refuse_field(key, "is no key", "write it as name or example.com/name");
                });
            }
        }
    }

    fn requirements(&mut self, fields: &'a Map<String, Value>) {
        let list = |part: &str| fields.get(part).and_then(Value::as_object);
        let (requests, limits) = (list("requests"), list("limits"));
        let amount = |value: &Value| Quantity(scalar(value)).amount().ok();
        for (name, request) in requests.into_iter().flatten() {
            let is_whole = name.contains('/') || name.starts_with("hugepages-");
            let Some(limit) = limits.and_then(|limits| limits.get(name)) else {
                // A fraction has a fault of its own.
                let whole = Quantity(scalar(request)).milli().is_ok_and(|amount| amount % 1000 == 0);
                if is_whole && whole && !name.starts_with("kubernetes.io/") {
                    let what = "is set without a limit, and an API server refuses that";
                    let remedy = format!("write limits: {{{name}: {}}}", scalar(request));
                    self.within(PathStep::Field("requests"), |checker| {
                        checker.within(PathStep::Field(name), |checker| {
                            checker.push(what.to_owned(), remedy, true);
                        });
                    });
                }
                continue;
            };
            if let (Some(wanted), Some(most)) = (amount(request), amount(limit))
                && wanted > most
            {
                let message = format!("is {}, above the limit of {}", scalar(request), scalar(limit));
                self.within(PathStep::Field("requests"), |checker| {
                    checker.refuse_field(name, message, "a request is at most the limit");
                });
            }
        }
    }

    /// A quantity of the resource that the last step names.
    pub(super) fn quantity(&mut self, value: &Value) {
        let resource = match self.path.last() {
            Some(PathStep::Field(name)) => *name,
            _ => "",
        };
        let written = scalar(value);
        match Quantity(written.clone()).milli() {
            Err(error) => {
                let remedy = quantity_remedy(resource, &written, &error);
                self.refuse(format!("{:?} is not a quantity", error.text), remedy);
            }
            Ok(..0) => self.refuse(format!("is {written}, which is negative"), "an amount is 0 or more"),
            Ok(thousandths) if thousandths % 1000 == 0 || thousandths == i64::MAX => {}
            Ok(_) if resource.contains('/') => {
                self.refuse(
                    format!("is {written}"),
                    "extended resources are given out whole: write an integer",
                );
            }
            Ok(_) if is_bytes(resource) => {
                let number = written.trim_end_matches('m');
                let remedy = match written.ends_with('m') {
                    true => format!("m is for thousandths; write {number}M or {number}Mi for megabytes"),
                    false => "write whole bytes".to_owned(),
                };
                self.push(format!("is {written}, a fraction of a byte"), remedy, true);
            }
            Ok(_) => {}
        }
    }

    fn pod(&mut self, fields: &'a Map<String, Value>) {
        self.labels("nodeSelector", fields);
        if fields.get("containers").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            self.refuse_field("containers", "is empty", "write at least one container");
        }
        let list = |field: &str| fields.get(field).and_then(Value::as_array).into_iter().flatten();
        let mut names: Vec<&str> = Vec::new();
        for field in ["initContainers", "containers"] {
            for (index, container) in list(field).enumerate() {
                let name = container["name"].as_str().unwrap_or_default();
                let twice = !name.is_empty() && names.contains(&name);
                names.push(name);
                if twice {
                    self.in_list(field, index, |checker| {
                        checker.refuse_field(
                            "name",
                            format!("is {name:?}, as of another container"),
                            "give each its own name",
                        );
                    });
                }
            }
        }
        // A StatefulSet and a LeaderWorkerSet add volumes of their own.
        if self.outer.iter().any(|(_, outer, _)| outer.contains_key("volumeClaimTemplates")) {
            return;
        }
        let volumes: Vec<&str> = list("volumes").filter_map(|volume| volume["name"].as_str()).collect();
        for field in ["initContainers", "containers"] {
            for (index, container) in list(field).enumerate() {
                let mounts = container["volumeMounts"].as_array().into_iter().flatten();
                for (at, mount) in mounts.enumerate() {
                    let Some(name) = mount["name"].as_str().filter(|name| !volumes.contains(name)) else {
                        continue;
                    };
                    self.in_list(field, index, |checker| {
                        checker.in_list("volumeMounts", at, |checker| {
                            checker.refuse_field(
                                "name",
                                format!("is {name:?}, and the pod has no such volume"),
                                "add it to volumes",
                            );
                        });
                    });
                }
            }
        }
    }

    fn in_list(&mut self, field: &'static str, index: usize, check: impl FnOnce(&mut Self)) {
        self.within(PathStep::Field(field), |checker| checker.within(PathStep::Index(index), check));
    }
}

fn text<'a>(fields: &'a Map<String, Value>, field: &str) -> &'a str {
    fields.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What to write instead: `500mi` of cpu is half a core, of memory it is mebibytes.
fn quantity_remedy(resource: &str, written: &str, error: &QuantityError) -> String {
    let number = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = &written[number.len()..];
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match resource {
        "cpu" if is_number && suffix.eq_ignore_ascii_case("mi") => format!("write {number}m"),
        _ => error.remedy.clone(),
    }
}

/// Is it counted in bytes?
fn is_bytes(resource: &str) -> bool {
    matches!(resource, "memory" | "storage" | "ephemeral-storage" | "sizeLimit")
        || resource.starts_with("hugepages-")
}

/// At most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63 && bytes.iter().all(|&byte| inner(byte)) && ends(bytes.first()) && ends(bytes.last())
}
