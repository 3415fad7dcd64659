//! What the API server refuses: fields of the wrong type, values that the CRDs forbid, quantities that are none, metadata
//! that breaks the rules of names and labels. The simulator reads manifests with the same checks, so that it refuses what a cluster would.

use super::at::At as _;
use super::request::Response;
use super::resource::Resource;
use super::schema::{self, Fault, QUOTE, Schemas, join, kind_of};
use super::{Key, Kind, rules};
use crate::api::decode::{DecodeError, decode};
use crate::api::model_serving::ModelServing;
use crate::api::nearest::nearest;
use crate::api::object::Object;
use crate::api::quantity::Quantity;
use crate::api::strict;
use crate::modelserving;
use serde_json::Value;

/// What a word needs to be a text, where YAML took it for something else.
const QUOTE_WORD: &str = "put it in quotes (YAML reads y, n, yes, no, on and off as booleans)";
/// What would be right in place of a text that is no quantity.
const NO_QUANTITY: &str = "write a quantity such as 8, 100m or 800Gi";
/// All annotations of an object together may have so many bytes.
const MOST_ANNOTATIONS: usize = 256 << 10;

/// What is wrong with an object that somebody wrote, and its key, if it has one.
pub(crate) fn faults(schemas: &Schemas, object: &Value) -> (Option<Key>, Vec<Fault>) {
    let fault = |path: &str, message: String, remedy: &str, unknown| Fault {
        path: path.to_owned(),
        message,
        remedy: remedy.to_owned(),
        unknown,
    };
    let key = match Key::of(object) {
        Ok(key) => key,
        Err((path, what)) => {
            if let Some(name) =
                object.at("/metadata/name").filter(|name| !name.is_string() && !name.is_null())
            {
                let what = format!("is {} and not a text", kind_of(name));
                return (
                    None,
                    vec![fault(path, what, if name.is_boolean() { QUOTE_WORD } else { QUOTE }, false)],
                );
            }
            let generated = object.at("/metadata/generateName").is_some();
            let remedy =
                if generated { "generateName is not supported here: write the name" } else { "name it" };
            return (None, vec![fault(path, what.to_owned(), remedy, false)]);
        }
    };
    let mut faults = Vec::new();
    if !key.kind.is_read() {
        let kind = object["kind"].as_str().unwrap_or_default();
        let group = object["apiVersion"].as_str().and_then(|version| version.split_once('/'));
        let read = Kind::versions_of(kind, group.map_or("", |(group, _)| group));
        if !read.is_empty() {
            let written = object["apiVersion"].as_str().unwrap_or_default();
            let what = format!("is {written}, which is not read");
            faults.push(fault("apiVersion", what, &format!("Phalanx reads {kind} of {read}"), true));
        } else if let Some(meant) = nearest(kind, Kind::names())
            && Kind::version_of(meant) == object["apiVersion"].as_str()
        {
            // Of the same group: other groups have kinds of their own that look alike.
            faults.push(fault(
                "kind",
                format!("is {kind}, which is not read"),
                &format!("did you mean {meant}?"),
                true,
            ));
        }
        if let Some((_, _, instead)) = BYSTANDERS.iter().find(|(group, known, _)| {
            let version = object["apiVersion"].as_str().unwrap_or_default();
            *known == kind && version.rsplit_once('/').map_or("", |(group, _)| group) == *group
        }) {
            faults.push(fault("kind", format!("is {kind}, which is not read"), instead, true));
        }
        faults.extend(strict::check(object));
        return (Some(key), faults);
    }
    if let Some(what) = bad_name(&key.name) {
        faults.push(fault("metadata.name", what, "use lower case letters, digits, - and .", false));
    }
    if let Some(schema) = schemas.spec_of(&key.kind) {
        faults.extend(strict::check_as("CustomResource", object, ""));
        let spec = object.get("spec").filter(|spec| !spec.is_null());
        match spec {
            Some(spec) => schema::check(schema, spec, "spec", &mut faults),
            None => faults.push(fault("spec", "is missing".into(), "add it", false)),
        }
    } else {
        faults.extend(strict::check(object));
    }
    if key.kind == Kind::ModelServing {
        templates(object, &mut faults);
    }
    // A field of the wrong type is reported by the schema already, and better.
    if faults.iter().all(|fault| fault.unknown)
        && let Err(error) = decodes(&key.kind, object)
    {
        faults.push(fault(&error.path, error.message, &error.remedy, false));
    }
    if key.kind == Kind::ModelServing && faults.iter().all(|fault| fault.unknown) {
        rules(object, &mut faults);
    }
    (Some(key), faults)
}

/// Kinds of others that bear on which pods run and where: group, kind, and what is not done without them.
const BYSTANDERS: [(&str, &str, &str); 11] = [
    ("", "LimitRange", "its defaults are not added to containers, and its limits refuse nothing"),
    ("", "ResourceQuota", "its quota refuses no pods here"),
    (
        "kueue.x-k8s.io",
        "ClusterQueue",
        "its quota holds back no pods; write a Queue of scheduling.volcano.sh/v1beta1",
    ),
    ("kueue.x-k8s.io", "LocalQueue", "it holds back no pods; write a Queue of scheduling.volcano.sh/v1beta1"),
    ("kueue.x-k8s.io", "Topology", "domains come from HyperNodes"),
    ("node.k8s.io", "RuntimeClass", "its overhead and node selector are not added to pods"),
    ("nodeinfo.volcano.sh", "Numatopology", "NUMA nodes are not looked at"),
    (
        "policy.volcano.sh",
        "JobDisruptionBudget",
        "it keeps nobody from eviction; write a PodDisruptionBudget",
    ),
    ("scheduling.koordinator.sh", "Reservation", "it keeps no room"),
    (
        "scheduling.sigs.k8s.io",
        "ElasticQuota",
        "it limits nothing; write a Queue of scheduling.volcano.sh/v1beta1",
    ),
    ("topology.node.k8s.io", "NodeResourceTopology", "NUMA nodes are not looked at"),
];

/// The pod templates inside a ModelServing, which its CRD leaves open.
fn templates(object: &Value, faults: &mut Vec<Fault>) {
    let roles = object.at("/spec/template/roles").and_then(Value::as_array);
    for (index, role) in roles.into_iter().flatten().enumerate() {
        for template in ["entryTemplate", "workerTemplate"] {
            let at = format!("spec.template.roles[{index}].{template}");
            faults.extend(strict::check_as("PodTemplateSpec", &role[template], &at));
        }
    }
}

/// Why a request with this object is refused, if it is. `value` is complete: pruned, and with defaults; `old` is what it was.
pub(super) fn refusal(
    schemas: &Schemas,
    resource: &Resource,
    value: &Value,
    old: Option<&Value>,
) -> Option<Response> {
    let kind = Kind::from(resource.kind);
    let name = value.at("/metadata/name").and_then(Value::as_str).unwrap_or("");
    if let Some(message) = metadata_fault(resource, value) {
        return Some(Response::invalid(resource, name, &message));
    }
    if let Some(schema) = schemas.whole(&kind) {
        let mut faults = Vec::new();
        schema::check(schema, value, "", &mut faults);
        let mut texts: Vec<String> = faults
            .into_iter()
            .filter(|fault| !fault.unknown && !fault.path.starts_with("metadata"))
            .map(|fault| format!("{}: {}", fault.path, fault.message))
            .collect();
        if texts.is_empty() {
            let mut broken = rules::Broken::default();
            rules::check(schema, value, old, "", &mut broken);
            if let Some(rule) = broken.unknown {
                return Some(Response::not_done(&rule));
            }
            texts = broken.rules;
        }
        return (!texts.is_empty()).then(|| Response::invalid(resource, name, &texts.join("; ")));
    }
    let malformed = |what: String| {
        Response::bad_request(format!(
            "{0} in version \"{1}\" cannot be handled as a {0}: {what}",
            resource.name, resource.api_version
        ))
    };
    if let Err(error) = decodes(&kind, value) {
        return Some(malformed(format!("{}: {}", error.path, error.message)));
    }
    let mut faults = Vec::new();
    quantities(&kind, value, &mut faults);
    if let Some(fault) = faults.iter().find(|fault| fault.remedy == NO_QUANTITY) {
        return Some(malformed(format!("{}: {}", fault.path, fault.message)));
    }
    let mut texts: Vec<String> =
        faults.into_iter().map(|fault| format!("{}: {}", fault.path, fault.message)).collect();
    // What an update leaves as it is was accepted before.
    let is_as_before = |old: &Value| old["spec"] == value["spec"];
    if kind == Kind::Pod && !old.is_some_and(is_as_before) {
        containers(&value["spec"], &mut texts);
    }
    (!texts.is_empty()).then(|| Response::invalid(resource, name, &texts.join("; ")))
}

/// What is wrong with the containers of a pod: none, unnamed, or requests that their limits do not allow.
fn containers(spec: &Value, texts: &mut Vec<String>) {
    let all = spec["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        texts.push("spec.containers: Required value".to_owned());
    }
    for (index, container) in all.iter().enumerate() {
        for field in ["name", "image"] {
            if container[field].as_str().unwrap_or("").is_empty() {
                texts.push(format!("spec.containers[{index}].{field}: Required value"));
            }
        }
        let amount = |part: &str, name: &str| {
            let text = container["resources"][part][name].as_str()?;
            Quantity(text.to_owned()).milli().ok()
        };
        for name in container["resources"]["requests"].as_object().into_iter().flatten().map(|(name, _)| name)
        {
            let (request, limit) = (amount("requests", name), amount("limits", name));
            let at = format!("spec.containers[{index}].resources.requests");
            match (request, limit) {
                (Some(_), None) if name.contains('/') => {
                    texts.push(format!("{at}: Limit must be set for non overcommitable resources"));
                }
                (Some(request), Some(limit)) if name.contains('/') && request != limit => {
                    texts.push(format!("{at}: Invalid value: must be equal to {name} limit"));
                }
                (Some(request), Some(limit)) if request > limit => {
                    texts.push(format!("{at}: Invalid value: must be less than or equal to {name} limit"));
                }
                _ => {}
            }
        }
    }
}

/// What is wrong with an object's metadata.
fn metadata_fault(resource: &Resource, value: &Value) -> Option<String> {
    let metadata = value.get("metadata")?;
    let name = metadata["name"].as_str().unwrap_or("");
    if name.is_empty() {
        return Some("metadata.name: Required value: name or generateName is required".to_owned());
    }
    if let Some(what) = bad_name(name) {
        return Some(format!("metadata.name: Invalid value: {what}"));
    }
    for (key, label) in metadata["labels"].as_object().into_iter().flatten() {
        let text = label.as_str().unwrap_or("");
        if !is_qualified(key) || text.len() > 63 || !(text.is_empty() || is_word(text)) {
            return Some(format!("metadata.labels: Invalid value: {key}: {text:?}"));
        }
    }
    let mut bytes = 0;
    for (key, annotation) in metadata["annotations"].as_object().into_iter().flatten() {
        if !is_qualified(&key.to_lowercase()) {
            return Some(format!("metadata.annotations: Invalid value: {key:?}"));
        }
        bytes += key.len() + annotation.as_str().map_or(0, str::len);
    }
    if bytes > MOST_ANNOTATIONS {
        return Some(format!(
            "metadata.annotations: Too long: may not be more than {MOST_ANNOTATIONS} bytes"
        ));
    }
    for (index, finalizer) in metadata["finalizers"].as_array().into_iter().flatten().enumerate() {
        let text = finalizer.as_str().unwrap_or("");
        let standard = ["foregroundDeletion", "orphan", "kubernetes"].contains(&text);
        // Of custom resources any word is taken.
        let is_right = is_qualified(text) && (resource.habits.custom || text.contains('/'));
        if !standard && !is_right {
            return Some(format!(
                "metadata.finalizers[{index}]: Invalid value: {text:?}: it is not fully qualified"
            ));
        }
    }
    let mut controllers = 0;
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field].as_str().unwrap_or("").is_empty() {
                return Some(format!(
                    "metadata.ownerReferences.{field}: Invalid value: \"\": must not be empty"
                ));
            }
        }
        controllers += usize::from(owner["controller"] == true);
    }
    (controllers > 1).then(|| {
        "metadata.ownerReferences: Invalid value: only one reference can have controller set to true"
            .to_owned()
    })
}

/// A label's value, or the part of its name after the slash: letters, digits, `-`, `_` and `.`, with a letter or digit at
/// both ends, 63 at most.
fn is_word(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && ends(text.chars().next())
        && ends(text.chars().last())
}

/// A label's name: `word`, or `sub.domain/word`.
fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        None => is_word(text),
        Some((domain, word)) => bad_name(domain).is_none() && is_word(word),
    }
}

/// The rules that the webhook of ModelServings adds to the schema.
fn rules(object: &Value, faults: &mut Vec<Fault>) {
    let Ok(mut object) = decode::<ModelServing>(object) else { return };
    modelserving::default(&mut object);
    faults.extend(modelserving::validate(&object, None).into_iter().map(|error| {
        let text = error.to_string();
        let message =
            text.strip_prefix(&error.path).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
        Fault { path: error.path.clone(), message: message.to_owned(), remedy: String::new(), unknown: false }
    }));
}

/// Is the object what is read of its kind? Workloads are not asked: their controllers say better what is wrong.
fn decodes(kind: &Kind, object: &Value) -> Result<(), DecodeError> {
    let is_workload = matches!(
        kind,
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::Job | Kind::VolcanoJob
    );
    match kind.row().filter(|_| kind.is_read() && !is_workload) {
        Some(row) => Object::read(row.kind, object).map(drop),
        None => Ok(()),
    }
}

/// Quantities of nodes and pods: the API server refuses an object with one that is none.
fn quantities(kind: &Kind, object: &Value, faults: &mut Vec<Fault>) {
    match kind {
        Kind::Node => {
            for part in ["capacity", "allocatable"] {
                list(&object["status"][part], &format!("status.{part}"), faults);
            }
        }
        Kind::Pod => pod_spec(&object["spec"], "spec", faults),
        _ => {}
    }
}

fn pod_spec(spec: &Value, at: &str, faults: &mut Vec<Fault>) {
    list(&spec["overhead"], &format!("{at}.overhead"), faults);
    requirements(&spec["resources"], &format!("{at}.resources"), faults);
    for containers in ["containers", "initContainers"] {
        for (index, container) in spec[containers].as_array().into_iter().flatten().enumerate() {
            requirements(&container["resources"], &format!("{at}.{containers}[{index}].resources"), faults);
        }
    }
}

fn requirements(resources: &Value, at: &str, faults: &mut Vec<Fault>) {
    for part in ["requests", "limits"] {
        list(&resources[part], &format!("{at}.{part}"), faults);
    }
}

fn list(amounts: &Value, at: &str, faults: &mut Vec<Fault>) {
    for (name, quantity) in amounts.as_object().into_iter().flatten() {
        let text = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned);
        let mut fault = |message: String, remedy: &str| {
            faults.push(Fault { path: join(at, name), message, remedy: remedy.to_owned(), unknown: false });
        };
        match Quantity(text.clone()).milli() {
            Err(error) => fault(error.to_string(), NO_QUANTITY),
            Ok(..0) => fault(format!("is {text}, which is negative"), "an amount is 0 or more"),
            Ok(thousandths) if thousandths % 1000 != 0 && thousandths < i64::MAX && name.contains('/') => {
                fault(format!("is {text}"), "extended resources are given out whole: write an integer");
            }
            Ok(_) => {}
        }
    }
}

fn bad_name(name: &str) -> Option<String> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if name.len() > 253 {
        return Some(format!("has {} characters, and the limit is 253", name.len()));
    }
    let right = name.chars().all(fine) && ends(name.chars().next()) && ends(name.chars().last());
    (!right).then(|| format!("is {name:?}"))
}
