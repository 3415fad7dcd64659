//! Go's types of a PodSpec, read once from `types.txt`. Fields stand in Go's order, which both texts keep.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A type, with the name that Go prints for it.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) name: Box<str>,
    pub(super) kind: Kind,
}

/// How its values look.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Boolean,
    /// 32 or 64 bits, signed.
    Integer,
    /// Index of the struct in the schema.
    Struct(usize),
    Pointer(Box<Type>),
    List(Box<Type>),
    /// From texts.
    Map(Box<Type>),
    Quantity,
    /// `intstr.IntOrString`.
    IntOrText,
    /// `metav1.Time`. A template has no times: they are read as the zero time.
    Time,
    /// `metav1.FieldsV1`, bytes that no template has.
    Bytes,
}

/// A field of a struct.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    /// Its name in JSON; `None`: the fields of its struct stand in the parent's object.
    pub(super) json: Option<Box<str>>,
    /// Left out of JSON where it is empty; structs never are.
    pub(super) omits_empty: bool,
    pub(super) type_: Type,
}

/// All structs.
#[derive(Debug)]
pub(super) struct Schema {
    structs: Vec<Vec<Field>>,
    pod_spec: usize,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::read(include_str!("types.txt")));

/// The types.
pub(super) fn schema() -> &'static Schema {
    &SCHEMA
}

impl Schema {
    /// The fields of a struct.
    pub(super) fn fields(&self, index: usize) -> &[Field] {
        &self.structs[index]
    }

    /// `v1.PodSpec`.
    pub(super) fn pod_spec(&self) -> usize {
        self.pod_spec
    }

    /// Fields of an object, however deep, that Go's types do not have, as paths; null counts as absent.
    pub(super) fn unknown<'v>(
        &self,
        index: usize,
        object: &'v Map<String, Value>,
    ) -> Vec<(String, &'v Value)> {
        let mut unknown = Vec::new();
        self.collect_unknown(index, object, "", &mut unknown);
        unknown
    }

    fn collect_unknown<'v>(
        &self,
        index: usize,
        object: &'v Map<String, Value>,
        path: &str,
        unknown: &mut Vec<(String, &'v Value)>,
    ) {
        for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            match self.find(index, key) {
                Some(type_) => self.unknown_in(type_, value, &format!("{path}.{key}"), unknown),
                None => unknown.push((format!("{path}.{key}"), value)),
            }
        }
    }

    fn unknown_in<'v>(
        &self,
        type_: &Type,
        value: &'v Value,
        path: &str,
        unknown: &mut Vec<(String, &'v Value)>,
    ) {
        match (&type_.kind, value) {
            (Kind::Struct(index), Value::Object(object)) => {
                self.collect_unknown(*index, object, path, unknown);
            }
            (Kind::Pointer(inner), value) => self.unknown_in(inner, value, path, unknown),
            (Kind::List(inner), Value::Array(items)) if inner.holds_structs() => {
                for (at, item) in items.iter().enumerate() {
                    self.unknown_in(inner, item, &format!("{path}[{at}]"), unknown);
                }
            }
            _ => {}
        }
    }

    /// The type of a field of JSON.
    fn find(&self, index: usize, key: &str) -> Option<&Type> {
        self.structs[index].iter().find_map(|field| match (&field.json, &field.type_.kind) {
            (Some(json), _) => (**json == *key).then_some(&field.type_),
            (None, Kind::Struct(inner)) => self.find(*inner, key),
            (None, _) => None,
        })
    }

    fn read(text: &str) -> Schema {
        let joined = text.replace("\n  ", " ");
        let lines = || joined.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let structs = || lines().filter_map(|line| line.split_once(": "));
        let names: BTreeMap<&str, usize> =
            structs().enumerate().map(|(index, (name, _))| (name, index)).collect();
        let texts: Vec<&str> = lines().filter_map(|line| line.strip_suffix(" string")).collect();
        let known = Known { names: &names, texts: &texts };
        let fields = |fields: &str| fields.split("; ").filter_map(|field| known.field(field)).collect();
        Schema {
            structs: structs().map(|(_, text)| fields(text)).collect(),
            pod_spec: names.get("v1.PodSpec").copied().unwrap_or_default(),
        }
    }
}

impl Type {
    fn holds_structs(&self) -> bool {
        matches!(self.kind, Kind::Struct(_))
    }
}

struct Known<'t> {
    names: &'t BTreeMap<&'t str, usize>,
    texts: &'t [&'t str],
}

impl Known<'_> {
    /// `Name type`, `Name=json? type`.
    fn field(&self, text: &str) -> Option<Field> {
        let (head, type_) = text.split_once(' ')?;
        let plain = head.trim_end_matches(['?', '0']);
        let omits_empty = plain.len() < head.len();
        let (name, json) = match plain.split_once('=') {
            Some((name, ".")) => (name, None),
            Some((name, json)) => (name, Some(json.into())),
            None => {
                let (first, rest) = plain.split_at(1);
                (plain, Some(format!("{}{rest}", first.to_ascii_lowercase()).into()))
            }
        };
        Some(Field { name: name.into(), json, omits_empty, type_: self.type_(type_)? })
    }

    fn type_(&self, name: &str) -> Option<Type> {
        let inner = |name: &str| self.type_(name).map(Box::new);
        let kind = match name {
            "string" => Kind::Text,
            "bool" => Kind::Boolean,
            "int32" | "int64" => Kind::Integer,
            "resource.Quantity" => Kind::Quantity,
            "v1.ResourceList" => Kind::Map(inner("resource.Quantity")?),
            "intstr.IntOrString" => Kind::IntOrText,
            "v1.Time" => Kind::Time,
            "v1.FieldsV1" => Kind::Bytes,
            _ if self.texts.contains(&name) => Kind::Text,
            _ => match (name.strip_prefix('*'), name.strip_prefix("[]"), name.strip_prefix("map[string]")) {
                (Some(to), ..) => Kind::Pointer(inner(to)?),
                (_, Some(of), _) => Kind::List(inner(of)?),
                (.., Some(of)) => Kind::Map(inner(of)?),
                _ => Kind::Struct(*self.names.get(name)?),
            },
        };
        Some(Type { name: name.into(), kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Every type that `types.txt` names is in it: what could not be read would be missing from the hashes.
    #[test]
    fn the_table_is_whole() {
        let text = include_str!("types.txt").replace("\n  ", " ");
        let wanted: Vec<usize> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| Some(line.split_once(": ")?.1.split("; ").count()))
            .collect();
        let read: Vec<usize> = schema().structs.iter().map(Vec::len).collect();
        assert_eq!(read, wanted);
        assert!(read.len() > 100);
    }

    #[test]
    fn unknown_fields_are_found_however_deep() {
        let spec = json!({
            "futureList": [1], "futureNull": null, "nodeSelector": {"a": "b"},
            "containers": [{"name": "c", "resources": {"limits": {"cpu": 1}, "x": {}}}],
            "volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}, "later": true}],
            "affinity": {"nodeAffinity": {"soon": ""}},
        });
        let unknown = schema().unknown(schema().pod_spec(), spec.as_object().unwrap());
        let paths: Vec<&str> = unknown.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [".affinity.nodeAffinity.soon", ".containers[0].resources.x", ".futureList", ".volumes[0].later"]
        );
    }
}
