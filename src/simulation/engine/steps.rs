//! The timeline: what the user does when.

use super::Simulation;
use crate::apiserver::{Actor, Key, Kind, Refusal};
use crate::simulation::scenario::{Action, NodeTarget, PodTarget};
use serde_json::{Value, json};

impl Simulation {
    pub(super) fn step(&mut self, index: usize) {
        let Some(step) = self.scenario.timeline.get(index) else { return };
        match step.action.clone() {
            Action::Apply(Value::Array(objects)) => objects.into_iter().for_each(|object| self.apply(object)),
            Action::Apply(object) => self.apply(object),
            Action::Patch { object, merge } => {
                let Some(key) = object.key() else { return };
                let answer = self.store.patch(&key, &merge, Actor::User);
                self.answer(&key, "Patched", merge.to_string(), answer);
            }
            Action::Scale { namespace, name, role, replicas } => {
                self.scale(&Key::new(Kind::ModelServing, &namespace, &name), role.as_deref(), replicas);
            }
            Action::SetImage { namespace, name, role, image } => {
                self.set_image(&Key::new(Kind::ModelServing, &namespace, &name), role.as_deref(), &image);
            }
            Action::Delete { object, grace_period_seconds } => {
                let Some(key) = object.key() else { return };
                let answer = self.store.delete(&key, grace_period_seconds, Actor::User);
                self.answer(&key, "Deleted", String::new(), answer);
            }
            Action::Crash(pod) => self.on_pod(&pod, "Crashed", Simulation::crash_pod),
            Action::Fail(pod) => {
                self.on_pod(&pod, "Failed", |run, key| run.end_pod(key, "Failed", 137, "Error"))
            }
            Action::Succeed(pod) => {
                self.on_pod(&pod, "Ended", |run, key| run.end_pod(key, "Succeeded", 0, "Completed"));
            }
            Action::Unready(pod) => self.on_pod(&pod, "MadeUnready", |run, key| run.set_unready(key, true)),
            Action::Ready(pod) => self.on_pod(&pod, "MadeReady", |run, key| run.set_unready(key, false)),
            Action::Condition { pod, type_, status } => {
                let reason = if status == "True" { "ConditionTrue" } else { "ConditionNotTrue" };
                self.on_pod(&pod, reason, |run, key| run.set_pod_condition(key, &type_, &status));
            }
            action @ (Action::FailCalls(_) | Action::CrashScheduler { .. }) => self.order(&action),
            Action::CrashController { after_writes, down } => {
                self.serving.doomed = Some((after_writes, down));
            }
            Action::Kill(nodes) => self.on_nodes(&nodes, "Killed", Simulation::kill_node),
            Action::Restore(nodes) => self.on_nodes(&nodes, "Restored", Simulation::restore_node),
            Action::Remove(nodes) => self.on_nodes(&nodes, "Removed", Simulation::remove_node),
            Action::Cordon(nodes) => self.on_nodes(&nodes, "Cordoned", |run, node| run.cordon(node, true)),
            Action::Uncordon(nodes) => {
                self.on_nodes(&nodes, "Uncordoned", |run, node| run.cordon(node, false))
            }
            Action::Drain(nodes) => self.on_nodes(&nodes, "Drained", Simulation::drain),
        }
    }

    fn apply(&mut self, object: Value) {
        let Ok(key) = Key::of(&object) else { return };
        let answer = self.store.apply(object, Actor::User).map(drop);
        self.answer(&key, "Applied", String::new(), answer);
    }

    fn scale(&mut self, key: &Key, role: Option<&str>, replicas: i32) {
        if role.is_none() {
            let answer = self.store.patch(key, &json!({"spec": {"replicas": replicas}}), Actor::User);
            return self.answer(key, "Scaled", format!("replicas: {replicas}"), answer);
        }
        let answer = self.edit_roles(key, role, |role| role["replicas"] = replicas.into());
        let message = format!("role {}: replicas: {replicas}", role.unwrap_or_default());
        self.answer(key, "Scaled", message, answer);
    }

    fn set_image(&mut self, key: &Key, role: Option<&str>, image: &str) {
        let answer = self.edit_roles(key, role, |role| {
            for template in ["entryTemplate", "workerTemplate"] {
                let containers = role.pointer_mut(&format!("/{template}/spec/containers"));
                for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
                    container["image"] = image.into();
                }
            }
        });
        self.answer(
            key,
            "ImageSet",
            format!("{}to {image}", role.map_or(String::new(), |role| format!("role {role} "))),
            answer,
        );
    }

    /// Edits one role of a ModelServing, or all of them.
    fn edit_roles(
        &mut self,
        key: &Key,
        role: Option<&str>,
        edit: impl Fn(&mut Value),
    ) -> Result<(), Refusal> {
        let roles =
            self.store.get(key).and_then(|object| object.value.pointer("/spec/template/roles")).cloned();
        let mut roles = roles.unwrap_or_default();
        let mut found = false;
        for entry in roles.as_array_mut().into_iter().flatten() {
            if role.is_none_or(|role| entry["name"] == role) {
                edit(entry);
                found = true;
            }
        }
        if !found {
            return Err(Refusal::NotFound(key.clone()));
        }
        self.store.patch(key, &json!({"spec": {"template": {"roles": roles}}}), Actor::User)
    }

    fn on_pod(&mut self, pod: &PodTarget, reason: &'static str, act: impl Fn(&mut Simulation, &Key)) {
        let key = pod.key();
        if self.store.get(&key).is_none() {
            return self.answer(&key, reason, String::new(), Err(Refusal::NotFound(key.clone())));
        }
        self.answer(&key, reason, String::new(), Ok(()));
        act(self, &key);
    }

    fn on_nodes(&mut self, target: &NodeTarget, reason: &'static str, act: impl Fn(&mut Simulation, &str)) {
        for node in self.targets(target) {
            self.note("user", &Key::new(Kind::Node, "", &node), "Normal", reason, String::new());
            act(self, &node);
        }
    }

    fn answer(&mut self, key: &Key, reason: &'static str, message: String, answer: Result<(), Refusal>) {
        match answer {
            Ok(()) => self.note("user", key, "Normal", reason, message),
            Err(refusal) => self.note("user", key, "Warning", "Refused", refusal.to_string()),
        }
    }
}
