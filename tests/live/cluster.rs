//! A cluster to test against: `tests/cluster/cluster serve` as a child process, and kubectl on it. The cluster ends
//! when this process does, however it ends, because the script watches its standard input.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// The script's exit code for "no binaries here".
const NO_BINARIES: i32 = 77;

/// A running cluster. Dropping it takes it down and waits for that.
pub(crate) struct TestCluster {
    script: Child,
    /// Admin credentials and the address of the API server.
    pub(crate) kubeconfig: PathBuf,
    /// The directory of etcd, kube-apiserver, kubectl and the rest.
    pub(crate) binaries: PathBuf,
}

impl TestCluster {
    /// Brings up a cluster of one's own, in some seconds. `None`, loudly, if the binaries are not built.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with further options of the script.
    pub(crate) fn start_with(options: &[&str]) -> Option<Self> {
        static BUILT: OnceLock<bool> = OnceLock::new();
        let built = || {
            let mut binaries = Command::new(scripts().join("binaries"));
            binaries.arg("--no-build").stdout(Stdio::null()).stderr(Stdio::null());
            binaries.status().unwrap().code() != Some(NO_BINARIES)
        };
        if !*BUILT.get_or_init(built) {
            skipped("all that need a live cluster: tests/cluster/binaries builds what they need");
            return None;
        }
        let mut script = Command::new(scripts().join("cluster"))
            .args(["serve", "--no-build", "--lifetime", "900"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/cluster/cluster runs");
        let mut kubeconfig = PathBuf::new();
        let mut binaries = PathBuf::new();
        for line in BufReader::new(script.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            match line.split_once('=') {
                Some(("kubeconfig", value)) => kubeconfig = value.into(),
                Some(("binaries", value)) => binaries = value.into(),
                _ if line == "ready" => {
                    return Some(Self { script, kubeconfig, binaries });
                }
                _ => {}
            }
        }
        let status = script.wait().unwrap();
        panic!("the cluster did not come up, {status}: see standard error");
    }

    /// The cluster that the tests of one process share. Each test keeps to a namespace and to node names of its own.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<TestCluster>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A kubectl command on this cluster, as its administrator.
    pub(crate) fn kubectl<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(self.binaries.join("kubectl"));
        command.env("KUBECONFIG", &self.kubeconfig).args(arguments).stdin(Stdio::null());
        command
    }

    /// What kubectl prints.
    pub(crate) fn get<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        succeed(self.kubectl(arguments).output().unwrap())
    }

    /// What kubectl prints when it is given this text as the file `-`.
    pub(crate) fn feed<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, text: &str) -> String {
        let mut kubectl = self
            .kubectl(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        kubectl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        succeed(kubectl.wait_with_output().unwrap())
    }

    /// What a shell command prints, in which `kubectl` is this cluster's.
    pub(crate) fn shell(&self, command: &str) -> String {
        let mut shell = Command::new("bash");
        shell.args(["-o", "pipefail", "-c", command]).env("KUBECONFIG", &self.kubeconfig);
        succeed(shell.env("PATH", self.path()).stdin(Stdio::null()).output().unwrap())
    }

    fn path(&self) -> std::ffi::OsString {
        let path = std::env::var_os("PATH").unwrap();
        let all = std::iter::once(self.binaries.clone()).chain(std::env::split_paths(&path));
        std::env::join_paths(all).unwrap()
    }

    /// Creates what the YAML describes.
    pub(crate) fn create(&self, yaml: &str) {
        self.feed(["create", "-f", "-"], yaml);
    }

    /// Installs the CustomResourceDefinitions of `deploy/crds`, once, and waits until they are served.
    pub(crate) fn install_crds(&self) {
        static INSTALLED: std::sync::Mutex<Vec<PathBuf>> = std::sync::Mutex::new(Vec::new());
        // One test's failure is not another's.
        let mut installed = INSTALLED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !installed.contains(&self.kubeconfig) {
            self.get(["create", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/crds")]);
            self.kinds_are_served();
            installed.push(self.kubeconfig.clone());
        }
    }

    /// Waits until all CustomResourceDefinitions are served.
    pub(crate) fn kinds_are_served(&self) {
        self.script("served", &[]);
    }

    /// Creates a namespace, and waits for the service account without which its pods are refused.
    pub(crate) fn namespace(&self, name: &str) {
        self.get(["create", "namespace", name]);
        let accounts = ["get", "serviceaccounts", "-n", name, "-o", "jsonpath={.items[*].metadata.name}"];
        self.wait_for(&accounts, "default");
    }

    /// Creates nodes, and HyperNodes unless told otherwise, and waits until they are Ready; see `tests/cluster/fleet`.
    pub(crate) fn fleet(&self, arguments: &[&str]) {
        self.script("fleet", &[arguments, &["--create"]].concat());
    }

    /// Runs one of the scripts that go with clusters, on this one.
    fn script(&self, name: &str, arguments: &[&str]) {
        let mut script = Command::new(scripts().join(name));
        script.args(arguments).env("KUBECONFIG", &self.kubeconfig).env("PATH", self.path());
        succeed(script.output().unwrap());
    }

    /// A kubeconfig with the rights of a service account and no other, beside the administrator's.
    pub(crate) fn as_service_account(&self, namespace: &str, account: &str) -> PathBuf {
        let output = Command::new(scripts().join("cluster"))
            .args(["token", self.kubeconfig.to_str().unwrap(), namespace, account])
            .output();
        let file = self.kubeconfig.with_file_name(format!("{namespace}.{account}.kubeconfig"));
        std::fs::write(&file, succeed(output.unwrap())).unwrap();
        file
    }

    /// Waits until what kubectl prints is what is expected; shows the last of it if that takes more than two minutes.
    pub(crate) fn wait_for<S: AsRef<OsStr> + Clone>(&self, arguments: &[S], expect: &str) {
        self.wait_until(arguments, expect, |printed| printed == expect);
    }

    /// Waits until what kubectl prints is all right.
    pub(crate) fn wait_until<S: AsRef<OsStr> + Clone>(
        &self,
        arguments: &[S],
        expect: &str,
        is_right: impl Fn(&str) -> bool,
    ) {
        let started = std::time::Instant::now();
        loop {
            let last = self.get(arguments.iter().cloned());
            if is_right(&last) {
                return;
            }
            let waited = started.elapsed();
            assert!(waited.as_secs() < 120, "not after two minutes: {expect}\nbut: {last}");
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster")
}

/// Says so past the capture of the test harness: a skipped test must be seen.
pub(crate) fn skipped(which: &str) {
    static SAID: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    let mut said = SAID.lock().unwrap();
    if !said.iter().any(|known| known == which) {
        let _ = writeln!(std::io::stderr(), "SKIPPED TESTS: {which}");
        said.push(which.to_owned());
    }
}

/// What a command printed; its complaint is the test's failure.
pub(crate) fn succeed(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
