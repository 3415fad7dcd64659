//! `phalanx journal`: what is promised at the moment, from a cluster or from a dump of it. Reads and writes nothing.

use super::{BAD_INPUT, NOT_WELL, input, output};
use crate::api::object::ConfigMap;
use crate::engine::{Answer, Kind};
use crate::live::call::{Call, DEADLINE};
use crate::live::client;
use crate::reservation::journal::{HEAD, Head, OBJECTS, Place, Quarantined, read};
use crate::reservation::record::{Record, RecordState};
use crate::simulation::report::columns::columns;
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print what is promised to gangs at the moment and not yet carried out: from the cluster, or from files with the journal's
/// ConfigMaps (`kubectl get configmaps -n phalanx-system -o yaml`). Exit code 1: something in it cannot be read.
#[derive(Debug, Args)]
pub(super) struct Journal {
    /// Files or folders with the journal's ConfigMaps, YAML or JSON; `-` is standard input. Else the cluster is read.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The namespace of the journal: where the scheduler runs (--leader-elect-namespace).
    #[arg(short, long, value_name = "NAME", default_value = "phalanx-system")]
    namespace: String,
    /// What the names of its ConfigMaps begin with (--leader-elect-name).
    #[arg(long, value_name = "NAME", default_value = "phalanx")]
    name: String,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Which cluster; else KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Which context of the kubeconfig; else its current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Journal {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Journal { paths, namespace, name, output: format, kubeconfig, context } = self;
        let objects = if paths.is_empty() {
            let place = Place { namespace, name, holder: String::new() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let connected = client::connect_to(kubeconfig.as_deref(), context.as_deref()).await;
                let (clients, _) = connected.context("cannot find the cluster")?;
                fetch(&clients.watch, &place).await
            })?
        } else {
            match dumped(&paths) {
                Ok(objects) => objects,
                Err(error) => {
                    output::complain(&format!("phalanx: {error}"));
                    return Ok(ExitCode::from(BAD_INPUT));
                }
            }
        };
        let read: Vec<Page> = objects.into_iter().map(Page::new).collect();
        match format {
            Format::Text => output::print(&text(&read))?,
            Format::Json => output::print(&(serde_json::to_string_pretty(&value(&read))? + "\n"))?,
        }
        let well = read.iter().all(|page| page.quarantined.is_empty());
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(NOT_WELL) })
    }
}

/// An object of the journal.
struct Page {
    name: String,
    head: Option<Head>,
    records: Vec<Record>,
    quarantined: Vec<Quarantined>,
}

impl Page {
    fn new(object: ConfigMap) -> Page {
        let name = object.metadata.name;
        let head = object.data.get(HEAD).and_then(|head| Head::decode(head).ok());
        let (records, quarantined) = read(&name, &object.data);
        Page { name, head, records: records.into_iter().map(|(_, record)| record).collect(), quarantined }
    }
}

/// The journal's objects, by name.
pub(super) async fn fetch(client: &kube::Client, place: &Place) -> anyhow::Result<Vec<ConfigMap>> {
    let mut objects = Vec::new();
    // One may have been deleted, and those after it are there still.
    for number in 0..OBJECTS {
        let path = Kind::ConfigMap.path(&place.namespace, &place.object(number), "");
        match Call::get(path.clone()).run(client, DEADLINE).await {
            Answer::Done(value) => objects.push(serde_json::from_value(value).context(path)?),
            Answer::Refused { code: 404, .. } => {}
            Answer::Refused { message, .. } => anyhow::bail!("{path} cannot be read: {message}"),
            Answer::Unknown(error) => anyhow::bail!("{path} cannot be read: {error}"),
        }
    }
    Ok(objects)
}

/// The journal's objects of files: ConfigMaps with a head.
fn dumped(paths: &[PathBuf]) -> Result<Vec<ConfigMap>, String> {
    let mut objects = Vec::new();
    for path in paths {
        for file in input::files(path)? {
            let text = input::read(&file)?;
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
                .map_err(|error| format!("{}: cannot be read: {error}", file.display()))?;
            for mut document in documents {
                let items = match document["items"].take() {
                    Value::Array(items) => items,
                    _ => vec![document],
                };
                let journals = items.into_iter().filter(|object| {
                    object["kind"] == "ConfigMap"
                        && object["metadata"]["name"].as_str().is_some_and(|name| name.contains("-journal-"))
                });
                for object in journals {
                    let read = serde_json::from_value(object);
                    objects.push(read.map_err(|error| format!("{}: {error}", file.display()))?);
                }
            }
        }
    }
    Ok(objects)
}

fn state(record: &Record) -> &'static str {
    match record.state {
        RecordState::Binding => "being bound",
        RecordState::RollingBack => "rolling back",
        RecordState::Clearing => "others leave for it",
    }
}

fn text(pages: &[Page]) -> String {
    let mut text = String::new();
    match pages.iter().filter_map(|page| page.head.as_ref()).max_by_key(|head| head.epoch) {
        Some(head) => drop(writeln!(text, "Sealed by {} in epoch {}.\n", head.holder, head.epoch)),
        None if pages.is_empty() => text.push_str("There is no journal here; another namespace? (-n)\n\n"),
        None => {}
    }
    let mut rows = Vec::new();
    for (page, record) in pages.iter().flat_map(|page| page.records.iter().map(move |record| (page, record)))
    {
        let domain = record.domain.clone().unwrap_or_else(|| "the whole cluster".to_owned());
        for (at, entry) in record.entries.iter().enumerate() {
            let first = |text: &str| if at == 0 { text.to_owned() } else { String::new() };
            rows.push(vec![
                first(&record.gang.to_string()),
                first(state(record)),
                first(&domain),
                entry.name.clone(),
                entry.node.clone(),
                first(&page.name),
            ]);
        }
    }
    if rows.is_empty() {
        text.push_str("Nothing is promised at the moment.\n");
    } else {
        text.push_str(&columns(&["GANG", "STATE", "DOMAIN", "POD", "NODE", "CONFIGMAP"], &rows));
    }
    let quarantined: Vec<&Quarantined> = pages.iter().flat_map(|page| &page.quarantined).collect();
    if !quarantined.is_empty() {
        text.push_str("\nLEFT ALONE\n");
        for found in quarantined {
            let _ = writeln!(text, "ConfigMap {}: {}", found.object, found.message);
        }
    }
    text
}

fn value(pages: &[Page]) -> Value {
    let objects = pages.iter().map(|page| {
        let gangs = page.records.iter().map(|record| {
            let pods = record
                .entries
                .iter()
                .map(|entry| json!({ "name": entry.name, "uid": entry.uid, "node": entry.node }));
            json!({
                "namespace": record.gang.namespace, "name": record.gang.name, "state": state(record),
                "domain": record.domain, "tier": record.tier, "pods": pods.collect::<Vec<_>>(),
            })
        });
        let left = page.quarantined.iter().map(|found| json!({ "key": found.key, "message": found.message }));
        json!({
            "configMap": page.name,
            "epoch": page.head.as_ref().map(|head| head.epoch),
            "holder": page.head.as_ref().map(|head| head.holder.clone()),
            "gangs": gangs.collect::<Vec<_>>(), "leftAlone": left.collect::<Vec<_>>(),
        })
    });
    json!({ "apiVersion": "journal.phalanx.dev/v1alpha1", "objects": objects.collect::<Vec<_>>() })
}
