//! `phalanx run`: the scheduler and the ModelServing controller against a cluster.

use super::output;
use super::recording::{self, Recorder};
use crate::engine::{Pace, Plan, Step};
use crate::live::client;
use crate::live::clock::Clock;
use crate::live::http::{Health, serve};
use crate::live::lease::{Election, Gate, Standing};
use crate::live::log::{self, Level};
use crate::live::shell::{Sent, Shell};
use crate::live::tasks::Exit;
use crate::reservation::Settings;
use crate::reservation::journal::Place;
use crate::reservation::lease::LeaseSettings;
use crate::scheduler::config;
use anyhow::Context;
use clap::Args;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Runs the scheduler and the ModelServing controller against a cluster.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Which cluster; else KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The scheduler's configuration: Phalanx's own format or Volcano's.
    #[arg(long, value_name = "FILE", alias = "scheduler-conf")]
    config: Option<PathBuf>,
    /// A scheduler name to answer to; repeatable. Else the configuration's, `volcano` by default.
    #[arg(long, value_name = "NAME")]
    scheduler_name: Vec<String>,
    /// Which controllers run: `scheduler`, `modelserving`, or `*` for all.
    #[arg(long, value_name = "LIST", default_value = "*", value_delimiter = ',')]
    controllers: Vec<String>,
    /// Only one of several instances is to work at a time.
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    leader_elect: bool,
    /// The namespace of the Lease and of the journal. Else the pod's own (POD_NAMESPACE), or `kube-system` outside of a cluster.
    #[arg(long, value_name = "NAME")]
    leader_elect_namespace: Option<String>,
    /// The name of the Lease, and what the names of the journal's ConfigMaps begin with (`NAME-journal-0`).
    #[arg(long, value_name = "NAME", default_value = "phalanx")]
    leader_elect_name: String,
    /// How long a lease lasts without renewal.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    leader_elect_lease_seconds: u64,
    /// Where /livez, /readyz and /metrics are served; port 0 takes a free one and logs it; empty for nowhere.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen_address: String,
    /// How much is logged: error, warn, info, debug or trace. The environment variable PHALANX_LOG goes before it, with
    /// directives such as phalanx=debug,kube=info.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: Level,
    /// Keep what the scheduler and the controller do in this folder, to be done again by `phalanx replay`. Terms of the last
    /// seven days are kept, as far as the limit allows; nothing is kept of a pod that is not read.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// How much recordings may take, in MiB. The oldest terms go first; a term that reaches half of it is
    /// recorded no further.
    #[arg(long, value_name = "MEBIBYTES", default_value_t = 1024, requires = "record")]
    record_limit: u64,
    /// Logs as JSON, one object a line.
    #[arg(long)]
    log_json: bool,
}

impl Run {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        // Every field by name: a new flag cannot be forgotten here.
        let Run {
            kubeconfig,
            config,
            scheduler_name,
            controllers,
            leader_elect,
            leader_elect_namespace,
            leader_elect_name,
            leader_elect_lease_seconds,
            listen_address,
            log_level,
            record,
            record_limit,
            log_json,
        } = self;
        let record = record.map(|folder| (folder, record_limit << 20));
        let mut settings = match &config {
            Some(path) => read_config(path)?,
            None => config::SchedulerConfig::default(),
        };
        let names = scheduler_name;
        if !names.is_empty() {
            settings.cluster.scheduler_names.clone_from(&names);
        }
        let on = |name: &str| controllers.iter().any(|c| c == name || c == "*");
        if let Some(unknown) =
            controllers.iter().find(|c| !["*", "scheduler", "modelserving"].contains(&c.as_str()))
        {
            anyhow::bail!("--controllers: {unknown} is not one of scheduler, modelserving, *");
        }
        let namespace = leader_elect_namespace.unwrap_or_else(own_namespace);
        let plan = Plan {
            config: settings.clone(),
            scheduler: on("scheduler"),
            model_serving: on("modelserving"),
            reservation: Settings::default(),
            journal: Place {
                namespace: namespace.clone(),
                name: leader_elect_name.clone(),
                holder: identity(),
            },
            pace: Pace::Considerate,
        };
        let election = leader_elect.then(|| {
            let mut lease = LeaseSettings::default();
            lease.duration = std::time::Duration::from_secs(leader_elect_lease_seconds.max(3));
            lease.margin = lease.duration / 3;
            lease.renew_every = lease.duration / 8;
            Election {
                namespace,
                name: leader_elect_name,
                identity: plan.journal.holder.clone(),
                settings: lease,
            }
        });
        let listen = match listen_address.as_str() {
            "" => None,
            text => Some(text.parse::<SocketAddr>().with_context(|| format!("--listen-address {text}"))?),
        };
        log::start(log_level, log_json);
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "Phalanx starts");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut changes = None;
            if let Some(path) = config {
                let (sender, receiver) = watch::channel(settings);
                changes = Some(receiver);
                tokio::spawn(follow(path, names, sender));
            }
            work(plan, changes, kubeconfig, election, listen, record).await
        })
    }
}

async fn work(
    plan: Plan,
    changes: Option<watch::Receiver<config::SchedulerConfig>>,
    kubeconfig: Option<PathBuf>,
    election: Option<Election>,
    listen: Option<SocketAddr>,
    record: Option<(PathBuf, u64)>,
) -> anyhow::Result<ExitCode> {
    let clock = Clock::start();
    let started = tokio::time::Instant::now();
    let clients = client::connect(kubeconfig.as_deref()).await.context("cannot find the cluster")?;
    let health = Arc::new(Health::default());
    let mut server = tokio::spawn({
        let health = Arc::clone(&health);
        async move {
            match listen {
                Some(address) => serve(address, health, started).await,
                None => std::future::pending().await,
            }
        }
    });
    let (stopper, mut stop) = watch::channel(false);
    let (give_back, given_back) = oneshot::channel::<()>();
    let mut elected = None;
    let standing = election.map(|election| {
        let settings = election.settings.clone();
        let (sender, standing) = watch::channel(Standing::Candidate);
        let is_over = async move {
            // Where nobody says so the lease is kept until the process ends.
            if given_back.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let run = election.run(clients.write.clone(), clock, sender, Arc::clone(&health), is_over);
        elected = Some(tokio::spawn(run));
        (standing, settings)
    });
    let work = async {
        let (gate, epoch) = match standing {
            None => (Gate::open(clock), clock.timestamp().0.unsigned_abs()),
            Some((mut standing, settings)) => {
                tracing::info!("waiting for the lease");
                let epoch = loop {
                    if let Standing::Leading(held) = *standing.borrow_and_update() {
                        break held.epoch;
                    }
                    if *stop.borrow_and_update() {
                        return Ok(Sent::Answered);
                    }
                    // a standby that can read the Lease is healthy: it has nothing to do
                    let now = started.elapsed().as_secs();
                    health.beat.store(now, std::sync::atomic::Ordering::Relaxed);
                    tokio::select! {
                        _ = standing.changed() => {}
                        _ = stop.changed() => {}
                        () = tokio::time::sleep(std::time::Duration::from_secs(5)) => {}
                    }
                };
                (Gate::new(standing, settings, clock), epoch)
            }
        };
        health.metrics.leading.set(1);
        let recording = record.map(|(folder, limit)| keep(folder, clock, epoch, limit)).transpose()?;
        let health = Arc::clone(&health);
        anyhow::Ok(Shell { plan, changes, clients, gate, epoch, recording, stop, health, clock }.run().await?)
    };
    tokio::pin!(work);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        biased;
        _ = terminate.recv() => tracing::info!("terminated"),
        _ = tokio::signal::ctrl_c() => tracing::info!("interrupted"),
        result = &mut server => {
            result?.context("--listen-address")?;
            anyhow::bail!("the health server has ended")
        }
        exit = panics(&mut elected) => anyhow::bail!("the election for the lease has ended: {exit}"),
        result = &mut work => {
            result?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    // In order: nothing more is sent, what is on its way is answered, and only then may another lead at once. Else the lease
    // runs out, so that the next leader does not act before what was sent last is ruled out.
    let _ = stopper.send(true);
    if let Ok(Ok(Sent::Answered)) = tokio::time::timeout(std::time::Duration::from_secs(10), work).await
        && give_back.send(()).is_ok()
        && let Some(elected) = elected
    {
        let _ = elected.await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until the election panics; for ever if it does not: how else it ends is said to the shell.
async fn panics(elected: &mut Option<JoinHandle<()>>) -> Exit {
    if let Some(election) = elected {
        let ended = election.await;
        *elected = None;
        if let Err(error) = ended {
            return Exit::of(error);
        }
    }
    std::future::pending().await
}

/// Writes the steps of a term to a recording, until it ends or its limit is reached.
fn keep(folder: PathBuf, clock: Clock, epoch: u64, limit: u64) -> anyhow::Result<Sender<Vec<Step>>> {
    let name = format!("{}-term-{epoch}", clock.timestamp().to_string().replace(':', ""));
    recording::make_room(&folder, limit);
    let mut recorder = Recorder::begin(&folder, &name, limit / 2)?;
    let (sender, mut steps) = channel::<Vec<Step>>(1024);
    tokio::task::spawn_blocking(move || {
        while let Some(steps) = steps.blocking_recv() {
            match recorder.keep(&steps) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!("the recording cannot be written: {error:#}");
                    break;
                }
            }
        }
        if let Err(error) = recorder.end() {
            tracing::warn!("the recording cannot be written: {error:#}");
        }
    });
    Ok(sender)
}

pub(super) fn read_config(path: &Path) -> anyhow::Result<config::SchedulerConfig> {
    understand(path, &read_text(path)?)
}

#[expect(clippy::disallowed_methods, reason = "a configuration is a file")]
fn read_text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("--config {}", path.display()))
}

fn understand(path: &Path, text: &str) -> anyhow::Result<config::SchedulerConfig> {
    let (settings, warnings) =
        config::load(text).map_err(|errors| anyhow::anyhow!("{}:\n{errors}", path.display()))?;
    for warning in warnings {
        output::complain(&format!("{}: {warning}", path.display()));
    }
    Ok(settings)
}

/// How often the configuration is looked at. A mounted ConfigMap takes a minute to change anyhow.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(2);

/// Reads the configuration again whenever the file changes. One with a mistake is refused: the one in force stays.
async fn follow(path: PathBuf, names: Vec<String>, changes: watch::Sender<config::SchedulerConfig>) {
    let mut last = None;
    loop {
        let reading = tokio::task::spawn_blocking({
            let path = path.clone();
            move || read_text(&path).ok()
        });
        let text = reading.await.ok().flatten();
        if let (Some(text), Some(before)) = (&text, &last)
            && text != before
        {
            match understand(&path, text) {
                Ok(mut config) => {
                    if !names.is_empty() {
                        config.cluster.scheduler_names.clone_from(&names);
                    }
                    if changes.send(config).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "the changed configuration is refused; the one in force stays");
                }
            }
        }
        last = text.or(last);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Where the rights to a Lease are granted.
#[expect(clippy::disallowed_methods, reason = "a pod is told its namespace through its environment")]
fn own_namespace() -> String {
    let told = std::env::var("POD_NAMESPACE").ok().filter(|namespace| !namespace.is_empty());
    told.unwrap_or_else(|| "kube-system".to_owned())
}

/// Different for every process: the pod or host, the process and the time.
#[expect(clippy::disallowed_methods, reason = "two processes must not share an identity")]
fn identity() -> String {
    let name = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME"));
    let host = name.unwrap_or_else(|_| "phalanx".to_owned());
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    format!("{host}_{}_{nanos:x}", std::process::id())
}
