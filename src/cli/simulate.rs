//! `phalanx simulate`: manifests in, what the user would see out.

#[cfg(feature = "live")]
use super::found::Objects;
use super::{BAD_INPUT, NOT_WELL, input, output, progress, recording};
#[cfg(feature = "live")]
use crate::live::client;
use crate::scheduler::config::{self, SchedulerConfig};
use crate::simulation::report::diff::{Diff, Now};
use crate::simulation::report::{self, html, table, tree};
use crate::simulation::time::{Millis, parse_duration, print_duration};
use crate::simulation::{Ending, Problem, Reader, Report, Simulation, World};
use crate::words::counted;
use anyhow::Context;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  phalanx simulate simulations/llama-multinode.yaml --tree
          The main job: a model server of four pods on a small cluster, and where they sit

  kubectl get nodes,pods,podgroups.scheduling.volcano.sh,hypernodes,modelservings -A -o yaml > cluster.yaml
  phalanx simulate cluster.yaml new-model.yaml --html report.html
          What if: the new model on top of what runs now, with a page to look at

  phalanx simulate --from-cluster new-model.yaml --diff
          What the new model would alter on the cluster of the kubeconfig: who is placed, moves, waits or is evicted

  phalanx simulate cluster.yaml new-model.yaml --require-all && kubectl apply -f new-model.yaml
          Apply it only if all of it would be placed";

/// Place manifests offline: run the scheduler and the ModelServing controller on them in virtual time, and show what
/// would come of it.
///
/// Reads what a cluster would be given (Node, HyperNode, Queue, PriorityClass, PodGroup, Pod, ModelServing) as YAML or
/// JSON, what kubectl get -o yaml prints, and at most one document of kind Simulation, which adds made nodes, gangs
/// and a timeline. A later document is applied over an earlier one of the same name, so that a dump of a cluster and
/// a change to it make a what-if.
///
/// Exit codes: 0 done; 1 something waits and --require-all was given; 2 bad input.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Simulate {
    /// Manifests: files, folders, or - for standard input.
    #[cfg_attr(feature = "live", arg(required_unless_present_any = ["schema", "from_cluster"], value_name = "FILE"))]
    #[cfg_attr(not(feature = "live"), arg(required_unless_present = "schema", value_name = "FILE"))]
    files: Vec<PathBuf>,
    /// Read what the cluster holds first, as far as you may; the files are applied over it. Nothing is written.
    #[cfg(feature = "live")]
    #[arg(long)]
    from_cluster: bool,
    /// Which context of the kubeconfig; else its current one.
    #[cfg(feature = "live")]
    #[arg(long, value_name = "NAME", requires = "from_cluster")]
    context: Option<String>,
    /// Which cluster; else KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[cfg(feature = "live")]
    #[arg(long, value_name = "FILE", requires = "from_cluster")]
    kubeconfig: Option<PathBuf>,
    /// Print what would be different from what runs now: pods that are placed, move or lose their node, gangs that wait. What
    /// runs now is the cluster with --from-cluster, else what the first FILE says.
    #[arg(long, conflicts_with_all = ["tree", "objects", "timeline"])]
    diff: bool,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Print the topology with who sits where.
    #[arg(long, conflicts_with = "objects")]
    tree: bool,
    /// Print the objects that the controller and the scheduler made or changed, as YAML that kubectl reads.
    #[arg(long, conflicts_with = "output")]
    objects: bool,
    /// Stop at this virtual time, as in 90s or 1h30m, whatever the scenario says.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    until: Option<Millis>,
    /// Print what happened when.
    #[arg(long)]
    timeline: bool,
    /// Write the report as one page for people as well: who sits where, why anything waits, what happened when. A single
    /// file without scripts, to open in a browser or to attach to a ticket.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Keep what scheduler and controller do in this folder, to be done again by `phalanx replay`.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// List every pod, those of other schedulers too, however many there are.
    #[arg(long)]
    all: bool,
    /// The scheduler's configuration: Phalanx's own format or Volcano's.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Exit with 1 if a pod or a PodGroup of ours is left waiting, or a ModelServing has fewer replicas available than it
    /// asks for.
    #[arg(long)]
    require_all: bool,
    /// Name the kinds that were read and not used.
    #[arg(long)]
    ignored: bool,
    /// Print the schema of the Simulation document, with every field explained, and exit.
    #[arg(long)]
    schema: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For programs and people.
    Yaml,
}

fn duration(text: &str) -> Result<Millis, String> {
    parse_duration(text).ok_or_else(|| "write it as 90s, 5m or 1h30m".to_owned())
}

/// Inputs above so many bytes, or nodes, are worth a progress line.
const BIG: usize = 2_000_000;

impl Simulate {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.schema {
            output::print(crate::simulation::scenario::SCHEMA)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut now = Now::default();
        let (config, mut world) = match (self.read_config(), self.read_world(&mut now)) {
            (Ok(config), Ok(world)) => (config, world),
            (config, world) => {
                for problem in config.err().into_iter().chain(world.err()).flatten() {
                    output::complain(&problem);
                }
                return Ok(ExitCode::from(BAD_INPUT));
            }
        };
        for note in &world.notes {
            output::complain(&format!("note: {note}"));
        }
        if self.ignored {
            for (kind, count) in &world.ignored {
                output::complain(&format!("note: {count} {kind} read and not used"));
            }
        }
        world.scenario.until = self.until.or(world.scenario.until);
        let mut line = progress::Line::new(world.is_big());
        // A page has no room for the history of thousands of made gangs.
        let brief = !self.timeline && (self.html.is_none() || world.is_big());
        let end =
            world.scenario.until.map_or(String::new(), |until| format!(" of {}", print_duration(until)));
        line.show(&format!("loading {}", counted(world.size(), "object")));
        let mut run = Simulation::new(world, config);
        if brief {
            run.be_brief();
        }
        if let Some(folder) = &self.record {
            let held = recording::recordings(folder).unwrap_or_default();
            anyhow::ensure!(held.is_empty(), "--record {}: it holds recordings already", folder.display());
            run.record();
        }
        run.run(|progress| {
            line.tick(500, || {
                let now = print_duration(progress.now);
                format!("{now}{end} simulated, {} placed", counted(progress.placed, "pod"))
            });
        });
        line.show("writing the report");
        let report = Report::of(&run, self.timeline);
        drop(line);
        if self.diff {
            self.print_diff(&Diff::of(&now, &report))?;
        } else {
            self.print(&run, &report)?;
        }
        if let Some(path) = &self.html {
            output::save(path, &html::page(&run, &report, &self.title()))?;
        }
        if let Some(folder) = &self.record {
            for (number, recorded) in run.take_recordings().into_iter().enumerate() {
                let name = format!("{:02}-{}", number + 1, recorded.name);
                let mut recorder = recording::Recorder::begin(folder, &name, u64::MAX)?;
                recorder.keep(&recorded.steps)?;
                recorder.end()?;
            }
        }
        // The process is about to end: taking a large world apart first would only cost time.
        std::mem::forget(run);
        let restless = report.summary.ended == Ending::Restless.as_str();
        if restless || (self.require_all && report.anything_waits()) {
            return Ok(ExitCode::from(NOT_WELL));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What was simulated: the files by name.
    fn title(&self) -> String {
        let name = |path: &PathBuf| match path.to_str() {
            Some("-") => "standard input".to_owned(),
            _ => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        };
        self.files.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    fn read_config(&self) -> Result<SchedulerConfig, Vec<String>> {
        let Some(path) = &self.config else { return Ok(SchedulerConfig::default()) };
        let text = input::read(path).map_err(|error| vec![error])?;
        match config::load(&text) {
            Ok((config, warnings)) => {
                for warning in warnings {
                    output::complain(&format!("note: {}: {warning}", path.display()));
                }
                Ok(config)
            }
            Err(errors) => Err(errors.0.iter().map(|error| format!("{}: {error}", path.display())).collect()),
        }
    }

    /// Also notes what runs now.
    fn read_world(&self, now: &mut Now) -> Result<World, Vec<String>> {
        let mut reader = Reader::default();
        let mut unreadable = Vec::new();
        #[cfg(not(feature = "live"))]
        let from_cluster = false;
        #[cfg(feature = "live")]
        let from_cluster = self.from_cluster;
        #[cfg(feature = "live")]
        if from_cluster {
            match self.list_cluster() {
                Ok(list) => reader.read("the cluster", &list),
                Err(error) => return Err(vec![format!("phalanx: {error:#}")]),
            }
            reader.documents.iter().for_each(|document| now.take(&document.value));
        }
        for (index, path) in self.files.iter().enumerate() {
            let files = match input::files(path) {
                Ok(files) => files,
                Err(error) => {
                    unreadable.push(error);
                    continue;
                }
            };
            for file in files {
                match input::read(&file) {
                    Ok(text) => {
                        let mut line = progress::Line::new(text.len() > BIG);
                        line.show(&format!("reading {} ({} MB)", file.display(), text.len() / 1_000_000));
                        reader.read(&file.display().to_string(), &text);
                    }
                    Err(error) => unreadable.push(error),
                }
            }
            if index == 0 && !from_cluster {
                reader.documents.iter().for_each(|document| now.take(&document.value));
            }
        }
        if unreadable.is_empty() && reader.documents.is_empty() && reader.problems.is_empty() {
            // A dump that failed leaves an empty file: "nothing waits" would be the wrong answer.
            let remedy = "give manifests, or a document of kind Simulation";
            unreadable.push(format!("{}: holds no object; {remedy}", self.title()));
        }
        let print = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect::<Vec<_>>();
        if unreadable.is_empty() {
            World::admit(reader).map_err(print)
        } else {
            // What could be read is judged as well, so that all problems are known at once.
            unreadable.extend(World::admit(reader).err().map(print).into_iter().flatten());
            Err(unreadable)
        }
    }

    /// What the cluster holds, as one list.
    #[cfg(feature = "live")]
    fn list_cluster(&self) -> anyhow::Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let objects = runtime.block_on(async {
            let connected = client::connect_to(self.kubeconfig.as_deref(), self.context.as_deref()).await;
            let (clients, _) = connected.context("cannot find the cluster")?;
            // Claims of new pods are made from templates.
            use crate::engine::Kind;
            let (skip, besides) = ([Kind::Namespace], [Kind::ResourceClaimTemplate]);
            Objects::list(&clients.watch, &skip, &besides).await
        })?;
        for unread in &objects.unread {
            output::complain(&format!("note: {unread}"));
        }
        let items: Vec<_> = objects.kinds.into_iter().flat_map(|(_, items)| items).collect();
        Ok(serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string())
    }

    fn print_diff(&self, diff: &Diff) -> anyhow::Result<()> {
        match self.output {
            Format::Table => output::print(&diff.text()),
            Format::Json => output::write(|out| {
                serde_json::to_writer_pretty(&mut *out, diff)?;
                Ok(writeln!(out)?)
            }),
            Format::Yaml => {
                output::print(&serde_saphyr::to_string(diff).context("the difference has no YAML form")?)
            }
        }
    }

    fn print(&self, run: &Simulation, report: &Report) -> anyhow::Result<()> {
        if self.objects {
            // They have no place among objects.
            for warning in &report.warnings {
                output::complain(&format!("warning: {}: {}", warning.code, warning.message));
            }
            return output::write(|out| {
                for object in report::objects(run) {
                    let yaml = serde_saphyr::to_string(&object).context("an object has no YAML form")?;
                    write!(out, "---\n{yaml}")?;
                }
                Ok(())
            });
        }
        match self.output {
            Format::Table => {
                let mut text = String::new();
                if self.tree {
                    text.push_str(&tree::tree(run, report));
                    text.push('\n');
                }
                text.push_str(&table::table(report, table::View { all: self.all }));
                output::print(&text)
            }
            Format::Json => output::write(|out| {
                serde_json::to_writer_pretty(&mut *out, report)?;
                Ok(writeln!(out)?)
            }),
            Format::Yaml => {
                output::print(&serde_saphyr::to_string(report).context("the report has no YAML form")?)
            }
        }
    }
}
