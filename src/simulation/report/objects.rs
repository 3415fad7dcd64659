//! The objects that the controller and the scheduler have made or changed, as `kubectl get -o yaml` would show them.

use crate::apiserver::Kind;
use crate::simulation::engine::Simulation;
use serde_json::{Value, to_value};

/// The objects, by kind, namespace and name; made gangs last.
pub fn objects(run: &Simulation) -> Vec<Value> {
    let mut objects: Vec<Value> = run
        .store
        .iter()
        .filter(|(_, object)| object.ours)
        .map(|(_, object)| Value::clone(&object.value))
        .collect();
    for gang in run.made_gangs.gangs.iter().filter(|gang| gang.ended.is_none()) {
        let (group, pods) = run.made_gangs.objects(gang);
        objects.extend(object("PodGroup", to_value(group)));
        for pod in pods {
            objects.extend(object("Pod", to_value(pod)));
        }
    }
    objects
}

fn object(kind: &str, value: serde_json::Result<Value>) -> Option<Value> {
    let mut value = value.ok()?;
    value["apiVersion"] = Kind::version_of(kind)?.into();
    value["kind"] = kind.into();
    Some(value)
}
