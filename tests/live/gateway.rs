//! What stands between the binary and the API server: plain HTTP on loopback, one request a connection. Before or after
//! the n-th write that concerns a gang it ends the binary, as a crash would; and it loses answers, if told to. Writes
//! are let through as they come; or one by one, so that the crash leaves the first n and nothing else.

use crate::cluster::TestCluster;
use crate::phalanx::Killer;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// `kubectl proxy`: the API server without credentials and TLS.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) port: u16,
}

impl Proxy {
    pub(crate) fn start(cluster: &TestCluster) -> Self {
        // It ends with this process, however that ends: its shell watches standard input.
        let script = "\"$0\" proxy --port 0 --address 127.0.0.1 & read -r _; kill $!";
        let mut child = Command::new("bash")
            .args(["-c", script])
            .arg(cluster.binaries.join("kubectl"))
            .env("KUBECONFIG", &cluster.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = child.stdout.take().unwrap();
        let mut byte = [0];
        while output.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(char::from(byte[0]));
        }
        let port = line.rsplit(':').next().unwrap().trim().parse().unwrap();
        Proxy { child, port }
    }

    /// Asks the API server; anything but success is the test's failure, except that there may be nothing.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut server = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Accept: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        server.write_all(head.as_bytes()).unwrap();
        server.write_all(body.as_bytes()).unwrap();
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).unwrap();
        let split = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..split]).to_ascii_lowercase();
        let body = &answer[split + 4..];
        let body = if head.contains("transfer-encoding: chunked") { whole(body) } else { body.to_vec() };
        let code: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let text = String::from_utf8_lossy(&body);
        assert!((200..300).contains(&code) || code == 404, "{method} {path}: {code} {text}");
        serde_json::from_slice(&body).unwrap_or(Value::Null)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The body behind its chunks.
fn whole(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = chunks.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap().trim(), 16).unwrap();
        if length == 0 {
            break;
        }
        body.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 4 + length..];
    }
    body
}

/// The gateway of one instance at a time.
pub(crate) struct Gateway {
    pub(crate) kubeconfig: PathBuf,
    plan: Arc<Plan>,
}

#[derive(Default)]
struct Plan {
    upstream: u16,
    /// Writes that do not mention this, and do not go to the journal, are let through uncounted.
    about: Mutex<String>,
    /// Writes left until the crash; negative: none is planned, or it has happened.
    left: AtomicI32,
    after: AtomicU32,
    writes: AtomicU32,
    victim: Mutex<Option<Killer>>,
    /// Held by the write that is under way, if they go one by one.
    turn: Mutex<()>,
    one_by_one: AtomicBool,
    /// Of 1,000 requests so many go wrong.
    faults: AtomicU32,
    faulty: AtomicU32,
    dice: AtomicU64,
}

impl Gateway {
    /// `name` tells it from others of the cluster.
    pub(crate) fn start(cluster: &TestCluster, proxy: &Proxy, name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Plan { upstream: proxy.port, left: AtomicI32::new(-1), ..Plan::default() });
        let shared = Arc::clone(&plan);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let plan = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = plan.carry(connection);
                });
            }
        });
        let kubeconfig = cluster.kubeconfig.with_file_name(format!("gateway-{name}"));
        std::fs::write(
            &kubeconfig,
            format!(
                "apiVersion: v1\nkind: Config\nclusters: [{{name: g, cluster: {{server: 'http://{address}'}}}}]\n\
                 contexts: [{{name: g, context: {{cluster: g, user: g}}}}]\ncurrent-context: g\nusers: [{{name: g, user: {{}}}}]\n"
            ),
        )
        .unwrap();
        Gateway { kubeconfig, plan }
    }

    /// From now on writes that count go one by one.
    pub(crate) fn one_by_one(&self) {
        self.plan.one_by_one.store(true, Ordering::SeqCst);
    }

    /// Plans a crash of `victim` before (or after) its n-th write that mentions `about`, counted from 0 and from now.
    pub(crate) fn crash_at(&self, about: &str, n: u32, after: bool, victim: Killer) {
        self.plan.left.store(-1, Ordering::SeqCst);
        *self.plan.victim.lock().unwrap() = Some(victim);
        about.clone_into(&mut self.plan.about.lock().unwrap());
        self.plan.writes.store(0, Ordering::SeqCst);
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

    /// Writes about the gang since the crash was planned.
    pub(crate) fn writes(&self) -> u32 {
        self.plan.writes.load(Ordering::SeqCst)
    }

    /// From now on so many of 1,000 requests go wrong.
    pub(crate) fn faults(&self, per_mille: u32, seed: u64) {
        self.plan.dice.store(seed, Ordering::SeqCst);
        self.plan.faults.store(per_mille, Ordering::SeqCst);
    }

    /// Requests that went wrong.
    pub(crate) fn faulty(&self) -> u32 {
        self.plan.faulty.load(Ordering::SeqCst)
    }
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It does not arrive.
    Lost,
    /// It arrives, and its answer does not.
    AnswerLost,
    /// It is refused for now.
    Refused(&'static str),
}

impl Plan {
    fn roll(&self) -> u64 {
        let seed = self.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        seed ^ (seed >> 31)
    }

    fn fault(&self) -> Option<Fault> {
        if self.roll() % 1000 >= u64::from(self.faults.load(Ordering::SeqCst)) {
            return None;
        }
        self.faulty.fetch_add(1, Ordering::SeqCst);
        Some(match self.roll() % 4 {
            0 => Fault::Lost,
            1 => Fault::AnswerLost,
            2 => Fault::Refused("429 Too Many Requests\r\nRetry-After: 1"),
            _ => Fault::Refused("503 Service Unavailable"),
        })
    }

    fn carry(&self, mut client: TcpStream) -> std::io::Result<()> {
        let (head, body) = request(&mut client)?;
        let is_write = !head.starts_with("GET ");
        // Nothing depends on an event; a crash at one is a crash between two other writes.
        let line = head.lines().next().unwrap_or("");
        let counts = is_write && !line.contains("/events") && {
            let about = self.about.lock().unwrap().clone();
            // What is removed from the journal is not named.
            let mentions = head.contains(&about) || String::from_utf8_lossy(&body).contains(&about);
            mentions || line.contains("/configmaps")
        };
        let one_by_one = counts && self.one_by_one.load(Ordering::SeqCst);
        let _turn = one_by_one.then(|| self.turn.lock().unwrap());
        if one_by_one && has_gone(&client) {
            return Ok(());
        }
        let crash = counts && self.left.fetch_sub(1, Ordering::SeqCst) == 0;
        let after = self.after.load(Ordering::SeqCst) != 0;
        if crash && !after {
            self.crash();
            return Ok(());
        }
        // Leases are spared: that leaders come and go is for other tests.
        let fault = if crash || head.contains("/leases") { None } else { self.fault() };
        match fault {
            Some(Fault::Lost) => return Ok(()),
            Some(Fault::Refused(status)) => {
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                return client.write_all(answer.as_bytes());
            }
            _ => {}
        }
        let mut server = TcpStream::connect(("127.0.0.1", self.upstream))?;
        server.write_all(head.as_bytes())?;
        server.write_all(&body)?;
        self.writes.fetch_add(counts.into(), Ordering::SeqCst);
        if counts && std::env::var_os("PHALANX_TEST_LOG").is_some() {
            eprintln!("{} {}", head.lines().next().unwrap_or(""), String::from_utf8_lossy(&body));
        }
        if crash {
            std::io::copy(&mut server, &mut std::io::sink())?;
            self.crash();
            return Ok(());
        }
        if fault == Some(Fault::AnswerLost) && is_write {
            std::io::copy(&mut server, &mut std::io::sink())?;
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

/// Has who asked ended meanwhile? The kernel closes the connections of a process before anybody learns that it has ended.
fn has_gone(client: &TcpStream) -> bool {
    let peek = |client: &TcpStream| {
        client.set_nonblocking(true)?;
        let read = client.peek(&mut [0]);
        client.set_nonblocking(false)?;
        read
    };
    !matches!(peek(client), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
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
