//! The rules that CRDs state in CEL (`x-kubernetes-validations`). There are few, and each is told here in Rust by its text;
//! a rule that is not known is not taken to hold.

use super::schema::join;
use serde_json::Value;

/// What a rule says of a value and of what it was before.
type Check = fn(&Value, Option<&Value>) -> bool;

/// The rules of our CRDs.
const RULES: [(&str, Check); 5] = [
    ("has(self.exactMatch) || has(self.regexMatch) || has(self.labelMatch)", |value, _| matches(value) >= 1),
    (
        "(has(self.exactMatch) ? 1 : 0) + (has(self.regexMatch) ? 1 : 0) + (has(self.labelMatch) ? 1 : 0) <= 1",
        |value, _| matches(value) <= 1,
    ),
    ("self == oldSelf", |value, old| old.is_none_or(|old| old == value)),
    ("self.all(x, self.exists_one(y, y.name == x.name))", |value, _| {
        let items = value.as_array().map_or(&[][..], Vec::as_slice);
        items
            .iter()
            .all(|item| items.iter().filter(|other| other.get("name") == item.get("name")).count() == 1)
    }),
    ("!has(oldSelf.gangPolicy) || has(self.gangPolicy)", |value, old| {
        old.is_none_or(|old| !has(old, "gangPolicy") || has(value, "gangPolicy"))
    }),
];

fn has(value: &Value, field: &str) -> bool {
    value.get(field).is_some_and(|field| !field.is_null())
}

/// How many kinds of selectors a member of a HyperNode has.
fn matches(value: &Value) -> usize {
    ["exactMatch", "regexMatch", "labelMatch"].into_iter().filter(|field| has(value, field)).count()
}

/// What a value breaks of the rules in its schema.
#[derive(Debug, Default)]
pub(super) struct Broken {
    /// Field and message.
    pub(super) rules: Vec<String>,
    /// A rule that nobody has told here.
    pub(super) unknown: Option<String>,
}

/// Checks a value, and what it was before, against the rules in a schema. What it was is not known of items of lists.
pub(super) fn check(schema: &Value, value: &Value, old: Option<&Value>, path: &str, broken: &mut Broken) {
    for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
        let text = rule.get("rule").and_then(Value::as_str).unwrap_or("");
        match RULES.iter().find(|(known, _)| *known == text) {
            None => broken.unknown = Some(text.to_owned()),
            Some((_, holds)) if holds(value, old) => {}
            Some(_) => {
                let message = rule.get("message").and_then(Value::as_str).unwrap_or(text);
                broken.rules.push(format!("{path}: Invalid value: {message}"));
            }
        }
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let inner = schema.get("properties").and_then(|known| known.get(name));
                if let Some(inner) = inner.or(schema.get("additionalProperties")) {
                    check(inner, field, old.and_then(|old| old.get(name)), &join(path, name), broken);
                }
            }
        }
        Value::Array(items) => {
            if let Some(inner) = schema.get("items") {
                for (index, item) in items.iter().enumerate() {
                    check(inner, item, None, &format!("{path}[{index}]"), broken);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::crd;

    /// Every rule that our CRDs state is known.
    #[test]
    fn no_rule_is_unknown() {
        fn rules(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    for rule in
                        fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten()
                    {
                        found.push(rule["rule"].as_str().unwrap().to_owned());
                    }
                    fields.values().for_each(|field| rules(field, found));
                }
                Value::Array(items) => items.iter().for_each(|item| rules(item, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        crd::crds().iter().for_each(|crd| rules(crd, &mut found));
        assert!(!found.is_empty());
        for rule in found {
            assert!(RULES.iter().any(|(known, _)| *known == rule), "{rule}");
        }
    }
}
