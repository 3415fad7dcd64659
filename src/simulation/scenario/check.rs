//! What the schema cannot say of a scenario.

use super::Scenario;
use crate::api::nearest::nearest;
use crate::apiserver::{Key, Kind};
use crate::simulation::problem::Problem;
use crate::simulation::reader::Document;
use serde_json::Value;
use std::collections::BTreeMap;

/// What no single field shows.
pub(super) fn contradictions(scenario: &Scenario, document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |path: String, message: &str, remedy: &str| {
        problems.push(document.problem(&path, message, remedy));
    };
    for (index, pool) in scenario.node_pools.iter().enumerate() {
        let at = format!("spec.nodePools[{index}]");
        if pool.domains.is_some() {
            if pool.tree.is_empty() {
                wrong(format!("{at}.tree"), "is missing", "name the level of each map in domains");
            }
            if pool.count.is_some() {
                wrong(
                    format!("{at}.count"),
                    "stands beside domains",
                    "leave it out: domains gives the numbers",
                );
            }
            for (level, _) in pool.tree.iter().enumerate().filter(|(_, level)| level.count.is_some()) {
                let path = format!("{at}.tree[{level}].count");
                wrong(path, "stands beside domains", "leave it out: domains gives the numbers");
            }
        } else {
            if pool.count.is_none() {
                wrong(format!("{at}.count"), "is missing", "say how many nodes, or write out the domains");
            }
            for (level, _) in pool.tree.iter().enumerate().filter(|(_, level)| level.count.is_none()) {
                let path = format!("{at}.tree[{level}].count");
                wrong(path, "is missing", "say how many in each domain of the level above");
            }
        }
        for (level, pair) in pool.tree.windows(2).enumerate() {
            if pair[0].tier <= pair[1].tier {
                let path = format!("{at}.tree[{}].tier", level + 1);
                wrong(path, "is not below the tier of the level above", "list the outermost level first");
            }
        }
    }
    let mut pools: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, pool) in scenario.node_pools.iter().enumerate() {
        if let Some(first) = pools.insert(&pool.name, index) {
            pools.insert(&pool.name, first);
            let message = format!("{} is taken by spec.nodePools[{first}]", pool.name);
            let remedy = "give each pool a name of its own; pools of one tree share its domains";
            wrong(format!("spec.nodePools[{index}].name"), &message, remedy);
        }
    }
    let mut gangs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (index, gang) in scenario.gangs.iter().enumerate() {
        if let Some(first) = gangs.insert((&gang.namespace, &gang.name), index) {
            gangs.insert((&gang.namespace, &gang.name), first);
            let message =
                format!("{} is taken by spec.gangs[{first}] (same namespace, {})", gang.name, gang.namespace);
            wrong(format!("spec.gangs[{index}].name"), &message, "give each a name of its own");
        }
        let at = format!("spec.gangs[{index}]");
        match (gang.size, gang.sizes.is_empty()) {
            (None, true) => wrong(format!("{at}.size"), "is missing", "say how many pods a gang has"),
            (Some(_), false) => wrong(format!("{at}.sizes"), "stands beside size", "keep one of the two"),
            _ => {}
        }
    }
    problems
}

/// Each item of the timeline does one thing, to something that can be named.
pub(super) fn timeline(spec: &Value, document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, item) in spec["timeline"].as_array().into_iter().flatten().enumerate() {
        let at = format!("spec.timeline[{index}]");
        let mut wrong = |path: String, message: String, remedy: String| {
            problems.push(document.problem(&path, message, remedy));
        };
        let fields = item.as_object().into_iter().flatten();
        let actions: Vec<(&String, &Value)> =
            fields.filter(|(name, value)| *name != "at" && !value.is_null()).collect();
        match actions.as_slice() {
            [(name, value)] => action(&format!("{at}.{name}"), name, value, &mut wrong),
            [] => wrong(at, "does nothing".into(), "say what to do: apply, scale, delete, kill, ...".into()),
            several => {
                let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
                let remedy = "make an item of its own for each";
                wrong(at, format!("does several things: {}", names.join(", ")), remedy.into());
            }
        }
    }
    problems
}

fn action(at: &str, name: &str, value: &Value, wrong: &mut impl FnMut(String, String, String)) {
    match name {
        "apply" => {
            let objects = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for (index, object) in objects.iter().enumerate() {
                let at = if value.is_array() { format!("{at}[{index}]") } else { at.to_owned() };
                for field in ["apiVersion", "kind"] {
                    if !object.get(field).is_some_and(Value::is_string) {
                        wrong(format!("{at}.{field}"), "is missing".into(), "write a whole object".into());
                    }
                }
                if let Err((field, what)) = Key::of(object) {
                    wrong(format!("{at}.{field}"), what.into(), "write a whole object".into());
                }
            }
        }
        "patch" | "delete" => {
            let kind = value["kind"].as_str().unwrap_or("");
            if !kind.is_empty() && Kind::named(kind).is_none() {
                let remedy = match nearest(kind, Kind::names()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("known are {}", Kind::names().collect::<Vec<_>>().join(", ")),
                };
                wrong(format!("{at}.kind"), format!("is {kind:?}"), remedy);
            }
            if name == "patch" {
                patch(&format!("{at}.merge"), &value["merge"], wrong);
            }
        }
        "kill" | "restore" | "remove" | "cordon" | "uncordon" | "drain"
            if value.get("node").is_some() == value.get("hyperNode").is_some() =>
        {
            wrong(at.to_owned(), "does not name one place".into(), "give either node or hyperNode".into());
        }
        _ => {}
    }
}

/// What every object has as a map stays one: an object that has lost its metadata or its spec is none that an API server
/// would keep.
fn patch(at: &str, merge: &Value, wrong: &mut impl FnMut(String, String, String)) {
    let mut map = |path: String, value: &Value, may_go: bool| {
        let is_fine = value.is_object() || may_go && value.is_null();
        if !is_fine {
            let remedy = "write the fields to change as a map";
            wrong(path, format!("is {}, not a map", kind_of(value)), remedy.into());
        }
        value.is_object()
    };
    if !map(at.to_owned(), merge, false) {
        return;
    }
    for (field, may_go) in [("metadata", false), ("spec", false), ("status", true)] {
        if let Some(value) = merge.get(field) {
            map(format!("{at}.{field}"), value, may_go);
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
