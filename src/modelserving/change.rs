//! What `reconcile` asks for: values that a shell applies, in order.

use super::shared_template::TemplatedPod;
use crate::api::keys;
use crate::api::model_serving::ModelServingStatus;
use crate::api::pod_group::{PodGroup, PodGroupSpec};
use crate::api::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// One write. All objects live in the ModelServing's namespace.
///
/// A shell applies changes in order and stops at the first that fails; the next reconcile asks again for what is
/// missing. Two answers are no failures: AlreadyExists to a create, and NotFound, or a conflict of the uid, to anything
/// else. Neighbouring changes of the same kind may be sent at the same time.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Create this PodGroup.
    CreatePodGroup(Box<PodGroup>),
    /// Create this Pod, Service or ControllerRevision.
    Create(Created),
    /// Replace the `spec` of the PodGroup with this uid; leave its metadata and status alone.
    UpdatePodGroup {
        /// Its name.
        name: String,
        /// Precondition.
        uid: String,
        /// The new spec, whole.
        spec: Box<PodGroupSpec>,
    },
    /// Set (`Some`) or remove (`None`) labels and annotations of the object with this uid.
    Patch {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// Precondition.
        uid: String,
        /// Labels.
        labels: BTreeMap<String, Option<String>>,
        /// Annotations.
        annotations: BTreeMap<String, Option<String>>,
    },
    /// Make the object with this uid, which nobody owns, the ModelServing's: set its `metadata.ownerReferences`.
    Adopt {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// Precondition.
        uid: String,
        /// The owner reference.
        owner: Value,
    },
    /// Delete the object with this uid, with its own grace period.
    Delete {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// Precondition.
        uid: String,
    },
}

/// An object to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    body: Body,
}

/// What it is built from.
#[derive(Clone, Debug, PartialEq)]
enum Body {
    Whole(Value),
    /// JSON whose fields stand in an order that matters.
    Text(String),
    Pod(TemplatedPod),
}

impl Created {
    /// An object as it is.
    pub(crate) fn whole(kind: Kind, name: String, object: Value) -> Self {
        Created { kind, name, body: Body::Whole(object) }
    }

    /// An object as JSON, to be sent as it is.
    pub(crate) fn text(kind: Kind, name: String, text: String) -> Self {
        Created { kind, name, body: Body::Text(text) }
    }

    /// A pod that is built when it is asked for.
    pub(crate) fn templated(name: String, pod: TemplatedPod) -> Self {
        Created { kind: Kind::Pod, name, body: Body::Pod(pod) }
    }

    /// The object, with `apiVersion` and `kind`. A pod is built at each call.
    pub fn object(&self) -> Value {
        match &self.body {
            Body::Whole(object) => object.clone(),
            Body::Text(text) => serde_json::from_str(text).unwrap_or_default(),
            Body::Pod(pod) => pod.object(pod.draft()),
        }
    }

    /// The same, without a copy.
    pub fn into_object(self) -> Value {
        match self.body {
            Body::Whole(object) => object,
            Body::Text(text) => serde_json::from_str(&text).unwrap_or_default(),
            Body::Pod(pod) => pod.object(pod.draft()),
        }
    }

    /// The body of a request that creates it: the object, or the text of one that is to be sent as it is.
    pub fn into_body(self) -> Value {
        match self.body {
            Body::Text(text) => Value::String(text),
            _ => self.into_object(),
        }
    }

    /// Namespace and name of the PodGroup that a pod names.
    pub fn gang(&self) -> Option<(String, String)> {
        match &self.body {
            Body::Pod(pod) => pod.gang(),
            Body::Text(_) => None,
            Body::Whole(object) => {
                let metadata = object.get("metadata")?;
                let group = metadata.get("annotations")?.get(keys::GROUP_NAME)?.as_str()?;
                Some((metadata.get("namespace")?.as_str()?.to_owned(), group.to_owned()))
            }
        }
    }

    /// Makes a pod the one that stands for its ServingGroup in the scale selector.
    pub(crate) fn represent(&mut self) {
        match &mut self.body {
            Body::Whole(object) => {
                object["metadata"]["labels"][keys::MODEL_SERVING_REPRESENTATIVE] = "true".into();
            }
            Body::Text(_) => {}
            Body::Pod(pod) => pod.representative = true,
        }
    }

    #[cfg(test)]
    pub(crate) fn templated_pod(&self) -> Option<&TemplatedPod> {
        match &self.body {
            Body::Pod(pod) => Some(pod),
            Body::Whole(_) | Body::Text(_) => None,
        }
    }
}

/// What a ModelServing owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    Pod,
    PodGroup,
    Service,
    ControllerRevision,
}

/// An event on the ModelServing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// `Warning`, else `Normal`.
    pub warning: bool,
    /// One word.
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
}

/// The answer of `reconcile`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Writes, in order.
    pub changes: Vec<Change>,
    /// The status to write, if it differs from the object's. It describes what was observed, so it is true whether or
    /// not the changes succeed.
    pub status: Option<ModelServingStatus>,
    /// Reconcile again at this time even if nothing happens.
    pub wake_at: Option<Timestamp>,
    /// Events to emit.
    pub events: Vec<Event>,
    /// What to hand to the next call as [`super::Observed::memory`].
    pub memory: super::events::Memory,
    /// Of the ServingGroups whose records were listed, those that are settled: see [`super::Observed::settled`].
    pub settled: Vec<(u32, super::settled::Settled)>,
    /// Settled ServingGroups whose records are needed, since something is to be done at them: then this is all that the
    /// answer says, and the call is to be made again with them.
    pub look: Vec<u32>,
}

impl Change {
    /// The kind of object that it concerns.
    pub fn kind(&self) -> Kind {
        match self {
            Change::CreatePodGroup(_) | Change::UpdatePodGroup { .. } => Kind::PodGroup,
            Change::Create(created) => created.kind,
            Change::Patch { kind, .. } | Change::Adopt { kind, .. } | Change::Delete { kind, .. } => *kind,
        }
    }

    /// The name of the object that it concerns.
    pub fn name(&self) -> &str {
        match self {
            Change::CreatePodGroup(pod_group) => &pod_group.metadata.name,
            Change::Create(created) => &created.name,
            Change::UpdatePodGroup { name, .. }
            | Change::Patch { name, .. }
            | Change::Adopt { name, .. }
            | Change::Delete { name, .. } => name,
        }
    }
}
