//! `phalanx explain`: why gangs of a cluster wait, or why one object stands where it does. Reads the cluster once, as far as
//! the user may, asks the same scheduler that runs in it and that the simulator runs, and writes nothing.

use super::account;
use super::account::objects::{self, Account};
use super::account::waiting::{Waiting, table, waiting};
use super::account::warnings::Warnings;
use super::found::{Found, Objects};
use super::run::read_config;
use super::{BAD_INPUT, output};
use crate::api::gang::Dialect;
use crate::api::keys;
use crate::api::pod_group::PodGroup;
use crate::engine::Kind;
use crate::live::client;
use crate::reservation::journal::Place;
use crate::scheduler::SchedulerConfig;
use crate::simulation::report::columns::columns;
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Explain why pods of a cluster wait, or where they are: reads it once and writes nothing. Without an object: every gang
/// that waits, the longest first.
#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(subcommand)]
    object: Option<Object>,
    /// Its namespace; else that of the kubeconfig's context.
    #[arg(short, long, global = true, value_name = "NAME")]
    namespace: Option<String>,
    /// How to print it.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Which cluster; else KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Which context of the kubeconfig; else its current one.
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// The configuration that the scheduler in the cluster has.
    #[arg(long, global = true, value_name = "FILE", alias = "scheduler-conf")]
    config: Option<PathBuf>,
    /// A scheduler name to answer to; repeatable. Else the configuration's, `volcano` by default.
    #[arg(long, global = true, value_name = "NAME")]
    scheduler_name: Vec<String>,
    /// The namespace of the scheduler's journal, where what it has promised stands.
    #[arg(long, global = true, value_name = "NAME", default_value = "phalanx-system")]
    journal_namespace: String,
    /// What the names of the journal's ConfigMaps begin with.
    #[arg(long, global = true, value_name = "NAME", default_value = "phalanx")]
    journal_name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
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
    /// A pod, with its gang.
    #[command(alias = "po", alias = "pods")]
    Pod {
        /// Its name.
        name: String,
    },
    /// A queue, with the gangs in it that wait.
    #[command(alias = "q", alias = "queues")]
    Queue {
        /// Its name.
        name: String,
    },
    /// A HyperNode: what is free in it, and what is wrong with it.
    #[command(alias = "hn", alias = "hypernodes")]
    Hypernode {
        /// Its name.
        name: String,
    },
    /// A node: what is free on it, and what keeps the gangs that wait from it.
    #[command(alias = "no", alias = "nodes")]
    Node {
        /// Its name.
        name: String,
    },
}

impl Object {
    /// The kind and the name as messages have them.
    fn title(&self, namespace: &str) -> String {
        match self {
            Object::Podgroup { name } => format!("PodGroup {namespace}/{name}"),
            Object::Modelserving { name } => format!("ModelServing {namespace}/{name}"),
            Object::Pod { name } => format!("Pod {namespace}/{name}"),
            Object::Queue { name } => format!("Queue {name}"),
            Object::Hypernode { name } => format!("HyperNode {name}"),
            Object::Node { name } => format!("Node {name}"),
        }
    }

    /// The objects that are looked at, as kind and name: what they ask for and do not get is told as well.
    fn concerned(&self, found: &Found, namespace: &str) -> BTreeSet<(&'static str, String)> {
        let key = |name: &str| format!("{namespace}/{name}");
        let of_gang = |key: &str| {
            let cluster = found.scheduler.cluster();
            let gang = cluster.gangs().id(key).and_then(|gang| cluster.gangs().get(gang));
            let pods =
                gang.into_iter().flat_map(|gang| &gang.pods).filter_map(|&pod| cluster.pods().get(pod));
            let pods = pods.map(|pod| ("Pod", pod.key.to_string()));
            pods.chain([("PodGroup", key.to_owned())]).collect::<BTreeSet<_>>()
        };
        match self {
            Object::Podgroup { name } => of_gang(&gang_key(found, namespace, name)),
            Object::Pod { name } => {
                let cluster = found.scheduler.cluster();
                let pod = cluster.pods().id(&key(name)).and_then(|pod| cluster.pods().get(pod));
                let gang = pod.and_then(|pod| cluster.gangs().get(pod.gang?));
                let mut concerned = BTreeSet::from([("Pod", key(name))]);
                concerned.extend(gang.map(|gang| ("PodGroup", gang.key.to_string())));
                concerned
            }
            Object::Modelserving { name } => {
                let groups = pod_groups_of(found, namespace, name);
                let gangs = groups.iter().flat_map(|group| of_gang(&key(&group.metadata.name)));
                gangs.chain([("ModelServing", key(name))]).collect()
            }
            Object::Queue { name } => BTreeSet::from([("Queue", name.clone())]),
            Object::Hypernode { .. } | Object::Node { .. } => BTreeSet::new(),
        }
    }

    fn account(&self, found: &Found, namespace: &str) -> Option<Account> {
        match self {
            Object::Podgroup { name } => account::of_pod_group(found, &gang_key(found, namespace, name)),
            Object::Modelserving { name } => model_serving(found, namespace, name),
            Object::Pod { name } => objects::pod(found, namespace, name),
            Object::Queue { name } => objects::queue(found, name),
            Object::Hypernode { name } => objects::hyper_node(found, name),
            Object::Node { name } => objects::node(found, name),
        }
    }
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Explain {
            object,
            namespace,
            output: format,
            kubeconfig,
            context,
            config,
            scheduler_name,
            journal_namespace,
            journal_name,
        } = self;
        let journal = Place { namespace: journal_namespace, name: journal_name, holder: String::new() };
        let mut settings = match &config {
            Some(path) => read_config(path)?,
            None => SchedulerConfig::default(),
        };
        if !scheduler_name.is_empty() {
            settings.cluster.scheduler_names = scheduler_name;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (objects, default) = runtime.block_on(async {
            let connected = client::connect_to(kubeconfig.as_deref(), context.as_deref()).await;
            let (clients, default) = connected.context("cannot find the cluster")?;
            // These tell nothing about placement.
            let silent = [Kind::Namespace, Kind::LeaderWorkerSet, Kind::Service, Kind::ControllerRevision];
            let mut objects = Objects::list(&clients.watch, &silent, &[]).await?;
            objects.read_promises(&clients.watch, &journal).await;
            anyhow::Ok((objects, default))
        })?;
        let found = Found::new(objects, settings);
        let namespace = namespace.unwrap_or(default);
        let concerned = object.as_ref().map(|object| object.concerned(&found, &namespace));
        let warnings = Warnings::about(&found, concerned.as_ref());
        let (mut text, mut value) = match &object {
            None => everything(&found),
            Some(object) => match object.account(&found, &namespace) {
                Some(account) => account,
                None => {
                    let title = object.title(&namespace);
                    let mut complaint = format!("phalanx: {title} does not exist; another namespace? (-n)");
                    for unread in &found.unread {
                        let _ = write!(complaint, "; {unread}");
                    }
                    output::complain(&complaint);
                    return Ok(ExitCode::from(BAD_INPUT));
                }
            },
        };
        match format {
            Format::Text => {
                warnings.print(&mut text);
                remarks(&found, &mut text);
                output::print(&text)?;
            }
            Format::Json => {
                value["apiVersion"] = json!("explain.phalanx.dev/v1alpha1");
                value["warnings"] = warnings.json();
                value["unread"] = json!(found.unread);
                value["unusable"] = json!(found.unusable);
                output::write(|out| {
                    serde_json::to_writer_pretty(&mut *out, &value)?;
                    Ok(writeln!(out)?)
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Every gang that waits.
fn everything(found: &Found) -> Account {
    let waiting = waiting(found, |_| true);
    let mut text = String::new();
    table(&waiting, &mut text);
    let items: Vec<Value> = waiting.iter().map(Waiting::json).collect();
    (text, json!({ "kind": "WaitingGangs", "items": items }))
}

fn model_serving(found: &Found, namespace: &str, name: &str) -> Option<Account> {
    let serving = found
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
    let groups = pod_groups_of(found, namespace, name);
    if groups.is_empty() {
        text.push_str("\nIt has no PodGroup yet.\n");
    }
    let mut accounts = Vec::new();
    for group in groups {
        let key = format!("{namespace}/{}", group.metadata.name);
        if let Some((account, value)) = account::of_pod_group(found, &key) {
            let _ = write!(text, "\n{account}");
            accounts.push(value);
        }
    }
    let value = json!({
        "kind": "ModelServing", "namespace": namespace, "name": name, "replicas": status.replicas,
        "availableReplicas": status.available_replicas, "updatedReplicas": status.updated_replicas,
        "conditions": status.conditions, "podGroups": accounts,
    });
    Some((text, value))
}

/// The key of the gang of a PodGroup: Volcano's where there is one of the name, else that of another API. The name may be the
/// one under which reports list the gang.
fn gang_key(found: &Found, namespace: &str, name: &str) -> String {
    let keys = Dialect::ALL.map(|dialect| format!("{namespace}/{}", dialect.gang_name(name)));
    let listed = format!("{namespace}/{name}");
    let gangs = found.scheduler.cluster().gangs();
    let known = keys.into_iter().find(|key| gangs.id(key).is_some());
    known.unwrap_or(listed)
}

/// The PodGroups of a ModelServing, in natural order.
fn pod_groups_of<'a>(found: &'a Found, namespace: &str, name: &str) -> Vec<&'a PodGroup> {
    let is_of = |group: &&PodGroup| {
        let label = group.metadata.labels.get(keys::MODEL_SERVING_NAME);
        group.metadata.namespace == namespace && label.is_some_and(|owner| owner == name)
    };
    let mut groups: Vec<&PodGroup> = found.pod_groups.iter().map(|group| &**group).filter(is_of).collect();
    groups.sort_by(|a, b| crate::cluster::natural::compare(&a.metadata.name, &b.metadata.name));
    groups
}

/// What could not be read, and what cannot be used.
fn remarks(found: &Found, text: &mut String) {
    if !found.unread.is_empty() {
        text.push_str("\nNot read, so that what depends on it may be told wrongly:\n");
        for unread in &found.unread {
            let _ = writeln!(text, "- {unread}");
        }
    }
    if !found.unusable.is_empty() {
        text.push_str("\nObjects that cannot be used and were left out:\n");
        for error in found.unusable.iter().take(10) {
            let _ = writeln!(text, "- {error}");
        }
        if found.unusable.len() > 10 {
            let _ = writeln!(text, "- and {} more", found.unusable.len() - 10);
        }
    }
}
