//! How far work is, for whoever watches: on a terminal one live line for what runs now and a line
//! that stays for what is done; elsewhere only the lines that stay.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::cli::output::{Output, Style, one_line};
use crate::domain::ids::{JobId, TaskId};
use crate::domain::job::{self, Entry};
use crate::domain::time::{Span, Timestamp};
use crate::ports::clock::Clock;
use crate::ports::store::{JobLine, Store};

/// How often the live line is drawn anew.
pub const FRAME: Duration = Duration::from_millis(100);

const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// The progress of one thing, timed from when it was made.
pub struct Progress<'a> {
    output: &'a Output,
    clock: Arc<dyn Clock>,
    started: Timestamp,
    now: Option<(String, Timestamp)>,
    frame: usize,
}

impl<'a> Progress<'a> {
    /// Starts the clock.
    #[must_use]
    pub fn new(output: &'a Output, clock: Arc<dyn Clock>) -> Self {
        Self {
            output,
            started: clock.now(),
            clock,
            now: None,
            frame: 0,
        }
    }

    /// Says what runs now, until something is done or another step begins. Saying the same again
    /// does not start its time anew.
    pub fn step(&mut self, what: &str) {
        if self.now.as_ref().is_none_or(|(running, _)| running != what) {
            self.now = Some((what.to_owned(), self.clock.now()));
        }
        self.draw();
    }

    /// Writes what was done, in a line that stays, and ends the step that ran.
    pub fn done(&mut self, what: &str) {
        self.done_at(self.clock.now(), what);
    }

    /// Ends the step that ran, of which nothing is left to say.
    pub fn end(&mut self) {
        self.now = None;
        self.output.still();
    }

    /// Draws the live line anew.
    pub fn tick(&mut self) {
        self.frame = self.frame.wrapping_add(1);
        self.draw();
    }

    /// Shows `what` for as long as `work` takes.
    pub async fn during<T>(&mut self, what: &str, work: impl Future<Output = T>) -> T {
        self.step(what);
        let mut work = std::pin::pin!(work);
        let mut frames = frames();
        loop {
            tokio::select! {
                done = &mut work => {
                    self.end();
                    return done;
                }
                _ = frames.tick() => self.tick(),
            }
        }
    }

    fn done_at(&mut self, at: Timestamp, what: &str) {
        self.now = None;
        let at = format!("[{:>7}]", at.since(self.started).to_string());
        let at = self.output.paint_note(Style::Aside, &at);
        self.output.note(&format!("{at} {}", one_line(what)));
    }

    fn draw(&self) {
        if let Some((what, since)) = &self.now {
            let spin = SPINNER.get(self.frame % SPINNER.len()).unwrap_or(&' ');
            let took: Span = self.clock.now().since(*since);
            self.output.live(&format!("{spin} {what} {took}"));
        }
    }
}

/// Returns when to draw.
#[must_use]
pub fn frames() -> tokio::time::Interval {
    let mut frames = tokio::time::interval(FRAME);
    // A machine that was busy for a while needs no frames of the past.
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    frames
}

/// Follows the jobs of a task by their journals, from wherever they are run.
#[derive(Debug)]
pub struct Follower {
    task: TaskId,
    /// By job: entries of its journal that were shown, and attempts whose end was.
    shown: BTreeMap<JobId, (usize, u32)>,
}

impl Follower {
    /// Begins with the task's first job.
    #[must_use]
    pub const fn new(task: TaskId) -> Self {
        Self {
            task,
            shown: BTreeMap::new(),
        }
    }

    /// Looks once and shows what is new. A store that is too busy to tell is asked again the next
    /// time: the work does not depend on who watches it.
    pub async fn look(&mut self, store: &dyn Store, progress: &mut Progress<'_>) {
        match store.jobs(self.task).await {
            Ok(jobs) => jobs.iter().for_each(|job| self.show(job, progress)),
            Err(fault) => tracing::debug!(%fault, "progress could not be read"),
        }
        progress.tick();
    }

    fn show(&mut self, job: &JobLine, progress: &mut Progress<'_>) {
        let (entries, ended) = self.shown.entry(job.id).or_default();
        for (_, at, entry) in job.journal.iter().skip(*entries) {
            progress.done_at(*at, &entry.told());
        }
        *entries = job.journal.len();
        match job.state.as_str() {
            "running" => progress.step(running(job)),
            "queued" if job.attempts > *ended => {
                *ended = job.attempts;
                progress.done(&format!("put off, {}", job.note));
                progress.step("waiting to try again");
            }
            "queued" => progress.step("waiting"),
            _ => progress.step("publishing"),
        }
    }
}

/// Says what a running job does now: the step after the last of its journal.
#[must_use]
pub fn running(job: &JobLine) -> &'static str {
    // An attempt may begin anew, and what an earlier one left is then not where it is.
    let of_attempt = job.journal.iter().filter(|(n, _, _)| *n == job.attempts);
    let entries: Vec<Entry> = of_attempt.map(|(_, _, entry)| entry.clone()).collect();
    if entries
        .iter()
        .any(|entry| matches!(entry, Entry::Of { .. }))
    {
        return "a race";
    }
    match job::Progress::fold(entries).next() {
        job::Step::Brief => "fetching and writing the brief",
        job::Step::Run => "agent",
        job::Step::Harvest => "harvest",
        job::Step::Check => "checks",
        job::Step::Commit => "commit",
        job::Step::Conclude => "concluding",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::cli::output::Looks;
    use crate::domain::money::Usd;
    use crate::domain::traffic::Traffic;

    #[derive(Debug, Default)]
    struct Ticking(AtomicI64);

    impl Clock for Ticking {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::SeqCst))
        }
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn told(looks: Looks, story: impl FnOnce(&mut Progress<'_>, &Ticking)) -> String {
        let shared = Shared::default();
        let sink = || Box::new(shared.clone()) as Box<dyn Write + Send>;
        let output = Output::to((sink(), looks), (sink(), looks));
        let clock = Arc::new(Ticking::default());
        story(&mut Progress::new(&output, clock.clone()), &clock);
        String::from_utf8(shared.0.lock().unwrap().clone()).unwrap()
    }

    fn story(progress: &mut Progress<'_>, clock: &Ticking) {
        progress.step("agent");
        clock.0.store(1_200, Ordering::SeqCst);
        progress.step("agent");
        progress.tick();
        progress.done("agent: exit 0\nafter");
        progress.tick();
    }

    #[test]
    fn without_a_terminal_only_what_is_done_is_written() {
        assert_eq!(
            told(Looks::default(), story),
            "[  1.2 s] agent: exit 0\\nafter\n"
        );
    }

    #[test]
    fn on_a_terminal_one_line_lives_until_the_step_is_done() {
        let looks = Looks {
            terminal: true,
            colour: false,
        };
        let erase = "\r\x1b[2K";
        let expected = format!(
            "{erase}⠋ agent 0.0 s{erase}⠋ agent 1.2 s{erase}⠙ agent 1.2 s{erase}[  1.2 s] agent: exit 0\\nafter\n"
        );
        assert_eq!(told(looks, story), expected);
    }

    fn line(state: &str, attempts: u32, journal: Vec<(u32, Timestamp, Entry)>) -> JobLine {
        JobLine {
            id: "1-1-1.1".parse().unwrap(),
            state: state.to_owned(),
            waits_for: None,
            attempts,
            note: "fetch x: refused".to_owned(),
            cost: Usd::ZERO,
            journal,
        }
    }

    #[test]
    fn a_job_is_followed_entry_by_entry_and_over_attempts() {
        let checked = |n: u32| {
            let checked = Entry::Checked {
                evidence: Vec::new(),
                traffic: Traffic::default(),
            };
            (n, Timestamp::from_millis(500), checked)
        };
        let text = told(Looks::default(), |progress, _| {
            let mut follower = Follower::new("1-1-1".parse().unwrap());
            follower.show(&line("running", 1, vec![checked(1)]), progress);
            follower.show(&line("running", 1, vec![checked(1)]), progress);
            follower.show(&line("queued", 1, vec![checked(1)]), progress);
            follower.show(&line("queued", 1, vec![checked(1)]), progress);
            follower.show(&line("running", 2, vec![checked(1), checked(2)]), progress);
            follower.show(&line("over", 2, vec![checked(1), checked(2)]), progress);
        });
        assert_eq!(
            text,
            "[  0.5 s] checks: 0 of 0 passed\n\
             [  0.0 s] put off, fetch x: refused\n\
             [  0.5 s] checks: 0 of 0 passed\n"
        );
    }
}
