//! The text that is hashed: what `spew` prints of Go's structs with `%#v` (methods disabled, keys sorted, no pointer
//! addresses): `{Field:(type)value Field:(type)value}`, lists in brackets, the type of what stands in a list or map left
//! out. Absent and null are the zero value; an empty list or map differs from an absent one. A value of another type than
//! the field's, which no API server lets through, counts as absent.

use super::quantity::Parsed;
use super::schema::{Kind, Type, schema};
use crate::api::model_serving::{PodTemplate, Role};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::{Result, Write};

const NIL: &str = "<nil>";

/// A role, without its type. Replica count and rollout settings are left out, as Kthena does.
pub(super) fn role(out: &mut impl Write, role: &Role) {
    // Hashes and texts take whatever is written.
    let _ = write_role(out, role);
}

fn write_role(out: &mut impl Write, role: &Role) -> Result {
    write!(out, "{{Name:(string){} Replicas:(*int32){NIL}", role.name)?;
    out.write_str(" EntryTemplate:(v1alpha1.PodTemplateSpec)")?;
    write_template(out, &role.entry_template)?;
    write!(
        out,
        " WorkerReplicas:(int32){} WorkerTemplate:(*v1alpha1.PodTemplateSpec)",
        role.worker_replicas
    )?;
    match &role.worker_template {
        Some(template) => write_template(out, template)?,
        None => out.write_str(NIL)?,
    }
    out.write_str(" RollingUpdateConfiguration:(v1alpha1.RollingUpdateConfiguration){")?;
    write!(out, "MaxUnavailable:(*intstr.IntOrString){NIL} Partition:(*intstr.IntOrString){NIL}}}}}")?;
    // What Go's types do not have follows: a change of it rolls pods too.
    let templates = [Some(&role.entry_template), role.worker_template.as_ref()];
    for (at, spec) in templates.into_iter().enumerate().filter_map(|(at, t)| Some((at, t?.spec.as_ref()?))) {
        for (path, value) in schema().unknown(schema().pod_spec(), spec) {
            write!(out, " {at}{path}={value}")?;
        }
    }
    Ok(())
}

fn write_template(out: &mut impl Write, template: &PodTemplate) -> Result {
    out.write_str("{Metadata:(*v1alpha1.Metadata)")?;
    match &template.metadata {
        Some(metadata) => {
            out.write_str("{Labels:(map[string]string)")?;
            write_texts(out, metadata.labels.as_ref())?;
            out.write_str(" Annotations:(map[string]string)")?;
            write_texts(out, metadata.annotations.as_ref())?;
            out.write_char('}')?;
        }
        None => out.write_str(NIL)?,
    }
    out.write_str(" Spec:(v1.PodSpec)")?;
    write_struct(out, schema().pod_spec(), template.spec.as_ref())?;
    out.write_char('}')
}

fn write_texts(out: &mut impl Write, texts: Option<&BTreeMap<String, String>>) -> Result {
    let Some(texts) = texts else { return out.write_str(NIL) };
    out.write_str("map[")?;
    for (at, (key, value)) in texts.iter().enumerate() {
        write!(out, "{}{key}:{value}", if at == 0 { "" } else { " " })?;
    }
    out.write_char(']')
}

fn write_struct(out: &mut impl Write, index: usize, object: Option<&Map<String, Value>>) -> Result {
    out.write_char('{')?;
    for (at, field) in schema().fields(index).iter().enumerate() {
        if at > 0 {
            out.write_char(' ')?;
        }
        out.write_str(&field.name)?;
        out.write_str(":(")?;
        out.write_str(&field.type_.name)?;
        out.write_char(')')?;
        match (&field.json, &field.type_.kind) {
            (None, Kind::Struct(inner)) => write_struct(out, *inner, object)?,
            (json, _) => {
                let value = json.as_ref().and_then(|json| object?.get(&**json));
                write_value(out, &field.type_, value.filter(|value| !value.is_null()))?;
            }
        }
    }
    out.write_char('}')
}

fn write_value(out: &mut impl Write, type_: &Type, value: Option<&Value>) -> Result {
    match &type_.kind {
        Kind::Text => out.write_str(value.and_then(Value::as_str).unwrap_or_default()),
        Kind::Boolean => write!(out, "{}", value.and_then(Value::as_bool).unwrap_or_default()),
        Kind::Integer => write!(out, "{}", value.and_then(Value::as_i64).unwrap_or_default()),
        Kind::Struct(index) => write_struct(out, *index, value.and_then(Value::as_object)),
        Kind::Pointer(inner) => match value {
            Some(value) => write_value(out, inner, Some(value)),
            None => out.write_str(NIL),
        },
        Kind::List(inner) => {
            let Some(items) = value.and_then(Value::as_array) else { return out.write_str(NIL) };
            out.write_char('[')?;
            for (at, item) in items.iter().enumerate() {
                out.write_str(if at == 0 { "" } else { " " })?;
                write_value(out, inner, Some(item).filter(|item| !item.is_null()))?;
            }
            out.write_char(']')
        }
        Kind::Map(inner) => {
            let Some(object) = value.and_then(Value::as_object) else { return out.write_str(NIL) };
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort_unstable();
            out.write_str("map[")?;
            for (at, key) in keys.into_iter().enumerate() {
                write!(out, "{}{key}:", if at == 0 { "" } else { " " })?;
                write_value(out, inner, object.get(key).filter(|value| !value.is_null()))?;
            }
            out.write_char(']')
        }
        Kind::Quantity => write_quantity(out, value.and_then(Parsed::of).unwrap_or_default()),
        Kind::IntOrText => {
            let text = value.and_then(Value::as_str);
            let number = value.and_then(Value::as_i64).unwrap_or_default();
            let type_ = i32::from(text.is_some());
            let text = text.unwrap_or_default();
            write!(out, "{{Type:(intstr.Type){type_} IntVal:(int32){number} StrVal:(string){text}}}")
        }
        Kind::Time => {
            write!(out, "{{Time:(time.Time){{wall:(uint64)0 ext:(int64)0 loc:(*time.Location){NIL}}}}}")
        }
        Kind::Bytes => write!(out, "{{Raw:([]uint8){NIL}}}"),
    }
}

fn write_quantity(out: &mut impl Write, quantity: Parsed) -> Result {
    let Parsed { value, scale, big, text, format } = quantity;
    write!(out, "{{i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){scale}}}")?;
    out.write_str(" d:(resource.infDecAmount){Dec:(*inf.Dec)")?;
    match big {
        None => out.write_str(NIL)?,
        Some(big) => {
            let words: Vec<String> = big.words().iter().map(u64::to_string).collect();
            write!(
                out,
                "{{unscaled:(big.Int){{neg:(bool){} abs:(big.nat)[{}]}}",
                big.negative,
                words.join(" ")
            )?;
            write!(out, " scale:(inf.Scale){}}}", big.scale)?;
        }
    }
    write!(out, "}} s:(string){text} Format:(resource.Format){}}}", format.name())
}
