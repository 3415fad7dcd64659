//! The binary under test as a child process, on a cluster, straight or through a gateway that counts its writes.

use crate::cluster::TestCluster;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

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

    /// Starts the binary as `deploy/` does: its manifests are applied, the arguments are those of the Deployment, and the
    /// rights are those of its service account. `arguments` replace those of the same flag.
    pub(crate) fn deployed(cluster: &TestCluster, arguments: &[&str]) -> Self {
        let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
        cluster.install_crds();
        cluster.get(["apply", "-k", deploy]);
        let kubeconfig = cluster.as_service_account("phalanx-system", "phalanx");
        let config = cluster.get([
            "get",
            "configmap",
            "phalanx",
            "-n",
            "phalanx-system",
            "-o",
            "jsonpath={.data.scheduler\\.yaml}",
        ]);
        let file = kubeconfig.with_file_name("scheduler.yaml");
        std::fs::write(&file, config).unwrap();
        let told = "jsonpath={range .spec.template.spec.containers[0].args[*]}{@}{\"\\n\"}{end}";
        let told = cluster.get(["get", "deployment", "phalanx", "-n", "phalanx-system", "-o", told]);
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
        command.env("POD_NAMESPACE", "phalanx-system");
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

/// Stands between the binary and the API server: plain HTTP on loopback, one request a connection. Before or after the
/// n-th write it ends the binary, as a crash would.
pub(crate) struct Gateway {
    pub(crate) kubeconfig: PathBuf,
    proxy: Child,
    plan: Arc<Plan>,
}

#[derive(Default)]
struct Plan {
    upstream: AtomicU32,
    /// Writes left until the crash; negative: none is planned, or it has happened.
    left: AtomicI32,
    after: AtomicU32,
    writes: AtomicU32,
    victim: Mutex<Option<Killer>>,
}

impl Gateway {
    pub(crate) fn start(cluster: &TestCluster) -> Self {
        let mut proxy = cluster
            .kubectl(["proxy", "--port", "0", "--address", "127.0.0.1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = proxy.stdout.take().unwrap();
        let mut byte = [0];
        while output.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(char::from(byte[0]));
        }
        let port: u32 = line.rsplit(':').next().unwrap().trim().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let plan =
            Arc::new(Plan { upstream: AtomicU32::new(port), left: AtomicI32::new(-1), ..Plan::default() });
        let shared = Arc::clone(&plan);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let plan = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = plan.carry(connection);
                });
            }
        });
        let kubeconfig = cluster.kubeconfig.with_file_name(format!("gateway-{}", address.port()));
        std::fs::write(
            &kubeconfig,
            format!(
                "apiVersion: v1\nkind: Config\nclusters: [{{name: g, cluster: {{server: 'http://{address}'}}}}]\n\
                 contexts: [{{name: g, context: {{cluster: g, user: g}}}}]\ncurrent-context: g\nusers: [{{name: g, user: {{}}}}]\n"
            ),
        )
        .unwrap();
        Gateway { kubeconfig, proxy, plan }
    }

    /// Plans a crash of `victim` before (or after) its n-th write from now, counted from 0.
    pub(crate) fn crash_at(&self, n: u32, after: bool, victim: Killer) {
        *self.plan.victim.lock().unwrap() = Some(victim);
        self.plan.after.store(after.into(), Ordering::SeqCst);
        self.plan.left.store(n as i32, Ordering::SeqCst);
    }

    /// Forgets a plan that has not come about. True if there was one.
    pub(crate) fn calm(&self) -> bool {
        self.plan.victim.lock().unwrap().take();
        self.plan.left.swap(-1, Ordering::SeqCst) >= 0
    }

    /// Is a crash still to come?
    pub(crate) fn planned(&self) -> bool {
        self.plan.left.load(Ordering::SeqCst) >= 0
    }

    /// Writes that have come through.
    pub(crate) fn writes(&self) -> u32 {
        self.plan.writes.load(Ordering::SeqCst)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

impl Plan {
    fn carry(&self, mut client: TcpStream) -> std::io::Result<()> {
        let (head, body) = request(&mut client)?;
        let is_write = !head.starts_with("GET ");
        let crash = is_write && self.left.fetch_sub(1, Ordering::SeqCst) == 0;
        let after = self.after.load(Ordering::SeqCst) != 0;
        if crash && !after {
            self.crash();
            return Ok(());
        }
        let mut server = TcpStream::connect(("127.0.0.1", self.upstream.load(Ordering::SeqCst) as u16))?;
        server.write_all(head.as_bytes())?;
        server.write_all(&body)?;
        if is_write {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        if crash {
            std::io::copy(&mut server, &mut std::io::sink())?;
            self.crash();
            return Ok(());
        }
        std::io::copy(&mut server, &mut client)?;
        Ok(())
    }

    fn crash(&self) {
        if let Some(victim) = self.victim.lock().unwrap().take() {
            victim.kill();
        }
    }
}

/// Reads one request; asks the server to close after its answer, so that its end is the answer's end.
fn request(client: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        match client.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let value = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let length: usize = value("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while body.len() < length {
        match client.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => body.extend_from_slice(&chunk[..n]),
        }
    }
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    Ok((format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n")), body))
}
