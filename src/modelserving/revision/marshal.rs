//! The JSON that Go writes of a list of roles: Go's order of fields, empty ones left out as its tags say, quantities in
//! canonical form, `<`, `>` and `&` escaped. Kthena compares the data of a ControllerRevision byte by byte, and cannot
//! change it once it is written.

use super::quantity::canonical;
use super::schema::{Kind, Type, schema};
use crate::api::meta::IntOrString;
use crate::api::model_serving::{PodTemplate, Role};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The data of the ControllerRevision of these roles. `None` if they have fields that Go's types do not know: they would be
/// lost.
pub(crate) fn revision_data(roles: &[Role]) -> Option<String> {
    let specs = roles.iter().flat_map(|role| [Some(&role.entry_template), role.worker_template.as_ref()]);
    let mut specs = specs.flatten().filter_map(|template| template.spec.as_ref());
    let known = |spec: &Map<String, Value>| schema().unknown(schema().pod_spec(), spec).is_empty();
    if !specs.all(known) {
        return None;
    }
    let mut out = String::from("{\"data\":[");
    for (at, role) in roles.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        write_role(&mut out, role);
    }
    out.push_str("]}");
    Some(out)
}

fn write_role(out: &mut String, role: &Role) {
    out.push_str("{\"name\":");
    write_text(out, &role.name);
    if let Some(replicas) = role.replicas {
        _ = write!(out, ",\"replicas\":{replicas}");
    }
    out.push_str(",\"entryTemplate\":");
    write_template(out, &role.entry_template);
    _ = write!(out, ",\"workerReplicas\":{}", role.worker_replicas);
    if let Some(template) = &role.worker_template {
        out.push_str(",\"workerTemplate\":");
        write_template(out, template);
    }
    for (key, value) in [("maxUnavailable", &role.max_unavailable), ("partition", &role.partition)] {
        match value {
            Some(IntOrString::Int(number)) => _ = write!(out, ",\"{key}\":{number}"),
            Some(IntOrString::String(text)) => {
                _ = write!(out, ",\"{key}\":");
                write_text(out, text);
            }
            None => {}
        }
    }
    out.push('}');
}

fn write_template(out: &mut String, template: &PodTemplate) {
    out.push('{');
    if let Some(metadata) = &template.metadata {
        out.push_str("\"metadata\":{");
        let maps = [("labels", &metadata.labels), ("annotations", &metadata.annotations)];
        let maps = maps.into_iter().filter_map(|(key, map)| Some((key, map.as_ref()?)));
        for (at, (key, map)) in maps.filter(|(_, map)| !map.is_empty()).enumerate() {
            _ = write!(out, "{}\"{key}\":", if at == 0 { "" } else { "," });
            write_texts(out, map);
        }
        out.push_str("},");
    }
    out.push_str("\"spec\":");
    write_struct(out, schema().pod_spec(), template.spec.as_ref());
    out.push('}');
}

fn write_texts(out: &mut String, texts: &BTreeMap<String, String>) {
    out.push('{');
    for (at, (key, value)) in texts.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        write_text(out, key);
        out.push(':');
        write_text(out, value);
    }
    out.push('}');
}

fn write_struct(out: &mut String, index: usize, object: Option<&Map<String, Value>>) {
    out.push('{');
    write_fields(out, index, object, &mut true);
    out.push('}');
}

fn write_fields(out: &mut String, index: usize, object: Option<&Map<String, Value>>, first: &mut bool) {
    for field in schema().fields(index) {
        let Some(json) = &field.json else {
            if let Kind::Struct(inner) = field.type_.kind {
                write_fields(out, inner, object, first);
            }
            continue;
        };
        let value = object.and_then(|object| object.get(&**json)).filter(|value| !value.is_null());
        if field.omits_empty && is_empty(&field.type_, value) {
            continue;
        }
        out.push_str(if std::mem::take(first) { "\"" } else { ",\"" });
        out.push_str(json);
        out.push_str("\":");
        write_value(out, &field.type_, value);
    }
}

/// Would `omitempty` leave it out? Structs it never does.
fn is_empty(type_: &Type, value: Option<&Value>) -> bool {
    match &type_.kind {
        Kind::Text => value.and_then(Value::as_str).is_none_or(str::is_empty),
        Kind::Boolean => !value.and_then(Value::as_bool).unwrap_or_default(),
        Kind::Integer => value.and_then(Value::as_i64).unwrap_or_default() == 0,
        Kind::Pointer(_) => value.is_none(),
        Kind::Time | Kind::Bytes => true,
        Kind::List(_) => value.and_then(Value::as_array).is_none_or(Vec::is_empty),
        Kind::Map(_) => value.and_then(Value::as_object).is_none_or(Map::is_empty),
        Kind::Struct(_) | Kind::Quantity | Kind::IntOrText => false,
    }
}

fn write_value(out: &mut String, type_: &Type, value: Option<&Value>) {
    match &type_.kind {
        Kind::Text => write_text(out, value.and_then(Value::as_str).unwrap_or_default()),
        Kind::Boolean => _ = write!(out, "{}", value.and_then(Value::as_bool).unwrap_or_default()),
        Kind::Integer => _ = write!(out, "{}", value.and_then(Value::as_i64).unwrap_or_default()),
        Kind::Struct(index) => write_struct(out, *index, value.and_then(Value::as_object)),
        Kind::Pointer(inner) => match value {
            Some(value) => write_value(out, inner, Some(value)),
            None => out.push_str("null"),
        },
        Kind::List(inner) => {
            let Some(items) = value.and_then(Value::as_array) else { return out.push_str("null") };
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write_value(out, inner, Some(item).filter(|item| !item.is_null()));
            }
            out.push(']');
        }
        Kind::Map(inner) => {
            let Some(object) = value.and_then(Value::as_object) else { return out.push_str("null") };
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort_unstable();
            out.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write_text(out, key);
                out.push(':');
                write_value(out, inner, object.get(key).filter(|value| !value.is_null()));
            }
            out.push('}');
        }
        Kind::Quantity => write_text(out, &canonical(value)),
        Kind::IntOrText => match value.and_then(Value::as_str) {
            Some(text) => write_text(out, text),
            None => _ = write!(out, "{}", value.and_then(Value::as_i64).unwrap_or_default()),
        },
        Kind::Time | Kind::Bytes => out.push_str("null"),
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..' ' => {
                _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
