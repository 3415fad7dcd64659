//! The binary under test as a child process, on a cluster.

use crate::cluster::TestCluster;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// What `phalanx simulate` says of these manifests.
pub(crate) fn simulate(yaml: &str) -> serde_json::Value {
    let mut simulate = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .args(["simulate", "-", "-o", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    simulate.stdin.take().unwrap().write_all(yaml.as_bytes()).unwrap();
    let output = simulate.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A running `phalanx run`. Dropping it kills it; if the test fails, the end of its log is shown.
pub(crate) struct Phalanx {
    child: Arc<Mutex<Option<Child>>>,
    log: PathBuf,
}

impl Phalanx {
    /// Starts the binary. `arguments` come after the kubeconfig.
    pub(crate) fn start(kubeconfig: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
        command.arg("run").arg("--kubeconfig").arg(kubeconfig).args(["--listen-address", ""]).args(arguments);
        Self::spawn(command, kubeconfig)
    }

    /// Starts the binary as `deploy/` does: its manifests are applied. `arguments` replace those of the same flag.
    pub(crate) fn deployed(cluster: &TestCluster, arguments: &[&str]) -> Self {
        cluster.install_crds();
        cluster.get(["apply", "-k", concat!(env!("CARGO_MANIFEST_DIR"), "/deploy")]);
        Self::of_deployment(cluster, "phalanx-system", "phalanx", arguments)
    }

    /// Starts the binary as a Deployment says: the arguments are those of its container, the configuration is that of
    /// the ConfigMap, and the rights are those of the service account of its name. `arguments` replace those of the same
    /// flag.
    pub(crate) fn of_deployment(
        cluster: &TestCluster,
        namespace: &str,
        name: &str,
        arguments: &[&str],
    ) -> Self {
        let get = |kind: &str, path: &str| cluster.get(["get", kind, name, "-n", namespace, "-o", path]);
        let kubeconfig = cluster.as_service_account(namespace, name);
        let file = kubeconfig.with_file_name(format!("{namespace}.scheduler.yaml"));
        std::fs::write(&file, get("configmap", "jsonpath={.data.scheduler\\.yaml}")).unwrap();
        let told =
            get("deployment", "jsonpath={range .spec.template.spec.containers[0].args[*]}{@}{\"\\n\"}{end}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_phalanx"));
        for argument in told.lines() {
            match argument.split_once('=') {
                Some((flag, _)) if arguments.iter().any(|ours| ours.split('=').next() == Some(flag)) => {
                    &mut command
                }
                Some(("--config", _)) => command.arg("--config").arg(&file),
                Some(("--listen-address", _)) => command.arg("--listen-address=127.0.0.1:0"),
                _ => command.arg(argument),
            };
        }
        command.arg("--kubeconfig").arg(&kubeconfig).args(arguments);
        command.env("POD_NAMESPACE", namespace);
        Self::spawn(command, &kubeconfig)
    }

    fn spawn(mut command: Command, beside: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let log = beside.with_file_name(format!("phalanx-{}.log", COUNT.fetch_add(1, Ordering::SeqCst)));
        let child =
            command.stdin(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        Phalanx { child: Arc::new(Mutex::new(Some(child))), log }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// What it serves under this path, which it must.
    pub(crate) fn http(&self, path: &str) -> String {
        let log = self.log();
        let address = log.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let mut connection = TcpStream::connect(address.expect("it logs where it serves")).unwrap();
        connection
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.lock().unwrap().as_ref().expect("it has not been killed").id();
        assert!(Command::new("kill").args([format!("-{name}"), id.to_string()]).status().unwrap().success());
    }

    /// Has it ended by itself?
    pub(crate) fn has_ended(&self) -> bool {
        self.child.lock().unwrap().as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// What ends it, as `kill -9` does.
    pub(crate) fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.child))
    }
}

impl Drop for Phalanx {
    fn drop(&mut self) {
        self.killer().kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of its log:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// Ends one process, at once.
#[derive(Clone)]
pub(crate) struct Killer(Arc<Mutex<Option<Child>>>);

impl Killer {
    pub(crate) fn kill(&self) {
        if let Some(mut child) = self.0.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
