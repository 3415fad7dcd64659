//! `phalanx replay`: makes the decisions of a recording again, and says what was decided when.

use super::{NOT_WELL, output, recording};
use crate::engine::replay::{Replay as Again, Row};
use crate::scheduler::report::GangReport;
use crate::simulation::time::{parse_duration, parse_timestamp};
use crate::words::counted;
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Make every decision of a recording again (`phalanx run --record`, `phalanx simulate --record`), and print it. Nothing is asked
/// of a cluster, and nothing is written.
///
/// Exit codes: 0 done; 1 something else was decided than at that time, as another version may; 2 bad input.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// A folder of recordings, or one of them.
    #[arg(value_name = "DIR")]
    path: PathBuf,
    /// Stop at this time, as 2026-01-01T08:30:00Z, or so long after the beginning of each recording, as 90s or 8h30m.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Say in the end where the gang of this PodGroup (`namespace/name`) stands, and why.
    #[arg(long, value_name = "GANG")]
    explain: Option<String>,
    /// Print requests and events as well.
    #[arg(long)]
    all: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// One recording, done again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    recording: String,
    /// The version of Phalanx that recorded it.
    version: String,
    steps: usize,
    /// Was something else decided than at that time?
    departs: bool,
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explained: Option<Explained>,
}

/// Where a gang stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    gang: String,
    minimum: u32,
    domain: Option<String>,
    reason: Option<&'static str>,
    message: String,
}

impl Replay {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let files = recording::recordings(&self.path)?;
        anyhow::ensure!(!files.is_empty(), "{}: holds no recording (*.steps.gz)", self.path.display());
        let done = files.iter().map(|file| self.again(file)).collect::<anyhow::Result<Vec<Done>>>()?;
        let departs = done.iter().any(|done| done.departs);
        match self.output {
            Format::Json => output::write(|out| {
                serde_json::to_writer_pretty(&mut *out, &serde_json::json!({ "recordings": done }))?;
                Ok(writeln!(out)?)
            })?,
            Format::Text => output::write(|out| done.iter().try_for_each(|done| print(done, out)))?,
        }
        Ok(if departs { ExitCode::from(NOT_WELL) } else { ExitCode::SUCCESS })
    }

    fn again(&self, file: &Path) -> anyhow::Result<Done> {
        let shown = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        let mut steps = recording::steps(file)?;
        let first = steps.next().with_context(|| format!("{shown}: is empty"))??;
        let until = self.until.as_deref().map(|text| until(text, first.now.wall)).transpose()?;
        let mut replay = Again::begin(first).with_context(|| shown.clone())?;
        let (mut rows, mut count) = (Vec::new(), 1);
        for step in steps {
            let step = step?;
            if until.is_some_and(|until| step.now.wall > until) {
                break;
            }
            let now = step.now;
            count += 1;
            let told = replay.step(step).with_context(|| format!("{shown}: step {count}"))?;
            let wanted = told.iter().filter(|told| self.all || told.is_decision());
            rows.extend(wanted.filter_map(|told| told.row(now)));
        }
        let explained = self.explain.as_deref().and_then(|gang| {
            let reports = replay.engine().scheduler().reports();
            let found =
                reports.into_iter().find(|report| format!("{}/{}", report.namespace, report.name) == gang);
            found.map(|report| explained(gang, report))
        });
        let departs = replay.departs();
        Ok(Done { recording: shown, version: replay.version, steps: count, departs, rows, explained })
    }
}

/// The time at which to stop, since 1970.
fn until(text: &str, began: Duration) -> anyhow::Result<Duration> {
    if let Some(at) = parse_timestamp(text) {
        return Ok(Duration::from_secs(u64::try_from(at).unwrap_or(0)));
    }
    let after = parse_duration(text).map(Duration::from_millis);
    after.map(|after| began + after).with_context(|| {
        format!("--until {text}: is no time; write it as 2026-01-01T08:30:00Z, or as 90s or 8h30m from the beginning")
    })
}

fn explained(gang: &str, report: GangReport) -> Explained {
    Explained {
        gang: gang.to_owned(),
        minimum: report.minimum,
        domain: report.domain,
        reason: report.reason.map(|reason| reason.as_str()),
        message: report.message,
    }
}

fn print(done: &Done, out: &mut dyn Write) -> anyhow::Result<()> {
    let steps = counted(done.steps, "step");
    writeln!(out, "{}: {steps}, recorded by {}", done.recording, done.version)?;
    for row in &done.rows {
        writeln!(out, "{}  {:<11}  {}  {}", row.time, row.what, row.object, row.message)?;
    }
    if let Some(of) = &done.explained {
        let place = of.domain.as_deref().unwrap_or("no HyperNode holds all of it");
        match of.reason {
            Some(reason) => writeln!(out, "{} waits ({reason}): {}", of.gang, of.message)?,
            None => writeln!(out, "{} is placed: {place}", of.gang)?,
        }
    }
    if done.departs {
        writeln!(out, "something else is decided here than at that time")?;
    }
    Ok(())
}
