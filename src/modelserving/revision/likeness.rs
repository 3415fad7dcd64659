//! Do two lists of roles mean the same, however they are spelled? Compared is a canonical text, which does not depend on
//! field order, on how quantities are written, or on whether an object has been through Go's types; here it is a hash.
//!
//! Earlier releases wrote these hashes as labels. They have twelve characters; Kthena's have at most ten, so a label tells
//! which of the two it is.

use crate::api::model_serving::{PodTemplate, Role};
use crate::api::quantity::Quantity;
use serde_json::{Map, Value};
use std::fmt::Write;

/// Kubernetes' `SafeEncodeString` alphabet: no vowels, no digits that look like letters.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const LENGTH: usize = 12;

/// Objects whose keys are the user's: their values are kept as they are.
const MAPS: &[&str] =
    &["annotations", "labels", "limits", "matchLabels", "nodeSelector", "overhead", "requests", "options"];
/// Objects that Go writes even when they are empty.
const ALWAYS_WRITTEN: &[&str] = &["metadata", "resources", "status", "strategy"];
/// Booleans for which Go cannot tell `false` from absent.
const PLAIN_BOOLEANS: &[&str] =
    &["hostIPC", "hostNetwork", "hostPID", "readOnly", "stdin", "stdinOnce", "tty"];
/// Numbers for which Go cannot tell 0 from absent.
const PLAIN_NUMBERS: &[&str] = &[
    "failureThreshold",
    "hostPort",
    "initialDelaySeconds",
    "periodSeconds",
    "successThreshold",
    "timeoutSeconds",
];
/// Texts for which `""` and absent differ.
const POINTER_TEXTS: &[&str] = &["storageClassName"];

/// The hash of a list of roles, in order, and of each of them. Replica counts and rollout settings do not count.
pub(crate) fn likenesses(roles: &[Role]) -> (String, Vec<String>) {
    let mut all = Fnv::default();
    let each = roles.iter().map(|role| {
        let mut one = Fnv::default();
        let mut both = |text: &str| {
            one.text(text);
            all.text(text);
        };
        write_role(&mut both, role);
        one.encode()
    });
    let each = each.collect();
    (all.encode(), each)
}

/// Was this label written by an earlier release, which hashed as it is done here?
pub(crate) fn is_likeness(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

fn write_role(hash: &mut dyn FnMut(&str), role: &Role) {
    hash(&role.name);
    hash(&role.worker_replicas.max(0).to_string());
    write_template(hash, Some(&role.entry_template));
    write_template(hash, role.worker_template.as_ref());
}

fn write_template(hash: &mut dyn FnMut(&str), template: Option<&PodTemplate>) {
    let Some(template) = template else { return hash("-") };
    hash("+");
    if let Some(metadata) = &template.metadata {
        for map in [&metadata.labels, &metadata.annotations] {
            hash(&map.as_ref().map_or(0, |map| map.len()).to_string());
            for (key, value) in map.iter().flatten() {
                hash(key);
                hash(value);
            }
        }
    } else {
        hash("0");
        hash("0");
    }
    if let Some(spec) = &template.spec {
        let mut text = String::new();
        write_object(&mut text, spec, false);
        hash(&text);
    } else {
        hash("{}");
    }
}

/// The canonical text of a PodSpec, or of any JSON that looks like one.
#[cfg(test)]
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, false);
    text
}

fn write_object(out: &mut String, object: &Map<String, Value>, is_map: bool) {
    let mut keys: Vec<&String> = object.keys().collect();
    keys.sort_unstable();
    out.push('{');
    let mut first = true;
    for key in keys {
        let value = &object[key];
        if value.is_null() || (!is_map && means_absent(key, value)) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        write_text(out, key);
        out.push(':');
        match key.as_str() {
            _ if is_map => write_value(out, value, false),
            "sizeLimit" | "divisor" => write_quantity(out, value),
            "requests" | "limits" | "overhead" => write_quantities(out, value),
            key => write_value(out, value, MAPS.contains(&key)),
        }
    }
    out.push('}');
}

fn write_value(out: &mut String, value: &Value, is_map: bool) {
    match value {
        Value::Object(object) => write_object(out, object, is_map),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item, false);
            }
            out.push(']');
        }
        Value::String(text) => write_text(out, text),
        other => _ = write!(out, "{other}"),
    }
}

fn write_quantities(out: &mut String, value: &Value) {
    let Value::Object(object) = value else { return write_value(out, value, true) };
    let mut keys: Vec<&String> = object.keys().collect();
    keys.sort_unstable();
    out.push('{');
    for key in keys {
        write_text(out, key);
        out.push(':');
        write_quantity(out, &object[key]);
        out.push(',');
    }
    out.push('}');
}

/// `125`, `"125"` and `"125000m"` are one amount.
fn write_quantity(out: &mut String, value: &Value) {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match Quantity(text).amount() {
        Ok(amount) => write_text(out, &amount.to_string()),
        Err(_) => write_value(out, value, false),
    }
}

fn write_text(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        _ = write!(out, "{}", Value::from(text));
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

/// Would Go's types read this value as if the field were not there?
fn means_absent(key: &str, value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => {
            object.is_empty() && MAPS.contains(&key)
                || ALWAYS_WRITTEN.contains(&key)
                    && object.iter().all(|(key, value)| value.is_null() || means_absent(key, value))
        }
        Value::String(text) if key == "protocol" => text == "TCP",
        Value::String(text) if key == "divisor" => text == "0",
        Value::String(text) => text.is_empty() && !POINTER_TEXTS.contains(&key),
        Value::Bool(flag) => !flag && PLAIN_BOOLEANS.contains(&key),
        Value::Number(number) => number.as_i64() == Some(0) && PLAIN_NUMBERS.contains(&key),
        Value::Null => true,
    }
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Hashes a text and where it ends.
    fn text(&mut self, text: &str) {
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn encode(mut self) -> String {
        (0..LENGTH)
            .map(|_| {
                let letter = ALPHABET[(self.0 % 27) as usize];
                self.0 /= 27;
                char::from(letter)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn role(value: Value) -> Role {
        serde_json::from_value(value).unwrap()
    }

    fn base() -> Value {
        json!({"name": "prefill", "replicas": 2, "workerReplicas": 1,
            "entryTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
                {"name": "c", "image": "nginx", "resources": {"requests": {"cpu": 125}}, "ports": [{"containerPort": 80}]}]}},
            "workerTemplate": {"spec": {"containers": [{"name": "c", "image": "nginx"}]}}})
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut role = base();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = role.pointer_mut(parent).unwrap();
        match parent {
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
            parent => parent[key] = value,
        }
        role
    }

    /// S4, role hashes: what counts and what does not.
    fn check(pointer: &str, value: Value, same: bool) {
        let (left, right) = (role(base()), role(with(pointer, value)));
        assert_eq!(likenesses(&[left]) == likenesses(&[right]), same, "{pointer}");
    }

    #[test]
    fn what_a_hash_covers() {
        check("/replicas", json!(7), true);
        check("/replicas", json!(null), true);
        check("/maxUnavailable", json!("50%"), true);
        check("/partition", json!(1), true);
        check("/name", json!("decode"), false);
        check("/workerReplicas", json!(2), false);
        check("/workerTemplate", json!(null), false);
        check("/entryTemplate/spec/containers/0/image", json!("nginx:2"), false);
        check("/entryTemplate/metadata/labels/a", json!("c"), false);
        check("/entryTemplate/metadata/labels/e", json!(""), false);
        let two = [role(base()), role(with("/name", json!("decode")))];
        assert_ne!(likenesses(&two[..1]).0, likenesses(&two).0, "the number of roles counts");
    }

    /// What Go's types do to a template on its way into a ControllerRevision changes no hash.
    #[test]
    fn a_round_trip_through_go_keeps_the_hash() {
        check("/entryTemplate/spec/containers/0/resources/requests/cpu", json!("125"), true);
        check("/entryTemplate/spec/containers/0/resources/requests/cpu", json!("125000m"), true);
        check("/entryTemplate/spec/containers/0/resources/requests/cpu", json!("126"), false);
        check("/entryTemplate/spec/containers/0/ports/0/protocol", json!("TCP"), true);
        check("/entryTemplate/spec/containers/0/ports/0/protocol", json!("UDP"), false);
        check("/workerTemplate/spec/containers/0/resources", json!({}), true);
        check("/workerTemplate/spec/containers/0/command", json!([]), true);
        check("/workerTemplate/spec/containers/0/stdin", json!(false), true);
        check("/workerTemplate/spec/containers/0/stdin", json!(true), false);
        check("/workerTemplate/spec/hostNetwork", json!(false), true);
        check("/workerTemplate/spec/automountServiceAccountToken", json!(false), false);
        check("/workerTemplate/spec/terminationGracePeriodSeconds", json!(0), false);
        check("/workerTemplate/spec/securityContext", json!(null), true);
        check("/workerTemplate/spec/nodeSelector", json!({}), true);
        check("/workerTemplate/spec/nodeSelector", json!({"a": ""}), false);
    }

    /// Labels of running pods carry it, from earlier releases.
    #[test]
    fn hashes_are_stable() {
        let (_, each) = likenesses(&[role(base())]);
        assert_eq!(each, ["x7f767k44vdj"]);
        assert!(is_likeness(&each[0]));
        assert!(!is_likeness("5d4956ff79"));
    }

    #[test]
    fn canonical_text() {
        let value = json!({"b": {"limits": {"x": "1024Mi"}}, "a": ["", 0, null], "emptyDir": {}, "n": null});
        assert_eq!(canonical(&value), r#"{"a":["",0,null],"b":{"limits":{"x":"1Gi",}},"emptyDir":{}}"#);
    }
}
