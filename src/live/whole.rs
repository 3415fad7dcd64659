//! An object as the API server sends it: its text, and of it only the name.
//!
//! What is read of an object is for its reader to say, so that one that does not decode is reported and ends no watch.
//! The text is read once into the type that is wanted of it; a tree of JSON values, three times its size, is made only
//! of those that are reported or belong to a ModelServing. Events come as the API server writes them, with their type
//! before the object.

use crate::api::decode::{DecodeError, decode};
use crate::engine::Kind;
use crate::engine::object::Source;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{DynamicResourceScope, GroupVersionKind};
use kube::discovery::ApiResource;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The object.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Name, namespace, uid and resourceVersion; the client reads them.
    head: Box<ObjectMeta>,
    text: Box<RawValue>,
}

impl Whole {
    /// Namespace (empty for cluster-scoped kinds) and name.
    pub fn key(&self) -> (String, String) {
        (self.head.namespace.clone().unwrap_or_default(), self.head.name.clone().unwrap_or_default())
    }

    /// Its uid.
    pub fn uid(&self) -> &str {
        self.head.uid.as_deref().unwrap_or_default()
    }

    /// Reads it as a type. Why it cannot be read is better said by [`crate::api::decode::decode`].
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.text.get())
    }

    /// For [`Object::read`]: its text, as an object of this kind.
    ///
    /// [`Object::read`]: crate::engine::Object::read
    pub fn of(&self, kind: Kind) -> OfKind<'_> {
        OfKind { whole: self, kind }
    }

    /// As a value, with the kind, which items of a list leave out, and without `managedFields`.
    pub fn value(&self, resource: &ApiResource) -> Value {
        let mut value: Value = self.read().unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.entry("apiVersion").or_insert_with(|| resource.api_version.clone().into());
            fields.entry("kind").or_insert_with(|| resource.kind.clone().into());
        }
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        value
    }
}

/// The text of an object of a kind.
#[derive(Clone, Copy, Debug)]
pub struct OfKind<'a> {
    whole: &'a Whole,
    kind: Kind,
}

impl Source for OfKind<'_> {
    fn read<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.whole.read().map_err(|plain| match decode::<T>(&self.whole.value(&resource(self.kind))) {
            Err(error) => error,
            Ok(_) => DecodeError {
                object: String::new(),
                path: String::new(),
                message: plain.to_string(),
                remedy: String::new(),
            },
        })
    }
}

/// Group, version, kind and plural, as the client has them.
pub fn resource(kind: Kind) -> ApiResource {
    resource_in(kind, kind.api_version())
}

/// The same in another version of the kind.
pub fn resource_in(kind: Kind, api_version: &str) -> ApiResource {
    let row = kind.row();
    let version = api_version.rsplit('/').next().unwrap_or(api_version);
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(row.group(), version, row.name), row.plural)
}

/// What is read at once.
#[derive(serde::Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    metadata: Option<Name<'a>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Name<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    uid: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    resource_version: Option<Cow<'a, str>>,
}

impl<'de> serde::Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let head: Head<'_> = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        let name = head.metadata.unwrap_or_default();
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let head = ObjectMeta {
            name: owned(name.name),
            namespace: owned(name.namespace),
            uid: owned(name.uid),
            resource_version: owned(name.resource_version),
            ..ObjectMeta::default()
        };
        Ok(Whole { head: Box::new(head), text })
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
    use kube::core::WatchEvent;
    use serde_json::json;

    const POD: &str = r#"{"metadata":{"name":"a","namespace":"b","uid":"u","resourceVersion":"7",
        "labels":{"managedFields":"kept"},"managedFields":[{"fieldsV1":{"f:spec":{}}}]},
        "spec":{"metadata":{"managedFields":1}},"status":null}"#;

    #[test]
    fn an_object_comes_through_but_for_its_managed_fields() {
        let whole: Whole = serde_json::from_str(POD).unwrap();
        assert_eq!(whole.key(), ("b".to_owned(), "a".to_owned()));
        assert_eq!(whole.meta().resource_version.as_deref(), Some("7"));
        let expect = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "a", "namespace": "b", "uid": "u", "resourceVersion": "7",
                          "labels": { "managedFields": "kept" } },
            "spec": { "metadata": { "managedFields": 1 } }, "status": null,
        });
        assert_eq!(whole.value(&resource(Kind::Pod)), expect);
    }

    #[test]
    fn it_comes_out_of_events_and_lists() {
        let event: WatchEvent<Whole> =
            serde_json::from_str(&format!(r#"{{"type":"ADDED","object":{POD}}}"#)).unwrap();
        let WatchEvent::Added(whole) = event else { panic!("{event:?}") };
        assert!(whole.uid() == "u" && whole.text.get().contains("fieldsV1"));
        let list = format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{}},"items":[{POD},{POD}]}}"#);
        let list: kube::core::ObjectList<Whole> = serde_json::from_str(&list).unwrap();
        assert_eq!(list.items.len(), 2);
    }

    #[test]
    fn an_object_of_a_wrong_shape_still_has_its_name() {
        let text = r#"{"metadata":{"name":"a\u0041","labels":7},"spec":[]}"#;
        let whole: Whole = serde_json::from_str(text).unwrap();
        assert_eq!(whole.key(), (String::new(), "aA".to_owned()));
        assert!(whole.read::<crate::api::core::Pod>().is_err());
    }
}
