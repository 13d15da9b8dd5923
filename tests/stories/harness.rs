//! A whole Prova on a simulated GitHub: real store, real git, real sandbox, real HTTP; only GitHub
//! and the clock are ours. `settle` runs the same steps as a server does, until nothing is left.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use prova::app::bases::compare_next;
use prova::app::context::Context;
use prova::app::dispatch::dispatch_next;
use prova::app::headroom::Headroom;
use prova::app::ledger::StoreLedger;
use prova::app::publish::publish_next;
use prova::app::recover::take_back;
use prova::app::worker::{lease_next, work};
use prova::bootstrap::{House, StartError};
use prova::config::server::ServerSettings;
use prova::domain::effect::{EffectKey, STANDS, Sent};
use prova::domain::ids::DeliveryId;
use prova::domain::task::Task;
use prova::http::router::router;
use prova::ports::clock::Clock as _;
use prova::ports::room::Room;
use prova::ports::store::{DeliveryLine, DeliveryState, JobLine};
use prova::simulator::Simulator;
use prova::simulator::faults::{Fault, FaultKind};
use prova::simulator::people::Person;
use prova::simulator::webhooks::Delivery;
use prova::simulator::world::repositories::File;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::gateway::{Script, Scripted};
use crate::knife::{Knife, laid_on};
pub(crate) use crate::text::normal;
use crate::world::ManualClock;
pub(crate) use crate::world::{FIX, REPO, SHOW_BRIEF, World};

/// The parts that a restart replaces.
struct Running {
    house: House,
    ctx: Context,
    router: Router,
    writer: tokio::task::JoinHandle<()>,
}

/// What outlives a restart.
pub(crate) struct Parts {
    pub(crate) sim: Simulator,
    pub(crate) installation: u64,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: ServerSettings,
    pub(crate) gateway: Option<Arc<Script>>,
    pub(crate) dir: tempfile::TempDir,
}

/// Prova, and the GitHub it works on.
pub(crate) struct Bot {
    pub(crate) sim: Simulator,
    pub(crate) installation: u64,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) dir: tempfile::TempDir,
    settings: ServerSettings,
    gateway: Option<Arc<Script>>,
    running: Option<Running>,
}

impl Bot {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            sim,
            installation,
            clock,
            settings,
            gateway,
            dir,
        } = parts;
        Self {
            sim,
            installation,
            clock,
            dir,
            settings,
            gateway,
            running: None,
        }
    }

    /// Starts the next process as another worker, with a work directory of its own.
    pub(crate) async fn restart_in(&mut self, work_dir: &str) {
        self.settings.work.dir = self.dir.path().join(work_dir);
        self.restart().await;
    }

    /// Starts the next process with an empty store and work directory, as after a disaster.
    pub(crate) async fn restart_empty(&mut self) {
        let store = format!("sqlite://{}/second.db", self.dir.path().display());
        self.settings.store.url = store.parse().unwrap();
        self.restart_in("second").await;
    }

    /// Starts a second process beside this one; why it cannot.
    pub(crate) async fn second_process(&self) -> Result<House, StartError> {
        House::open(self.settings.clone(), self.clock.clone()).await
    }

    /// Throws the process's state away and starts again on the same store.
    pub(crate) async fn restart(&mut self) {
        if let Some(old) = self.running.take() {
            old.writer.abort();
            old.house.store.close().await;
        }
        let mut house = House::open(self.settings.clone(), self.clock.clone())
            .await
            .unwrap();
        if let Some(script) = &self.gateway {
            house.gateway = Arc::new(Scripted {
                script: script.clone(),
                ledger: StoreLedger {
                    store: house.store.clone(),
                    clock: self.clock.clone(),
                    worker: "scripted".to_owned(),
                },
            });
        }
        // As a server does before it begins: the sandbox then knows what it can show.
        house.sandbox.probe().await.unwrap();
        let ctx = house.context("prova");
        take_back(&ctx).await.unwrap();
        let (face, writer) = house.face();
        let writer = tokio::spawn(writer);
        self.running = Some(Running {
            ctx,
            router: router(face),
            writer,
            house,
        });
    }

    /// Leaves so many bytes free on the disk, until the next start.
    pub(crate) fn leave_room(&mut self, free: u64) {
        struct Left(u64);
        impl Room for Left {
            fn free(&self) -> Option<u64> {
                Some(self.0)
            }
        }
        let running = self.running.as_mut().unwrap();
        running.ctx.headroom = Arc::new(Headroom::new(Arc::new(Left(free))));
    }

    /// Lays a knife on the ports, until the next start.
    pub(crate) fn take_up(&mut self, knife: &Arc<Knife>) {
        let running = self.running.as_mut().unwrap();
        running.ctx = laid_on(&running.ctx, knife);
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn ctx(&self) -> &Context {
        &self.running().ctx
    }
}

/// Running.
impl Bot {
    /// Sends one webhook to the server and returns the status of the answer.
    pub(crate) async fn receive(&self, delivery: &Delivery) -> u16 {
        let mut request = axum::http::Request::post("/webhook");
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        self.post(request.body(Body::from(delivery.body.clone())).unwrap())
            .await
    }

    pub(crate) async fn post(&self, request: axum::http::Request<Body>) -> u16 {
        let answer = self
            .running()
            .router
            .clone()
            .oneshot(request)
            .await
            .unwrap();
        answer.status().as_u16()
    }

    /// Brings every waiting webhook over.
    pub(crate) async fn deliver(&self) -> bool {
        let deliveries = self.sim.take_deliveries();
        self.deliver_these(&deliveries).await;
        !deliveries.is_empty()
    }

    pub(crate) async fn deliver_these(&self, deliveries: &[Delivery]) {
        for delivery in deliveries {
            let status = self.receive(delivery).await;
            assert_eq!(status, 202, "{} was refused", delivery.event);
            self.sim.record_answer(delivery, status);
        }
    }

    /// Does one step of one loop; `false` when none had anything to do.
    pub(crate) async fn step(&self) -> bool {
        let ctx = self.ctx();
        if self.deliver().await
            || dispatch_next(ctx).await.unwrap()
            || publish_next(ctx).await.unwrap()
            || compare_next(ctx).await.unwrap()
        {
            return true;
        }
        self.work().await
    }

    /// Leases a job and runs it; `false` when none waits.
    pub(crate) async fn work(&self) -> bool {
        let Some(leased) = lease_next(self.ctx()).await.unwrap() else {
            return false;
        };
        // It holds much; a story need not.
        Box::pin(work(self.ctx(), &leased, &CancellationToken::new()))
            .await
            .unwrap();
        true
    }

    /// Receives, decides and publishes until only jobs are left, and what waits longer than an edit does.
    pub(crate) async fn decide(&self) {
        let ctx = self.ctx();
        loop {
            while self.deliver().await
                || dispatch_next(ctx).await.unwrap()
                || publish_next(ctx).await.unwrap()
                || compare_next(ctx).await.unwrap()
            {}
            let now = self.clock.now();
            let edits = ctx.store.counts().await.unwrap().effects_pending > 0;
            let due = ctx.store.next_due(now).await.unwrap().filter(|_| edits);
            match due.map(|due| due.since(now)) {
                Some(wait) if wait <= STANDS => {
                    let wait = i64::try_from(wait.as_millis()).unwrap();
                    self.clock.advance(wait.max(1));
                }
                Some(_) | None => return,
            }
        }
    }

    /// Runs until nothing is left to do, jumping over waits.
    pub(crate) async fn settle(&self) {
        for _ in 0..2_000 {
            if self.step().await {
                continue;
            }
            let now = self.clock.now();
            match self.ctx().store.next_due(now).await.unwrap() {
                Some(due) => {
                    let wait = i64::try_from(due.since(now).as_millis()).unwrap();
                    self.clock.advance(wait.max(1));
                }
                None => return,
            }
        }
        panic!(
            "it does not settle:\n{:#?}",
            self.ctx().store.counts().await
        );
    }

    /// Settles, but with the process killed at the `nth` request that it sends to GitHub, which is
    /// still carried out there. Returns whether it came to that; the lease has run out afterwards.
    pub(crate) async fn killed_at(&mut self, nth: usize) -> bool {
        let killed = Arc::new(Notify::new());
        let reached = killed.clone();
        let signal = FaultKind::Meanwhile(Arc::new(move |_| reached.notify_one()));
        self.sim.arm(Fault::on("*", "*", signal).nth(nth));
        let died = tokio::select! {
            biased;
            () = killed.notified() => true,
            () = self.settle() => false,
        };
        self.sim.disarm();
        if died {
            // What was sent arrives after its sender's death.
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.restart().await;
        }
        died
    }

    /// Runs the next job while `meanwhile` happens, and then to the end.
    pub(crate) async fn work_while(&self, meanwhile: impl Future<Output = ()>) {
        // A job is a large future, and every story would hold it inline.
        let (worked, ()) = tokio::join!(Box::pin(self.work()), meanwhile);
        assert!(worked, "no job waited");
    }

    /// Runs the job that waits until its agent has made `started`, and is stopped then by a word on a thread.
    pub(crate) async fn work_until_stopped(&self, number: u64) {
        self.work_while(async {
            self.agent_has_made("started").await;
            self.alice().comment(REPO, number, "@prova stop").unwrap();
            self.decide().await;
        })
        .await;
    }

    /// Waits for a file that the agent of the running job makes in `/prova/out`.
    pub(crate) async fn agent_has_made(&self, name: &str) {
        for _ in 0..1_000 {
            if self
                .outputs()
                .iter()
                .any(|output| output.join(name).exists())
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the agent never made {name}");
    }

    /// Makes a file in `/prova/out` of the running job, which its agent waits for.
    pub(crate) fn let_the_agent_go_on(&self, name: &str) {
        for output in self.outputs() {
            std::fs::write(output.join(name), "").unwrap();
        }
    }

    /// Returns a file that the agent of the running job has made there.
    pub(crate) fn agents_file(&self, name: &str) -> Option<String> {
        let outputs = self.outputs().into_iter();
        let mut read = outputs.filter_map(|output| std::fs::read_to_string(output.join(name)).ok());
        read.next()
    }

    /// Takes away what an agent of before its process's death has made there.
    pub(crate) fn forget_made(&self, name: &str) {
        for output in self.outputs() {
            let _ = std::fs::remove_file(output.join(name));
        }
    }

    fn outputs(&self) -> Vec<PathBuf> {
        let jobs = std::fs::read_dir(self.dir.path().join("work/jobs"))
            .into_iter()
            .flatten();
        let jobs = jobs.flatten().map(|job| job.path());
        jobs.flat_map(|job| {
            let race = std::fs::read_dir(job.join("race")).into_iter().flatten();
            let parts = race.flatten().map(|part| part.path());
            parts.chain([job.clone()]).collect::<Vec<_>>()
        })
        .map(|place| place.join("out"))
        .collect()
    }
}

/// Acting as people.
impl Bot {
    pub(crate) fn octo(&self) -> Person<'_> {
        self.sim.as_person("octo")
    }

    pub(crate) fn alice(&self) -> Person<'_> {
        self.sim.as_person("alice")
    }

    /// Lets the owner open an issue that asks for the work.
    pub(crate) fn labelled_issue(&self, title: &str, body: &str) -> u64 {
        self.octo()
            .open_issue(REPO, title, body, &["prova"])
            .unwrap()
    }

    /// Lets the owner open an issue that asks for nothing.
    pub(crate) fn issue(&self) -> u64 {
        self.octo()
            .open_issue(REPO, "Fix the typo in the readme", "It says `teh`.", &[])
            .unwrap()
    }

    /// Lets a person comment, and lets that have its effect.
    pub(crate) async fn say(&self, who: &str, number: u64, text: &str) -> u64 {
        let comment = self.sim.as_person(who).comment(REPO, number, text).unwrap();
        self.settle().await;
        comment
    }

    /// Brings an issue to its pull request and returns both numbers.
    pub(crate) async fn in_review(&self) -> (u64, u64) {
        let issue = self.labelled_issue("Fix the typo in the readme", "It says `teh`.");
        self.settle().await;
        let pull = self.task(issue).await.pull.map(|number| number.0).unwrap();
        self.clock.advance(60_000);
        (issue, pull)
    }
}

/// Looking.
impl Bot {
    /// Returns what a person sees of a thread, with what differs from run to run made the same.
    pub(crate) fn thread(&self, number: u64) -> String {
        normal(
            &self.sim.transcript(REPO, number).unwrap(),
            self.sim.web_url(),
        )
    }

    /// Returns everything that a person would see, with what differs from run to run made the same.
    pub(crate) fn everything(&self) -> String {
        normal(&self.sim.final_state(REPO).unwrap(), self.sim.web_url())
    }

    /// Returns the comments of ours on a thread, oldest first.
    pub(crate) fn answers(&self, number: u64) -> Vec<String> {
        let thread = self.thread(number);
        thread
            .split("\n--- ")
            .skip(1)
            .filter_map(|comment| comment.strip_prefix("prova[bot] commented"))
            .map(str::to_owned)
            .collect()
    }

    /// Returns the id of the last comment of ours on a thread.
    pub(crate) async fn last_comment_of_ours(&self, issue: u64) -> u64 {
        let task = self.task(issue).await;
        let sent = self
            .ctx()
            .store
            .sent(&EffectKey::status(task.id))
            .await
            .unwrap();
        match sent {
            Some(Sent::Comment(id)) => id.0,
            other => panic!("no status comment: {other:?}"),
        }
    }

    /// Returns the last task of an issue.
    pub(crate) async fn task(&self, issue: u64) -> Task {
        let tasks = self.tasks().await;
        let of_issue = tasks
            .into_iter()
            .filter(|task| task.id.thread.number.0 == issue);
        of_issue.max_by_key(|task| task.id.ordinal).unwrap()
    }

    pub(crate) async fn tasks(&self) -> Vec<Task> {
        let tasks = self.ctx().store.tasks(false, 100).await.unwrap();
        tasks.into_iter().map(|versioned| versioned.task).collect()
    }

    /// Returns the word for the state of an issue's last task.
    pub(crate) async fn state(&self, issue: u64) -> &'static str {
        self.task(issue).await.state.word()
    }

    pub(crate) async fn jobs(&self, issue: u64) -> Vec<JobLine> {
        let task = self.task(issue).await.id;
        self.ctx().store.jobs(task).await.unwrap()
    }

    /// Returns the branches that are ours.
    pub(crate) fn branches(&self) -> Vec<String> {
        let state = self.sim.final_state(REPO).unwrap();
        let names = state
            .lines()
            .filter_map(|line| line.strip_prefix("refs/heads/"));
        names
            .filter_map(|line| line.split(": tree").next())
            .filter(|name| name.starts_with("prova/"))
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn files(&self, branch: &str) -> Vec<File> {
        self.sim.files(REPO, branch).unwrap()
    }

    /// Returns a file of a branch as text.
    pub(crate) fn file(&self, branch: &str, path: &str) -> Option<String> {
        let mut files = self.files(branch).into_iter();
        let file = files.find(|file| file.path == path)?;
        Some(String::from_utf8(file.content).unwrap())
    }

    /// Returns the paths of a branch.
    pub(crate) fn paths(&self, branch: &str) -> Vec<String> {
        self.files(branch)
            .into_iter()
            .map(|file| file.path)
            .collect()
    }

    /// Returns the requests to GitHub since the last look, as `METHOD path -> status`.
    pub(crate) fn requests(&self) -> Vec<String> {
        let all = self.sim.requests();
        self.sim.forget_requests();
        all.iter()
            .map(|r| format!("{} {} -> {}", r.method, r.path, r.status))
            .collect()
    }

    pub(crate) async fn deliveries(&self) -> Vec<DeliveryLine> {
        self.ctx().store.deliveries(false, 1_000).await.unwrap()
    }

    /// Returns what was decided about each delivery, oldest first.
    pub(crate) async fn notes(&self) -> Vec<String> {
        let mut lines = self.deliveries().await;
        lines.reverse();
        lines
            .into_iter()
            .map(|line| match line.state {
                DeliveryState::Pending => "pending".to_owned(),
                DeliveryState::Done(note) => note,
                DeliveryState::Parked(why) => format!("parked: {why}"),
            })
            .collect()
    }

    pub(crate) async fn replay(&self, id: &DeliveryId) -> bool {
        self.ctx().store.replay(id).await.unwrap()
    }

    pub(crate) async fn parked(&self) -> Vec<DeliveryLine> {
        self.ctx().store.deliveries(true, 1_000).await.unwrap()
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let violations = self.sim.violations();
        assert!(
            violations.is_empty(),
            "GitHub's description forbids:\n{}",
            violations.join("\n")
        );
        let jobs = self.dir.path().join("work/jobs");
        let left: BTreeSet<_> = std::fs::read_dir(jobs)
            .map(|dir| dir.map(|entry| entry.unwrap().file_name()).collect())
            .unwrap_or_default();
        assert!(left.is_empty(), "job directories were left: {left:?}");
    }
}
