//! `phalanx explain`: why a PodGroup or a ModelServing of a cluster stands where it does. Reads the cluster once, asks the
//! same scheduler that runs in it and that the simulator runs, and writes nothing.

use super::run::read_config;
use super::{BAD_INPUT, account, output};
use crate::api::decode::decode;
use crate::api::keys;
use crate::api::model_serving::ModelServing;
use crate::api::pod_group::PodGroup;
use crate::cluster::Event;
use crate::live::client;
use crate::live::clock::Clock;
use crate::live::kind::Kind;
use crate::live::watch::list;
use crate::reservation::record::{RESERVATION, Record};
use crate::scheduler::{PodRef, Scheduler, SchedulerConfig};
use crate::simulation::report::columns::columns;
use anyhow::Context;
use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Explain why pods of a cluster wait, or where they are: reads it once and writes nothing.
#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(subcommand)]
    object: Object,
    /// Its namespace.
    #[arg(short, long, global = true, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// Which cluster; else KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The configuration that the scheduler in the cluster has.
    #[arg(long, global = true, value_name = "FILE", alias = "scheduler-conf")]
    config: Option<PathBuf>,
    /// A scheduler name to answer to; repeatable. Else the configuration's, `volcano` by default.
    #[arg(long, global = true, value_name = "NAME")]
    scheduler_name: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Object {
    /// A PodGroup (podgroups.scheduling.volcano.sh).
    #[command(alias = "pg", alias = "podgroups")]
    Podgroup {
        /// Its name.
        name: String,
    },
    /// A ModelServing, with every PodGroup of it.
    #[command(alias = "ms", alias = "modelservings")]
    Modelserving {
        /// Its name.
        name: String,
    },
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Explain { object, namespace, kubeconfig, config, scheduler_name } = self;
        let mut settings = match &config {
            Some(path) => read_config(path)?,
            None => SchedulerConfig::default(),
        };
        if !scheduler_name.is_empty() {
            settings.cluster.scheduler_names = scheduler_name;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let found = runtime.block_on(async {
            let clients = client::connect(kubeconfig.as_deref()).await.context("cannot find the cluster")?;
            Found::read(&clients.watch, settings).await.context("cannot read the cluster")
        })?;
        let text = match &object {
            Object::Podgroup { name } => found.pod_group(&namespace, name),
            Object::Modelserving { name } => found.model_serving(&namespace, name),
        };
        match text {
            Some(text) => output::print(&text)?,
            None => {
                let what = match object {
                    Object::Podgroup { name } => format!("PodGroup {namespace}/{name}"),
                    Object::Modelserving { name } => format!("ModelServing {namespace}/{name}"),
                };
                output::complain(&format!("phalanx: {what} does not exist; another namespace? (-n)"));
                return Ok(ExitCode::from(BAD_INPUT));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a cluster holds, and the scheduler after one cycle on it.
struct Found {
    scheduler: Scheduler,
    pod_groups: Vec<PodGroup>,
    model_servings: Vec<ModelServing>,
    unusable: Vec<String>,
}

impl Found {
    async fn read(client: &kube::Client, settings: SchedulerConfig) -> anyhow::Result<Found> {
        let mut objects = Vec::new();
        // What others depend on first; Services and revisions tell nothing about placement.
        for kind in
            Kind::ALL.into_iter().filter(|kind| !matches!(kind, Kind::Service | Kind::ControllerRevision))
        {
            objects.push((kind, list(client, kind).await?));
        }
        let mut found = Found {
            scheduler: Scheduler::configured(settings),
            pod_groups: Vec::new(),
            model_servings: Vec::new(),
            unusable: Vec::new(),
        };
        for (kind, objects) in objects {
            objects.iter().for_each(|object| found.take(kind, object));
        }
        found.keep_promises();
        found.scheduler.cycle(&Clock::start().timestamp().to_string());
        Ok(found)
    }

    fn take(&mut self, kind: Kind, object: &Value) {
        match kind {
            Kind::Node => self.apply(object, |scheduler, node| scheduler.apply(Event::Node(node))),
            Kind::PriorityClass => {
                self.apply(object, |scheduler, class| scheduler.apply(Event::PriorityClass(class)))
            }
            Kind::Queue => self.apply(object, |scheduler, queue| scheduler.apply(Event::Queue(queue))),
            Kind::HyperNode => self.apply(object, |scheduler, node| scheduler.apply(Event::HyperNode(node))),
            Kind::Pod => self.apply(object, |scheduler, pod| scheduler.apply(Event::Pod(pod))),
            Kind::CsiNode => self.apply(object, |scheduler, node| scheduler.apply(Event::CsiNode(node))),
            Kind::StorageClass => {
                self.apply(object, |scheduler, class| scheduler.apply(Event::StorageClass(class)))
            }
            Kind::PersistentVolume => {
                self.apply(object, |scheduler, volume| scheduler.apply(Event::Volume(volume)))
            }
            Kind::PersistentVolumeClaim => {
                self.apply(object, |scheduler, claim| scheduler.apply(Event::Claim(claim)))
            }
            Kind::PodGroup => {
                if let Some(group) = self.read_as::<PodGroup>(object) {
                    self.scheduler.apply(Event::PodGroup(&group));
                    self.pod_groups.push(group);
                }
            }
            Kind::ModelServing => {
                let serving = self.read_as(object);
                self.model_servings.extend(serving);
            }
            Kind::Service | Kind::ControllerRevision => {}
        }
    }

    fn apply<T: DeserializeOwned>(&mut self, object: &Value, apply: impl FnOnce(&mut Scheduler, &T)) {
        if let Some(object) = self.read_as::<T>(object) {
            apply(&mut self.scheduler, &object);
        }
    }

    fn read_as<T: DeserializeOwned>(&mut self, object: &Value) -> Option<T> {
        decode(object).map_err(|error| self.unusable.push(error.to_string())).ok()
    }

    /// What the scheduler in the cluster has promised and not yet bound.
    fn keep_promises(&mut self) {
        for group in &self.pod_groups {
            let record =
                group.metadata.annotations.get(RESERVATION).and_then(|text| Record::decode(text).ok());
            for entry in record.into_iter().flat_map(|record| record.entries) {
                if let Some(uid) = entry.uid {
                    let namespace = group.metadata.namespace.clone();
                    self.scheduler.promise(&PodRef { namespace, name: entry.name, uid }, &entry.node);
                }
            }
        }
    }

    fn pod_group(&self, namespace: &str, name: &str) -> Option<String> {
        let mut text = account::of_pod_group(&self.scheduler, &format!("{namespace}/{name}"))?;
        self.unusable(&mut text);
        Some(text)
    }

    fn model_serving(&self, namespace: &str, name: &str) -> Option<String> {
        let serving = self
            .model_servings
            .iter()
            .find(|serving| serving.metadata.name == name && serving.metadata.namespace == namespace)?;
        let status = &serving.status;
        let mut text = format!("ModelServing {namespace}/{name}\n\n");
        let row = [status.replicas, status.available_replicas, status.updated_replicas]
            .map(|count| count.to_string())
            .to_vec();
        text.push_str(&columns(&["REPLICAS", "AVAILABLE", "UPDATED"], &[row]));
        text.push('\n');
        let conditions: Vec<Vec<String>> = status
            .conditions
            .iter()
            .map(|c| vec![c.type_.clone(), c.status.clone(), c.reason.clone(), c.message.clone()])
            .collect();
        text.push_str(&columns(&["CONDITION", "STATUS", "REASON", "MESSAGE"], &conditions));
        let mut groups: Vec<&PodGroup> = self
            .pod_groups
            .iter()
            .filter(|group| group.metadata.namespace == namespace)
            .filter(|group| {
                let label = group.metadata.labels.get(keys::MODEL_SERVING_NAME);
                label.is_some_and(|owner| owner == name)
            })
            .collect();
        groups.sort_by(|a, b| crate::cluster::natural::compare(&a.metadata.name, &b.metadata.name));
        if groups.is_empty() {
            text.push_str("\nIt has no PodGroup yet.\n");
        }
        for group in groups {
            let _ = writeln!(text);
            let account =
                account::of_pod_group(&self.scheduler, &format!("{namespace}/{}", group.metadata.name));
            text.push_str(&account.unwrap_or_default());
        }
        self.unusable(&mut text);
        Some(text)
    }

    fn unusable(&self, text: &mut String) {
        if self.unusable.is_empty() {
            return;
        }
        text.push_str("\nObjects that cannot be used and were left out:\n");
        for error in self.unusable.iter().take(10) {
            let _ = writeln!(text, "- {error}");
        }
        if self.unusable.len() > 10 {
            let _ = writeln!(text, "- and {} more", self.unusable.len() - 10);
        }
    }
}
