//! What an API server would refuse: fields of the wrong type, values that the CRDs forbid, quantities that are none.

use super::{Document, Key, Kind, Problem, Scenario, applied};
use crate::api::core::{
    CsiNode, Node, PersistentVolume, PersistentVolumeClaim, Pod, PriorityClass, StorageClass,
};
use crate::api::decode::{DecodeError, decode};
use crate::api::hyper_node::HyperNode;
use crate::api::leader_worker_set::LeaderWorkerSet;
use crate::api::model_serving::ModelServing;
use crate::api::nearest::nearest;
use crate::api::pod_group::PodGroup;
use crate::api::quantity::Quantity;
use crate::api::queue::Queue;
use crate::modelserving;
use crate::simulation::locate::join;
use crate::simulation::reader::kind_of;
use crate::simulation::schema::{self, Fault, Schemas};
use crate::simulation::store::At as _;
use serde_json::Value;

/// What a word or a number needs to be a text in YAML.
const QUOTE: &str = "put it in quotes";
/// The same where YAML took a word for something else.
const QUOTE_WORD: &str = "put it in quotes (YAML reads y, n, yes, no, on and off as booleans)";

/// The checks, with the schemas they need.
#[derive(Debug, Default)]
pub(super) struct Admission {
    schemas: Schemas,
}

impl Admission {
    /// Checks one document and returns its key, if it has one.
    pub(super) fn check(
        &mut self,
        document: &Document,
        problems: &mut Vec<Problem>,
        notes: &mut Vec<Problem>,
    ) -> Option<Key> {
        let (key, faults) = self.faults(&document.value);
        for fault in faults {
            let list = if fault.unknown { &mut *notes } else { &mut *problems };
            list.push(document.problem(&fault.path, fault.message, fault.remedy));
        }
        key
    }

    /// Checks the objects that the timeline applies.
    pub(super) fn check_timeline(
        &mut self,
        scenario: &Scenario,
        document: &Document,
        problems: &mut Vec<Problem>,
        notes: &mut Vec<Problem>,
    ) {
        for (at, object) in applied(scenario) {
            for fault in self.faults(object).1 {
                let list = if fault.unknown { &mut *notes } else { &mut *problems };
                let path = if fault.path.starts_with('[') || fault.path.is_empty() {
                    format!("{at}{}", fault.path)
                } else {
                    format!("{at}.{}", fault.path)
                };
                list.push(document.problem(&path, fault.message, fault.remedy));
            }
        }
    }

    fn faults(&self, object: &Value) -> (Option<Key>, Vec<Fault>) {
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
        if let Kind::Other(_) = &key.kind {
            let kind = object["kind"].as_str().unwrap_or_default();
            if let Some(read) = Kind::version_of(kind) {
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
            return (Some(key), faults);
        }
        if let Some(what) = bad_name(&key.name) {
            faults.push(fault("metadata.name", what, "use lower case letters, digits, - and .", false));
        }
        if let Some(schema) = self.schemas.spec_of(&key.kind) {
            let spec = object.get("spec").filter(|spec| !spec.is_null());
            match spec {
                Some(spec) => schema::check(schema, spec, "spec", &mut faults),
                None => faults.push(fault("spec", "is missing".into(), "add it", false)),
            }
        }
        // A field of the wrong type is reported by the schema already, and better.
        if faults.iter().all(|fault| fault.unknown)
            && let Err(error) = decodes(&key.kind, object)
        {
            faults.push(fault(&error.path, error.message, &error.remedy, false));
        }
        quantities(&key.kind, object, &mut faults);
        if key.kind == Kind::ModelServing && faults.iter().all(|fault| fault.unknown) {
            rules(object, &mut faults);
        }
        (Some(key), faults)
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

fn decodes(kind: &Kind, object: &Value) -> Result<(), DecodeError> {
    match kind {
        Kind::Node => decode::<Node>(object).map(drop),
        Kind::Pod => decode::<Pod>(object).map(drop),
        Kind::PriorityClass => decode::<PriorityClass>(object).map(drop),
        Kind::StorageClass => decode::<StorageClass>(object).map(drop),
        Kind::PersistentVolume => decode::<PersistentVolume>(object).map(drop),
        Kind::PersistentVolumeClaim => decode::<PersistentVolumeClaim>(object).map(drop),
        Kind::CsiNode => decode::<CsiNode>(object).map(drop),
        Kind::Queue => decode::<Queue>(object).map(drop),
        Kind::HyperNode => decode::<HyperNode>(object).map(drop),
        Kind::PodGroup => decode::<PodGroup>(object).map(drop),
        Kind::LeaderWorkerSet => decode::<LeaderWorkerSet>(object).map(drop),
        Kind::ModelServing => decode::<ModelServing>(object).map(drop),
        Kind::Service | Kind::ControllerRevision | Kind::Other(_) => Ok(()),
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
        Kind::ModelServing => {
            let roles = object.at("/spec/template/roles").and_then(Value::as_array);
            for (index, role) in roles.into_iter().flatten().enumerate() {
                for template in ["entryTemplate", "workerTemplate"] {
                    let at = format!("spec.template.roles[{index}].{template}.spec");
                    pod_spec(&role[template]["spec"], &at, faults);
                }
            }
        }
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
            Err(error) => fault(error.to_string(), "write a quantity such as 8, 100m or 800Gi"),
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
