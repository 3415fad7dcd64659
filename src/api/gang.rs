//! How pods say which gang they belong to, in each dialect, and under which name a gang is known.
//!
//! A dialect is an API that has gangs: Volcano's PodGroup, Kubernetes' own, and that of scheduler-plugins (coscheduling). All
//! three call the object PodGroup, and one name may stand for an object of each. Gangs are known by `namespace/name`; where the
//! object is not Volcano's, its API group stands behind the name, in brackets, as in `ml/train (scheduling.k8s.io)`. No object's
//! name has a space, so no two gangs meet.

use super::core::Pod;
use super::keys;
use super::kind::Kind;
use serde_json::Value;
use std::borrow::Cow;

/// An API that has gangs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// `podgroups.scheduling.volcano.sh`.
    #[default]
    Volcano,
    /// `podgroups.scheduling.k8s.io`.
    Native,
    /// `podgroups.scheduling.x-k8s.io`, of scheduler-plugins.
    Coscheduling,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 3] = [Dialect::Volcano, Dialect::Native, Dialect::Coscheduling];

    /// The kind of the objects.
    pub fn kind(self) -> Kind {
        match self {
            Dialect::Volcano => Kind::PodGroup,
            Dialect::Native => Kind::NativePodGroup,
            Dialect::Coscheduling => Kind::CoschedulingPodGroup,
        }
    }

    /// The dialect of a kind; `None` if it has no gangs.
    pub fn of(kind: Kind) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.kind() == kind)
    }

    /// Where a pod says which gang it belongs to.
    pub fn joined_by(self) -> &'static str {
        match self {
            Dialect::Volcano => "annotation scheduling.k8s.io/group-name",
            Dialect::Native => "spec.schedulingGroup.podGroupName",
            Dialect::Coscheduling => "label scheduling.x-k8s.io/pod-group",
        }
    }

    /// The field of the object that says how many pods must be placeable together.
    pub fn minimum_field(self) -> &'static str {
        match self {
            Dialect::Volcano | Dialect::Coscheduling => "spec.minMember",
            Dialect::Native => "spec.schedulingPolicy.gang.minCount",
        }
    }

    /// The name under which the gang of an object is known.
    pub fn gang_name(self, object: &str) -> Cow<'_, str> {
        match self {
            // What is no name of an object must not look like one of the others.
            Dialect::Volcano if object.contains('(') => object.replace('(', "((").into(),
            Dialect::Volcano => object.into(),
            other => format!("{object} ({})", other.kind().row().group()).into(),
        }
    }

    /// The dialect and the name of the object, from the name under which a gang is known.
    pub fn split(gang: &str) -> (Dialect, &str) {
        let found =
            gang.strip_suffix(')').and_then(|rest| rest.split_once(" (")).and_then(|(name, group)| {
                let others = [Dialect::Native, Dialect::Coscheduling];
                let dialect = others.into_iter().find(|dialect| dialect.kind().row().group() == group)?;
                Some((dialect, name))
            });
        found.unwrap_or((Dialect::Volcano, gang))
    }

    /// The object that the pod names in this dialect.
    fn named(self, pod: &Pod) -> Option<&str> {
        let name = match self {
            Dialect::Volcano => pod.metadata.annotations.get(keys::GROUP_NAME),
            Dialect::Native => {
                pod.spec.scheduling_group.as_ref().and_then(|group| group.pod_group_name.as_ref())
            }
            Dialect::Coscheduling => pod.metadata.labels.get(keys::COSCHEDULING_GROUP),
        };
        name.map(String::as_str).filter(|name| !name.is_empty())
    }
}

/// The name of the gang that a pod belongs to; `None` for a pod on its own, and for one that names gangs of several
/// dialects, which [`conflict`] tells.
pub fn membership(pod: &Pod) -> Option<Cow<'_, str>> {
    let mut named = Dialect::ALL.into_iter().filter_map(|dialect| Some((dialect, dialect.named(pod)?)));
    let (dialect, name) = named.next()?;
    named.next().is_none().then(|| dialect.gang_name(name))
}

/// The same of a pod as JSON.
pub fn membership_in(pod: &Value) -> Option<Cow<'_, str>> {
    let text = |part: &str, key: &str| pod.get("metadata")?.get(part)?.get(key)?.as_str();
    let named = |dialect| match dialect {
        Dialect::Volcano => text("annotations", keys::GROUP_NAME),
        Dialect::Native => pod.get("spec")?.get("schedulingGroup")?.get("podGroupName")?.as_str(),
        Dialect::Coscheduling => text("labels", keys::COSCHEDULING_GROUP),
    };
    let named = |dialect| Some((dialect, named(dialect).filter(|name| !name.is_empty())?));
    let mut named = Dialect::ALL.into_iter().filter_map(named);
    let (dialect, name) = named.next()?;
    named.next().is_none().then(|| dialect.gang_name(name))
}

/// Why a pod cannot be in a gang though it names some; `None` if nothing is wrong with what it names.
pub fn conflict(pod: &Pod) -> Option<String> {
    let named: Vec<(Dialect, &str)> =
        Dialect::ALL.into_iter().filter_map(|dialect| Some((dialect, dialect.named(pod)?))).collect();
    match &*named {
        [(one, first), (other, second), ..] => Some(format!(
            "{}: {first} and {}: {second} both name a gang, of different APIs; remove one of them",
            one.joined_by(),
            other.joined_by()
        )),
        [] if pod.spec.scheduling_group.is_some() => Some(
            "spec.schedulingGroup: podGroupName is missing; name a PodGroup, or remove the field".to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A pod that names a gang in these ways is known to be in this one, or is told this.
    fn check(annotation: Value, group: Value, label: Value, gang: Option<&str>, told: Option<&str>) {
        let pod = json!({
            "metadata": {
                "name": "p", "namespace": "ml",
                "annotations": { keys::GROUP_NAME: annotation }, "labels": { keys::COSCHEDULING_GROUP: label },
            },
            "spec": { "schedulingGroup": group, "containers": [] },
        });
        assert_eq!(membership_in(&pod).as_deref(), gang);
        let pod: Pod = serde_json::from_value(pod).unwrap();
        assert_eq!((membership(&pod).as_deref(), conflict(&pod).as_deref()), (gang, told));
    }

    #[test]
    fn a_pod_is_in_the_gang_that_it_names_in_one_dialect() {
        let named = |name: &str| json!({ "podGroupName": name });
        check(json!("t"), Value::Null, json!(""), Some("t"), None);
        check(json!(""), named("t"), json!(""), Some("t (scheduling.k8s.io)"), None);
        check(json!(""), Value::Null, json!("t"), Some("t (scheduling.x-k8s.io)"), None);
        check(json!(""), Value::Null, json!(""), None, None);
        check(
            json!("t"),
            named("u"),
            json!(""),
            None,
            Some(
                "annotation scheduling.k8s.io/group-name: t and spec.schedulingGroup.podGroupName: u both name a gang, of \
                 different APIs; remove one of them",
            ),
        );
        check(
            json!(""),
            json!({}),
            json!(""),
            None,
            Some("spec.schedulingGroup: podGroupName is missing; name a PodGroup, or remove the field"),
        );
    }

    #[test]
    fn a_name_leads_back_to_its_object_and_to_no_other() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::split(&dialect.gang_name("train")), (dialect, "train"));
            assert_eq!(Dialect::of(dialect.kind()), Some(dialect));
        }
        // An annotation is free text: it must not reach the gang of another dialect.
        let forged = Dialect::Volcano.gang_name("train (scheduling.k8s.io)").into_owned();
        assert_eq!(Dialect::split(&forged).0, Dialect::Volcano);
    }
}
