//! The kubelets of all nodes: what happens to a pod from bound to gone.
//!
//! Owns the life of each pod that has a node. Nothing happens to pods on a node that does not answer; when it answers
//! again, its kubelet looks at all its pods anew.

mod status;

use super::Simulation;
use crate::apiserver::{Actor, Key, set_condition};
use crate::simulation::agenda::Task;
use crate::simulation::time::{parse_duration, parse_timestamp, print_timestamp};
use serde_json::{Value, json};
use status::{closed_gates, containers, is_true, matches, not_ready, probe_delay};
use std::collections::{BTreeMap, BTreeSet};

/// Pod annotation: how long its containers run before they end well.
const DURATION: &str = "simulation.phalanx.dev/duration";

/// A pod whose deletion was overdue by more seconds than this at the start stays.
const OVERDUE: i64 = 60;

/// Pods that have a node, by uid, and the pods of each node.
#[derive(Debug, Default)]
pub(super) struct Kubelet {
    lives: BTreeMap<String, Life>,
    by_key: BTreeMap<Key, BTreeSet<String>>,
    on_node: BTreeMap<String, BTreeSet<String>>,
    addresses: u32,
}

/// A pod that has a node.
#[derive(Clone, Debug)]
struct Life {
    key: Key,
    node: String,
    stage: Stage,
    /// Does its readiness probe fail by order of the timeline?
    unready: bool,
    /// Is it being stopped?
    leaving: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Unpullable,
    Running,
    Crashed,
    Ended,
}

impl Simulation {
    /// A pod is new or changed.
    pub(super) fn watch_pod(&mut self, key: &Key) {
        self.retry_drains();
        let Some(pod) = self.store.get(key) else { return };
        let (uid, node) = (pod.uid().to_owned(), pod.text("/spec/nodeName").to_owned());
        if node.is_empty() {
            return;
        }
        let (phase, deleting) = (pod.text("/status/phase").to_owned(), pod.is_deleting());
        if !self.kubelet.lives.contains_key(&uid) {
            let stage = match phase.as_str() {
                "Running" => Stage::Running,
                "Succeeded" | "Failed" => Stage::Ended,
                _ => Stage::Starting,
            };
            let life = Life { key: key.clone(), node: node.clone(), stage, unready: false, leaving: false };
            self.kubelet.lives.insert(uid.clone(), life);
            self.kubelet.by_key.entry(key.clone()).or_default().insert(uid.clone());
            self.kubelet.on_node.entry(node.clone()).or_default().insert(uid.clone());
            if stage == Stage::Starting && !deleting && self.answers(&node) {
                self.begin(&uid, key);
            }
            self.check_taints(&node, &uid);
        }
        if deleting {
            self.stop(&uid, &node);
        } else if self.stage(&uid) == Some(Stage::Unpullable) && self.unpullable(key).is_none() {
            self.set_stage(&uid, Stage::Starting);
            self.begin(&uid, key);
        }
    }

    /// A pod is gone.
    pub(super) fn forget_pod(&mut self, key: &Key) {
        self.retry_drains();
        let gone: Vec<String> = match self.store.get(key) {
            // Recreated under its name: the life of the old uid ends, the new one's goes on.
            Some(now) => {
                let now = now.uid().to_owned();
                self.uids_of(key).into_iter().filter(|uid| *uid != now).collect()
            }
            None => self.uids_of(key),
        };
        for uid in gone {
            if let Some(uids) = self.kubelet.by_key.get_mut(key) {
                uids.remove(&uid);
                if uids.is_empty() {
                    self.kubelet.by_key.remove(key);
                }
            }
            if let Some(life) = self.kubelet.lives.remove(&uid)
                && let Some(pods) = self.kubelet.on_node.get_mut(&life.node)
            {
                pods.remove(&uid);
            }
        }
    }

    /// Pods on a node, by uid.
    pub(super) fn pods_on(&self, node: &str) -> Vec<(String, Key)> {
        let uids = self.kubelet.on_node.get(node).into_iter().flatten();
        uids.filter_map(|uid| Some((uid.clone(), self.kubelet.lives.get(uid)?.key.clone()))).collect()
    }

    /// The key of a pod that has a node.
    pub(super) fn key_of(&self, uid: &str) -> Option<Key> {
        self.kubelet.lives.get(uid).map(|life| life.key.clone())
    }

    /// A node's kubelet looks at its pods anew, because the node answers again.
    pub(super) fn resume_pods(&mut self, node: &str) {
        for (uid, key) in self.pods_on(node) {
            let Some(pod) = self.store.get(&key).filter(|pod| pod.uid() == uid) else { continue };
            if pod.is_deleting() {
                self.stop(&uid, node);
                continue;
            }
            match self.stage(&uid) {
                Some(Stage::Starting) => self.begin(&uid, &key),
                Some(Stage::Crashed) => self.plan_restart(&uid),
                Some(Stage::Running) => self.plan_in(0, Task::Ready(uid)),
                _ => {}
            }
        }
    }

    fn begin(&mut self, uid: &str, key: &Key) {
        let ip = self.next_address();
        let now = self.seconds();
        self.update(key, |pod| {
            let waiting = json!({"waiting": {"reason": "ContainerCreating"}});
            containers(pod, |status| {
                status["ready"] = false.into();
                status["started"] = false.into();
                status["state"] = waiting.clone();
            });
            pod["status"]["startTime"] = print_timestamp(now).into();
            pod["status"]["podIP"] = ip.into();
            set_condition(pod, "PodScheduled", "True", "", "", now);
            set_condition(pod, "Initialized", "True", "", "", now);
            not_ready(pod, now);
        });
        let delay = self.delays.within(self.scenario.kubelet.startup);
        self.plan_in(delay, Task::Start(uid.to_owned()));
    }

    pub(super) fn start_pod(&mut self, uid: &str) {
        let Some(life) = self.present(uid).filter(|life| life.stage == Stage::Starting && !life.leaving)
        else {
            return;
        };
        let key = life.key;
        if let Some(image) = self.unpullable(&key) {
            self.set_stage(uid, Stage::Unpullable);
            self.update(&key, |pod| {
                let message = format!("Back-off pulling image {image:?}");
                containers(pod, |status| {
                    status["state"] =
                        json!({"waiting": {"reason": "ImagePullBackOff", "message": message.clone()}});
                });
            });
            self.note("kubelet", &key, "Warning", "Failed", format!("cannot pull image {image:?}"));
            return;
        }
        self.run_containers(uid, &key, 0, format!("runs on {}", life.node));
        let duration = self.store.get(&key).and_then(|pod| {
            pod.value.pointer("/metadata/annotations")?.get(DURATION)?.as_str().and_then(parse_duration)
        });
        if let Some(duration) = duration {
            self.plan_in(duration, Task::Complete(uid.to_owned()));
        }
    }

    fn run_containers(&mut self, uid: &str, key: &Key, restarts: i64, message: String) {
        self.set_stage(uid, Stage::Running);
        self.note("kubelet", key, "Normal", "Started", message);
        let now = self.seconds();
        self.update(key, |pod| {
            containers(pod, |status| {
                status["started"] = true.into();
                status["state"] = json!({"running": {"startedAt": print_timestamp(now)}});
                let before = status["restartCount"].as_i64().unwrap_or(0);
                status["restartCount"] = (before + restarts).into();
            });
            pod["status"]["phase"] = "Running".into();
        });
        let delay = self.store.get(key).map_or(0, |pod| probe_delay(&pod.value));
        if delay == 0 {
            self.ready_pod(uid);
        } else {
            self.plan_in(delay, Task::Ready(uid.to_owned()));
        }
    }

    pub(super) fn ready_pod(&mut self, uid: &str) {
        let life =
            self.present(uid).filter(|life| life.stage == Stage::Running && !life.unready && !life.leaving);
        let Some(life) = life else { return };
        let now = self.seconds();
        let Some(pod) = self.store.get(&life.key) else { return };
        let (gated, already) = (!closed_gates(&pod.value).is_empty(), is_true(&pod.value, "Ready"));
        self.update(&life.key, |pod| {
            containers(pod, |status| status["ready"] = true.into());
            set_condition(pod, "ContainersReady", "True", "", "", now);
            if gated {
                let message = "corresponding condition of pod readiness gate does not exist";
                set_condition(pod, "Ready", "False", "ReadinessGatesNotReady", message, now);
            } else {
                set_condition(pod, "Ready", "True", "", "", now);
            }
        });
        if gated {
            let delay = self.delays.within(self.scenario.kubelet.readiness_gates);
            self.plan_in(delay, Task::Gates(uid.to_owned()));
        } else if !already {
            self.note("kubelet", &life.key, "Normal", "Ready", String::new());
        }
    }

    pub(super) fn open_gates(&mut self, uid: &str) {
        let Some(life) = self.present(uid).filter(|life| life.stage == Stage::Running) else { return };
        let now = self.seconds();
        let Some(pod) = self.store.get(&life.key) else { return };
        let gates = closed_gates(&pod.value);
        self.update(&life.key, |pod| {
            for gate in gates {
                set_condition(pod, &gate, "True", "", "", now);
            }
        });
        self.ready_pod(uid);
    }

    /// Somebody sets a condition of a pod, which its readiness gate may have waited for.
    pub(super) fn set_pod_condition(&mut self, key: &Key, type_: &str, status: &str) {
        let now = self.seconds();
        self.update(key, |pod| set_condition(pod, type_, status, "", "", now));
        let Some(pod) = self.store.get(key) else { return };
        let (uid, open) = (pod.uid().to_owned(), closed_gates(&pod.value).is_empty());
        let (ready, probed) = (is_true(&pod.value, "Ready"), is_true(&pod.value, "ContainersReady"));
        if open && !ready && probed {
            self.ready_pod(&uid);
        } else if !open && ready {
            let message = "corresponding condition of pod readiness gate is not True";
            self.update(key, |pod| {
                set_condition(pod, "Ready", "False", "ReadinessGatesNotReady", message, now)
            });
            self.note("kubelet", key, "Warning", "Unhealthy", "a readiness gate closed".into());
        }
    }

    /// A pod's containers end with an error.
    pub(super) fn crash_pod(&mut self, key: &Key) {
        let Some(uid) = self.running(key) else { return };
        let policy = self.store.get(key).map(|pod| pod.text("/spec/restartPolicy").to_owned());
        if policy.as_deref() == Some("Never") {
            return self.end_pod(key, "Failed", 1, "Error");
        }
        self.set_stage(&uid, Stage::Crashed);
        let now = self.seconds();
        self.update(key, |pod| {
            containers(pod, |status| {
                let started = status["state"]["running"]["startedAt"].clone();
                let ended = json!({
                    "exitCode": 1, "reason": "Error", "startedAt": started, "finishedAt": print_timestamp(now),
                });
                status["ready"] = false.into();
                status["started"] = false.into();
                status["lastState"] = json!({"terminated": ended});
                let message = "back-off restarting failed container";
                status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff", "message": message}});
            });
            not_ready(pod, now);
        });
        self.note("kubelet", key, "Warning", "BackOff", "containers ended with exit code 1".into());
        self.plan_restart(&uid);
    }

    fn plan_restart(&mut self, uid: &str) {
        let delay = self.delays.within(self.scenario.kubelet.restart);
        self.plan_in(delay, Task::Restart(uid.to_owned()));
    }

    pub(super) fn restart_pod(&mut self, uid: &str) {
        let life = self.present(uid).filter(|life| life.stage == Stage::Crashed && !life.leaving);
        if let Some(life) = life {
            self.run_containers(uid, &life.key, 1, "containers started again".into());
        }
    }

    pub(super) fn complete_pod(&mut self, uid: &str) {
        if let Some(life) = self.present(uid).filter(|life| life.stage == Stage::Running && !life.leaving) {
            self.end_pod(&life.key, "Succeeded", 0, "Completed");
        }
    }

    /// A pod ends for good.
    pub(super) fn end_pod(&mut self, key: &Key, phase: &'static str, exit_code: i64, reason: &'static str) {
        for uid in self.uids_of(key) {
            self.set_stage(&uid, Stage::Ended);
        }
        let now = self.seconds();
        self.update(key, |pod| {
            containers(pod, |status| {
                let ended =
                    json!({"exitCode": exit_code, "reason": reason, "finishedAt": print_timestamp(now)});
                status["ready"] = false.into();
                status["started"] = false.into();
                status["state"] = json!({"terminated": ended});
            });
            pod["status"]["phase"] = phase.into();
            let why = if phase == "Succeeded" { "PodCompleted" } else { "PodFailed" };
            set_condition(pod, "ContainersReady", "False", why, "", now);
            set_condition(pod, "Ready", "False", why, "", now);
        });
        let type_ = if phase == "Succeeded" { "Normal" } else { "Warning" };
        self.note("kubelet", key, type_, phase, format!("exit code {exit_code}"));
    }

    /// A pod's readiness probe fails, or no longer does.
    pub(super) fn set_unready(&mut self, key: &Key, unready: bool) {
        let Some(uid) = self.running(key) else { return };
        if let Some(life) = self.kubelet.lives.get_mut(&uid) {
            life.unready = unready;
        }
        if !unready {
            return self.ready_pod(&uid);
        }
        let now = self.seconds();
        self.update(key, |pod| {
            containers(pod, |status| status["ready"] = false.into());
            not_ready(pod, now);
        });
        self.note("kubelet", key, "Warning", "Unhealthy", "readiness probe failed".into());
    }

    fn stop(&mut self, uid: &str, node: &str) {
        if !self.answers(node) && self.nodes.is_known(node, &self.store) {
            if let Some(key) = self.key_of(uid) {
                self.remove_out_of_service(node, &key);
            }
            return;
        }
        // What was to be gone long before the start is held by something that is not simulated.
        let gone_by = self.key_of(uid).and_then(|key| {
            let pod = self.store.get(&key)?;
            parse_timestamp(pod.value.pointer("/metadata/deletionTimestamp")?.as_str()?)
        });
        if gone_by.is_some_and(|gone_by| gone_by + OVERDUE < self.start) {
            return;
        }
        let Some(life) = self.kubelet.lives.get_mut(uid).filter(|life| !life.leaving) else { return };
        life.leaving = true;
        let key = life.key.clone();
        let grace = self.store.get(&key).and_then(|pod| {
            pod.value.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_u64)
        });
        let grace = grace.unwrap_or(30) * 1000;
        // Who is evicted for another gang has something to save first.
        let is_evicted = self.store.get(&key).is_some_and(|pod| {
            let conditions = pod.value.pointer("/status/conditions").and_then(Value::as_array);
            conditions.into_iter().flatten().any(|condition| condition["type"] == "DisruptionTarget")
        });
        let shutdown = self.delays.within(self.scenario.kubelet.shutdown);
        // Who is being deleted when the simulation starts has not been quick.
        let is_slow = is_evicted || self.now == 0;
        let delay = if is_slow { grace } else { shutdown.min(grace) };
        self.plan_in(delay, Task::Stopped(uid.to_owned()));
        self.note("kubelet", &key, "Normal", "Killing", "containers are stopped".into());
    }

    pub(super) fn stopped_pod(&mut self, uid: &str) {
        let Some(life) = self.kubelet.lives.get(uid) else { return };
        if !self.answers(&life.node) && self.nodes.is_known(&life.node, &self.store) {
            let life = self.kubelet.lives.get_mut(uid).expect("it was there just now");
            life.leaving = false; // to be stopped when the node answers again
            return;
        }
        let key = life.key.clone();
        if self.store.get(&key).is_some_and(|pod| pod.uid() == uid) {
            self.store.remove(&key);
            self.note("kubelet", &key, "Normal", "Deleted", String::new());
        }
    }

    /// The life of a pod that is still there, on a node that answers.
    fn present(&self, uid: &str) -> Option<Life> {
        let life = self.kubelet.lives.get(uid)?;
        let there = self.store.get(&life.key).is_some_and(|pod| pod.uid() == uid);
        (there && self.answers(&life.node)).then(|| life.clone())
    }

    fn running(&self, key: &Key) -> Option<String> {
        let uid = self.store.get(key)?.uid().to_owned();
        let life = self.kubelet.lives.get(&uid)?;
        (life.stage == Stage::Running && self.answers(&life.node)).then_some(uid)
    }

    fn stage(&self, uid: &str) -> Option<Stage> {
        self.kubelet.lives.get(uid).map(|life| life.stage)
    }

    fn set_stage(&mut self, uid: &str, stage: Stage) {
        if let Some(life) = self.kubelet.lives.get_mut(uid) {
            life.stage = stage;
        }
    }

    fn uids_of(&self, key: &Key) -> Vec<String> {
        self.kubelet.by_key.get(key).into_iter().flatten().cloned().collect()
    }

    fn update(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        self.store.update(key, Actor::System, change);
    }

    /// The first image of the pod that cannot be pulled.
    fn unpullable(&self, key: &Key) -> Option<String> {
        let rules = &self.scenario.kubelet.unpullable;
        if rules.is_empty() {
            return None;
        }
        let pod = self.store.get(key)?;
        let images = pod.value.pointer("/spec/containers")?.as_array()?.iter();
        let mut images = images.filter_map(|container| container.get("image")?.as_str());
        images.find(|image| rules.iter().any(|rule| matches(rule, image))).map(str::to_owned)
    }

    fn next_address(&mut self) -> String {
        self.kubelet.addresses += 1;
        let n = self.kubelet.addresses;
        format!("10.{}.{}.{}", 64 + (n >> 16) % 64, (n >> 8) & 255, n & 255)
    }
}
