//! A scripted API server: as much of Kubernetes' API as a sandbox uses, and what can go wrong in it.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use crate::kubernetes::kubelet::{Node, Streams};

/// What goes otherwise than usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// The pod's status for ever: it never starts.
    pub(crate) stuck: Option<Value>,
    /// It starts only when this many looks at it were taken.
    pub(crate) slow: u32,
    /// No pod is made, with this complaint.
    pub(crate) no_pod: Option<String>,
    /// How the command is said to have ended, whatever it did.
    pub(crate) reason: Option<&'static str>,
    /// The status of the whole pod once the command has ended.
    pub(crate) pod_over: Option<Value>,
    /// The pod goes when the command has ended, and the Job says this.
    pub(crate) job_failed: Option<&'static str>,
    /// What comes out of the pod.
    pub(crate) comes_out: Option<Vec<u8>>,
    /// Bytes after which each stream of a log breaks off.
    pub(crate) log_breaks: Option<usize>,
    /// Answers to requests of a method, in this order, before any other.
    pub(crate) answers: VecDeque<(Method, u16, &'static str)>,
    /// The first creation is done and its answer lost.
    pub(crate) create_is_lost: bool,
    /// Verbs that the account lacks.
    pub(crate) denied: Vec<&'static str>,
    /// No network policy is there.
    pub(crate) no_policy: bool,
    /// What a pod reaches that it must not.
    pub(crate) service: Option<String>,
}

struct Pod {
    job: Value,
    node: Option<Arc<Node>>,
    streams: Option<Streams>,
    status: Value,
    looks: u32,
    gone: bool,
}

/// The cluster.
pub(crate) struct Api {
    dir: tempfile::TempDir,
    pub(crate) script: Mutex<Script>,
    jobs: Mutex<BTreeMap<String, Pod>>,
    /// Every request, and every Job that was made.
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) made: Mutex<Vec<Value>>,
    changes: watch::Sender<u64>,
    /// Changes whenever the server restarts.
    lives: watch::Sender<u64>,
    pub(crate) kubeconfig: PathBuf,
}

impl Api {
    pub(crate) async fn start(script: Script) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let kubeconfig = dir.path().join("config");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        let api = Arc::new(Self {
            dir,
            script: Mutex::new(script),
            jobs: Mutex::default(),
            asked: Mutex::default(),
            made: Mutex::default(),
            changes: watch::channel(1).0,
            lives: watch::channel(0).0,
            kubeconfig,
        });
        let router = axum::Router::new().fallback(answer).with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        api
    }

    /// Ends every stream, and refuses what comes next this many times.
    pub(crate) fn restart(&self, refusals: usize) {
        let refusal = (Method::GET, 503, "starting");
        self.script
            .lock()
            .unwrap()
            .answers
            .extend(vec![refusal; refusals]);
        self.lives.send_modify(|life| *life += 1);
    }

    /// Puts a Job there that somebody made before.
    pub(crate) fn put(&self, job: Value) {
        let name = job["metadata"]["name"].as_str().unwrap().to_owned();
        let pod = Pod {
            job,
            node: None,
            streams: None,
            status: json!({"phase": "Running"}),
            looks: 0,
            gone: false,
        };
        self.jobs.lock().unwrap().insert(name, pod);
    }

    pub(crate) fn jobs(&self) -> Vec<String> {
        self.jobs.lock().unwrap().keys().cloned().collect()
    }

    pub(crate) fn count(&self, request: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|asked| asked.contains(request))
            .count()
    }

    fn change(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    fn create(self: &Arc<Self>, job: Value) -> Response {
        let name = job["metadata"]["name"].as_str().unwrap().to_owned();
        if self.jobs.lock().unwrap().contains_key(&name) {
            return status(409, "jobs.batch already exists");
        }
        let script = self.script.lock().unwrap().clone();
        self.made.lock().unwrap().push(job.clone());
        self.put(job.clone());
        if script.stuck.is_none() && script.no_pod.is_none() {
            self.run(&name, &job, &script);
        } else if let Some(stuck) = script.stuck {
            self.jobs.lock().unwrap().get_mut(&name).unwrap().status = stuck;
        }
        self.change();
        if script.create_is_lost {
            self.script.lock().unwrap().create_is_lost = false;
            return status(500, "the answer was lost");
        }
        Reply(job).into_response()
    }

    fn run(self: &Arc<Self>, name: &str, job: &Value, script: &Script) {
        let number = self.made.lock().unwrap().len();
        let (node, mut streams) = Node::start(&self.dir.path().join(format!("node-{number}")), job);
        let node = Arc::new(node);
        let mut readers = Vec::new();
        let talks = streams.stdin.is_some();
        if !talks {
            let (out, err) = (
                streams.stdout.take().unwrap(),
                streams.stderr.take().unwrap(),
            );
            for stream in [Box::new(out) as Box<dyn Read + Send>, Box::new(err)] {
                let (node, changes) = (node.clone(), self.changes.clone());
                readers.push(std::thread::spawn(move || {
                    pump(stream, |bytes| {
                        node.print(bytes);
                        changes.send_modify(|version| *version += 1);
                    });
                }));
            }
        }
        {
            let mut jobs = self.jobs.lock().unwrap();
            let pod = jobs.get_mut(name).unwrap();
            pod.status = containers(&json!({"running": {}}));
            pod.streams = Some(streams);
            pod.node = Some(node.clone());
        }
        let (api, name, script) = (self.clone(), name.to_owned(), script.clone());
        std::thread::spawn(move || {
            let code = node.wait();
            for reader in readers {
                reader.join().unwrap();
            }
            let ended = json!({"terminated": {"exitCode": code, "reason": script.reason.unwrap_or("Error")}});
            if let Some(pod) = api.jobs.lock().unwrap().get_mut(&name) {
                pod.status = script
                    .pod_over
                    .clone()
                    .unwrap_or_else(|| containers(&ended));
                if let Some(reason) = script.job_failed {
                    pod.gone = true;
                    pod.job["status"] = json!({"conditions": [{"type": "Failed", "status": "True", "reason": reason}]});
                }
            }
            api.change();
        });
    }

    fn pod(&self, name: &str) -> Option<Value> {
        let slow = self.script.lock().unwrap().slow;
        let no_pod = self.script.lock().unwrap().no_pod.is_some();
        let mut jobs = self.jobs.lock().unwrap();
        let pod = jobs.get_mut(name).filter(|pod| !pod.gone && !no_pod)?;
        pod.looks += 1;
        let status = if pod.looks > slow {
            pod.status.clone()
        } else {
            json!({"phase": "Pending"})
        };
        Some(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{name}-pod"), "labels": {"batch.kubernetes.io/job-name": name}},
            "status": status,
        }))
    }

    /// Whether the pod of a Job is still said not to have started.
    fn is_slow(&self, name: &str) -> bool {
        let slow = self.script.lock().unwrap().slow;
        let jobs = self.jobs.lock().unwrap();
        jobs.get(name).is_some_and(|pod| pod.looks <= slow)
    }

    fn node(&self, pod: &str) -> Option<Arc<Node>> {
        let jobs = self.jobs.lock().unwrap();
        jobs.get(pod.strip_suffix("-pod")?)?.node.clone()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        for pod in self.jobs.lock().unwrap().values() {
            if let Some(node) = &pod.node {
                node.end();
            }
        }
    }
}

fn containers(run: &Value) -> Value {
    let one = |name, state: &Value| json!({"name": name, "image": "img", "imageID": "", "ready": true, "restartCount": 0, "state": state});
    json!({"phase": "Running", "containerStatuses": [one("run", run), one("keeper", &json!({"running": {}}))]})
}

/// A value as an answer.
struct Reply(Value);

impl axum::response::IntoResponse for Reply {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (kind, self.0.to_string()).into_response()
    }
}

fn status(code: u16, message: &str) -> Response {
    let reason = match code {
        404 => "NotFound",
        409 => "AlreadyExists",
        _ => "Other",
    };
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": reason});
    (StatusCode::from_u16(code).unwrap(), Reply(body)).into_response()
}

fn list(items: &[Value], version: u64) -> Response {
    let version = version.to_string();
    Reply(json!({"metadata": {"resourceVersion": version}, "items": items})).into_response()
}

fn pump(mut stream: impl Read, mut take: impl FnMut(&[u8])) {
    let mut chunk = vec![0; 8192];
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        take(&chunk[..read]);
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each call of the API")]
async fn answer(State(api): State<Arc<Api>>, mut request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let query: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| {
            let value = value.replace('+', " ");
            let value = percent_encoding::percent_decode_str(&value)
                .decode_utf8()
                .unwrap();
            (key.to_owned(), value.into_owned())
        })
        .collect();
    let value = |key: &str| {
        query
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
    };
    api.asked
        .lock()
        .unwrap()
        .push(format!("{method} {path} {query:?}"));
    {
        let mut script = api.script.lock().unwrap();
        if script
            .answers
            .front()
            .is_some_and(|(next, _, _)| *next == method)
        {
            let (_, code, message) = script.answers.pop_front().unwrap();
            return status(code, message);
        }
    }
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let version = *api.changes.borrow();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["version"]) => Reply(json!({
            "major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
        }))
        .into_response(),
        ("POST", [.., "selfsubjectaccessreviews"]) => {
            let mut review = body(request).await;
            let asked = &review["spec"]["resourceAttributes"];
            let part = asked["subresource"].as_str().map(|part| format!("/{part}")).unwrap_or_default();
            let wish = format!("{} {}{part}", asked["verb"].as_str().unwrap(), asked["resource"].as_str().unwrap());
            let denied = api.script.lock().unwrap().denied.contains(&wish.as_str());
            review["status"] = json!({"allowed": !denied});
            Reply(review).into_response()
        }
        ("GET", [.., "networkpolicies"]) => {
            let none = api.script.lock().unwrap().no_policy;
            let policy = json!({"metadata": {"name": "nothing"}});
            list(if none { &[] } else { std::slice::from_ref(&policy) }, version)
        }
        ("GET", [.., "events"]) => {
            let complaint = api.script.lock().unwrap().no_pod.clone();
            let event = complaint.map(|message| {
                json!({"metadata": {}, "involvedObject": {}, "reason": "FailedCreate", "message": message})
            });
            list(&event.into_iter().collect::<Vec<_>>(), version)
        }
        ("POST", [.., "jobs"]) => {
            let job = body(request).await;
            api.create(job)
        }
        ("GET", [.., "jobs"]) => {
            let jobs = api.jobs.lock().unwrap();
            list(&jobs.values().map(|pod| pod.job.clone()).collect::<Vec<_>>(), version)
        }
        ("GET", [.., "jobs", name]) => match api.jobs.lock().unwrap().get(*name) {
            Some(pod) => Reply(pod.job.clone()).into_response(),
            None => status(404, "jobs.batch not found"),
        },
        ("DELETE", [.., "jobs", name]) => match api.jobs.lock().unwrap().remove(*name) {
            Some(pod) => {
                if let Some(node) = &pod.node {
                    node.end();
                }
                api.change();
                Reply(pod.job).into_response()
            }
            None => status(404, "jobs.batch not found"),
        },
        ("GET", [.., "pods"]) => {
            let selector = value("labelSelector").unwrap();
            let job = selector.strip_prefix("batch.kubernetes.io/job-name=").unwrap().to_owned();
            if value("watch").is_some() {
                return watch(&api, job);
            }
            list(&api.pod(&job).into_iter().collect::<Vec<_>>(), version)
        }
        ("GET", [.., "pods", pod, "log"]) => match api.node(pod) {
            Some(node) => log(&api, node, value("sinceTime"), value("follow").is_some(), (*pod).to_owned()),
            None => status(404, "pods not found"),
        },
        ("GET", [.., "pods", pod, what @ ("exec" | "attach")]) => {
            let Some(node) = api.node(pod) else {
                return status(404, "pods not found");
            };
            let words: Vec<String> = query.iter().filter(|(key, _)| key == "command").map(|(_, value)| value.clone()).collect();
            let key = request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes().to_vec();
            let upgrade = request.extensions_mut().remove::<OnUpgrade>().unwrap();
            let streams = if *what == "attach" {
                let name = pod.strip_suffix("-pod").unwrap();
                api.jobs.lock().unwrap().get_mut(name).and_then(|pod| pod.streams.take())
            } else {
                None
            };
            let in_run = value("container").as_deref() == Some("run");
            tokio::spawn(async move {
                let socket = TokioIo::new(upgrade.await.unwrap());
                let socket = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
                session(&api, socket, (&node, in_run, words), streams).await;
            });
            Response::builder()
                .status(101)
                .header(header::CONNECTION, "Upgrade")
                .header(header::UPGRADE, "websocket")
                .header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(&key))
                .header(header::SEC_WEBSOCKET_PROTOCOL, "v5.channel.k8s.io")
                .body(Body::empty())
                .unwrap()
        }
        other => panic!("nobody asks for {other:?}"),
    }
}

async fn body(request: Request) -> Value {
    let bytes = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn streamed(lines: mpsc::Receiver<Result<Bytes, std::io::Error>>) -> Response {
    let stream = futures_util::stream::unfold(lines, |mut lines| async {
        lines.recv().await.map(|line| (line, lines))
    });
    Body::from_stream(stream).into_response()
}

fn watch(api: &Arc<Api>, job: String) -> Response {
    let (tell, lines) = mpsc::channel(8);
    let (api, mut changes, mut lives) =
        (api.clone(), api.changes.subscribe(), api.lives.subscribe());
    tokio::spawn(async move {
        let mut had = false;
        loop {
            let pod = api.pod(&job);
            let event = match pod {
                Some(pod) => {
                    had = true;
                    Some(json!({"type": "MODIFIED", "object": pod}))
                }
                None if had => Some(json!({"type": "DELETED", "object": {"metadata": {}}})),
                None => None,
            };
            if let Some(event) = event
                && tell.send(Ok(format!("{event}\n").into())).await.is_err()
            {
                return;
            }
            if api.is_slow(&job) {
                return;
            }
            tokio::select! {
                _ = changes.changed() => {}
                _ = lives.changed() => return,
                () = tell.closed() => return,
            }
        }
    });
    streamed(lines)
}

fn log(
    api: &Arc<Api>,
    node: Arc<Node>,
    since: Option<String>,
    follow: bool,
    pod: String,
) -> Response {
    // As coarse as a server may take it, so that lines come twice.
    let since = since.map_or(0, |since| {
        since.parse::<jiff::Timestamp>().unwrap().as_second()
    });
    let (tell, lines) = mpsc::channel(8);
    let (api, mut changes, mut lives) =
        (api.clone(), api.changes.subscribe(), api.lives.subscribe());
    let breaks = api.script.lock().unwrap().log_breaks.filter(|_| follow);
    tokio::spawn(async move {
        let mut sent = 0;
        loop {
            let all: Vec<u8> = {
                let log = node.log.lock().unwrap();
                let lines = log.iter().filter(|(time, _)| time.as_second() >= since);
                lines
                    .flat_map(|(time, line)| {
                        [format!("{time} ").into_bytes(), line.clone()].concat()
                    })
                    .collect()
            };
            let most = breaks.map_or(all.len(), |breaks| breaks.min(all.len()));
            let new = all.get(sent..most).unwrap_or_default().to_vec();
            sent += new.len();
            if !new.is_empty() && tell.send(Ok(new.into())).await.is_err() {
                return;
            }
            let name = pod.strip_suffix("-pod").unwrap();
            let runs = api.jobs.lock().unwrap().get(name).is_some_and(|pod| {
                pod.status["containerStatuses"][0]["state"]["running"].is_object()
            });
            if !follow
                || (!runs && sent == all.len())
                || breaks.is_some_and(|breaks| sent >= breaks)
            {
                return;
            }
            tokio::select! {
                _ = changes.changed() => {}
                _ = lives.changed() => return,
                () = tell.closed() => return,
            }
        }
    });
    streamed(lines)
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// One exec or attach, in the fifth version of its protocol.
#[expect(
    clippy::too_many_lines,
    reason = "four streams of one process, side by side"
)]
async fn session(
    api: &Arc<Api>,
    mut socket: Socket,
    (node, in_run, words): (&Arc<Node>, bool, Vec<String>),
    attached: Option<Streams>,
) {
    let done = |code: i32| {
        let status = if code == 0 {
            json!({"status": "Success"})
        } else {
            json!({"status": "Failure", "reason": "NonZeroExitCode", "message": format!("command terminated with exit code {code}")})
        };
        [&[3], status.to_string().as_bytes()].concat()
    };
    let hostile = api.script.lock().unwrap().comes_out.clone();
    if in_run && attached.is_none() {
        assert_eq!(words, ["sh", "-c", "kill -9 -1"]);
        node.kill_all_but_the_first();
        let _gone = socket.send(Message::binary(done(137))).await;
        return;
    }
    if let Some(bytes) = hostile.filter(|_| words.get(2).is_some_and(|word| word == "pack")) {
        let _gone = socket
            .send(Message::binary([&[1], bytes.as_slice()].concat()))
            .await;
        let _gone = socket.send(Message::binary(done(0))).await;
        return;
    }
    let mut child = None;
    let streams = attached.unwrap_or_else(|| {
        let service = api.script.lock().unwrap().service.clone();
        let mut command = node.in_keeper(&words, service.as_deref().unwrap_or("127.0.0.1:9"));
        let started = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut started = started.spawn().unwrap();
        let streams = Streams {
            stdin: started.stdin.take(),
            stdout: started.stdout.take(),
            stderr: started.stderr.take(),
        };
        child = Some(started);
        streams
    });
    let (tell, mut told) = mpsc::channel::<Vec<u8>>(8);
    let mut readers = Vec::new();
    let outputs = [
        (
            1,
            streams
                .stdout
                .map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        ),
        (
            2,
            streams
                .stderr
                .map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        ),
    ];
    for (channel, stream) in outputs {
        let tell = tell.clone();
        readers.push(std::thread::spawn(move || {
            pump(stream.unwrap(), |bytes| {
                let _gone = tell.blocking_send([&[channel], bytes].concat());
            });
        }));
    }
    let pid = child
        .as_ref()
        .map(|child| i32::try_from(child.id()).unwrap());
    std::thread::spawn(move || {
        for reader in readers {
            reader.join().unwrap();
        }
        let code = child.map_or(0, |mut child| child.wait().unwrap().code().unwrap_or(137));
        let _gone = tell.blocking_send(done(code));
    });
    let (say, heard) = std::sync::mpsc::channel::<Vec<u8>>();
    let stdin = streams.stdin;
    std::thread::spawn(move || {
        let mut stdin = stdin.unwrap();
        while let Ok(bytes) = heard.recv() {
            if std::io::Write::write_all(&mut stdin, &bytes).is_err() {
                return;
            }
        }
    });
    let mut say = Some(say);
    let mut lives = api.lives.subscribe();
    loop {
        tokio::select! {
            message = told.recv() => match message {
                Some(message) => if socket.send(Message::binary(message)).await.is_err() { break },
                None => break,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Binary(bytes))) if bytes.first() == Some(&0) => {
                    if let Some(say) = &say {
                        let _gone = say.send(bytes[1..].to_vec());
                    }
                }
                Some(Ok(Message::Binary(bytes))) if bytes.first() == Some(&255) => say = None,
                Some(Ok(Message::Close(None::<CloseFrame>) | Message::Ping(_) | Message::Binary(_))) => {}
                Some(Ok(_) | Err(_)) | None => break,
            },
            _ = lives.changed() => break,
        }
    }
    // Whoever hangs up ends what was started, as a node does.
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}
