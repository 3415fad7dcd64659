//! An object as the API server sends it: one JSON value, without the notes on who owns which field.
//!
//! What is read of an object is for its reader to say, so that one that does not decode is reported and ends no watch.
//! `managedFields` is often half of an object's text and nobody here reads it: it is skipped while parsing.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DynamicResourceScope;
use kube::discovery::ApiResource;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The object.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    /// Name, namespace, uid and resourceVersion; the client reads them.
    head: ObjectMeta,
    /// Everything but `managedFields`.
    value: Map<String, Value>,
}

impl Whole {
    /// Namespace (empty for cluster-scoped kinds) and name.
    pub(super) fn key(&self) -> (String, String) {
        (self.head.namespace.clone().unwrap_or_default(), self.head.name.clone().unwrap_or_default())
    }

    /// The value, with the kind that items of a list leave out.
    pub(super) fn into_value(mut self, resource: &ApiResource) -> Value {
        self.value.entry("apiVersion").or_insert_with(|| resource.api_version.clone().into());
        self.value.entry("kind").or_insert_with(|| resource.kind.clone().into());
        Value::Object(self.value)
    }
}

impl<'de> serde::Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_map(Fields { of: Level::Object })?;
        let text = |name: &str| {
            value.get("metadata").and_then(|metadata| metadata.get(name)?.as_str().map(str::to_owned))
        };
        let head = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Whole { head, value })
    }
}

#[derive(Clone, Copy)]
enum Level {
    Object,
    Metadata,
}

/// Reads the fields of an object or of its metadata.
#[derive(Clone, Copy)]
struct Fields {
    of: Level,
}

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            match (self.of, key.as_str()) {
                (Level::Object, "metadata") => {
                    let metadata = map.next_value_seed(Fields { of: Level::Metadata })?;
                    fields.insert(key, Value::Object(metadata));
                }
                (Level::Metadata, "managedFields") => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    let value = map.next_value()?;
                    fields.insert(key, value);
                }
            }
        }
        Ok(fields)
    }
}

impl Resource for Whole {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.head
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::kind::Kind;
    use serde_json::json;

    #[test]
    fn an_object_comes_through_but_for_its_managed_fields() {
        let text = r#"{"metadata":{"name":"a","namespace":"b","uid":"u","resourceVersion":"7",
            "labels":{"managedFields":"kept"},"managedFields":[{"fieldsV1":{"f:spec":{}}}]},
            "spec":{"metadata":{"managedFields":1}},"status":null}"#;
        let whole: Whole = serde_json::from_str(text).unwrap();
        assert_eq!(whole.key(), ("b".to_owned(), "a".to_owned()));
        assert_eq!(whole.meta().resource_version.as_deref(), Some("7"));
        let expect = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "a", "namespace": "b", "uid": "u", "resourceVersion": "7",
                          "labels": { "managedFields": "kept" } },
            "spec": { "metadata": { "managedFields": 1 } }, "status": null,
        });
        assert_eq!(whole.into_value(&Kind::Pod.resource()), expect);
    }
}
