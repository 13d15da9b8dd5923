//! Many workers at once, and what of their work runs at the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use prova::domain::time::Timestamp;
use prova::ports::store::{Heartbeat, LeasedJob, Store};

use crate::jobs::end;
use crate::turns::repo_of;
use crate::world::at;

/// What runs now of a repository, an installation, and in all, and the most that ran at once.
#[derive(Default)]
pub(crate) struct Watch {
    running: BTreeMap<(&'static str, u64), u32>,
    pub(crate) most: BTreeMap<(&'static str, u64), u32>,
    pub(crate) ran: u64,
}

impl Watch {
    fn levels(job: &LeasedJob) -> [(&'static str, u64); 3] {
        let installation = job.task.task.repo.installation.0;
        [
            ("repo", repo_of(job)),
            ("installation", installation),
            ("all", 0),
        ]
    }

    fn begins(&mut self, job: &LeasedJob) {
        for level in Self::levels(job) {
            let running = self.running.entry(level).or_default();
            *running += 1;
            let most = self.most.entry(level).or_default();
            *most = (*most).max(*running);
        }
        self.ran += 1;
    }

    fn ends(&mut self, job: &LeasedJob) {
        for level in Self::levels(job) {
            *self.running.get_mut(&level).unwrap() -= 1;
        }
    }
}

/// Lets sixteen workers do all that is queued, and says what ran at once.
pub(crate) async fn worked_off(store: &Arc<dyn Store>) -> Watch {
    let watch = Arc::new(Mutex::new(Watch::default()));
    let workers: Vec<_> = (0..16)
        .map(|n| tokio::spawn(work_off(Arc::clone(store), Arc::clone(&watch), n)))
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    std::mem::take(&mut *watch.lock().unwrap())
}

async fn work_off(store: Arc<dyn Store>, watch: Arc<Mutex<Watch>>, n: u32) {
    let never = Timestamp::from_millis(i64::MAX);
    let name = format!("worker-{n}");
    while store.counts().await.unwrap().jobs_queued > 0 {
        let Some(job) = store.lease_job(&name, at(1), never).await.unwrap() else {
            tokio::task::yield_now().await;
            continue;
        };
        watch.lock().unwrap().begins(&job);
        // Let the others try while this one runs.
        for _ in 0..3 {
            let beat = store.heartbeat(&job.lease, never).await.unwrap();
            assert_eq!(beat, Heartbeat::Held);
        }
        watch.lock().unwrap().ends(&job);
        end(&*store, &job, 1).await;
    }
}
