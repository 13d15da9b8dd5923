//! Words between the processes on one PostgreSQL: who has made work says so, and the others look.
//!
//! A word is only a hint. The server forgets those for a listener that is away, so whoever comes back
//! looks at everything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::adapters::store::SqlStore;
use crate::adapters::store::connections::Connections;
use crate::adapters::store::dialect::postgres;
use crate::adapters::store::error::Error;
use crate::adapters::store::schema::Place;
use crate::adapters::store::session::{Session, args};
use crate::ports::wake::{Waiting, Wake};

/// Words that wait to be said; there are four different ones, and the rest would repeat them.
const BACKLOG: usize = 64;

/// How long a listener waits before it tries a server again.
const PAUSE: Duration = Duration::from_secs(1);

const ALL: [Waiting; 4] = [
    Waiting::Deliveries,
    Waiting::Jobs,
    Waiting::Effects,
    Waiting::Bases,
];

const fn word(of: Waiting) -> &'static str {
    match of {
        Waiting::Deliveries => "deliveries",
        Waiting::Jobs => "jobs",
        Waiting::Effects => "effects",
        Waiting::Bases => "bases",
    }
}

/// Wakes the loops of this process, and those of the others on the same database.
struct Announcer {
    here: Arc<dyn Wake>,
    say: mpsc::Sender<Waiting>,
    /// Ended with this.
    _tasks: JoinSet<()>,
}

#[async_trait::async_trait]
impl Wake for Announcer {
    fn tell(&self, of: Waiting) {
        self.here.tell(of);
        // Full: what waits to be said says as much.
        let _ = self.say.try_send(of);
    }

    async fn told(&self, of: Waiting) {
        self.here.told(of).await;
    }
}

impl SqlStore {
    /// Returns what wakes the loops of all processes on this store that can be told of anything: on
    /// SQLite those of this one, which `here` does.
    #[must_use]
    pub fn announce(&self, here: Arc<dyn Wake>) -> Arc<dyn Wake> {
        let Place::Server(options, _) = &self.place else {
            return here;
        };
        let (say, said) = mpsc::channel(BACKLOG);
        let mut tasks = JoinSet::new();
        tasks.spawn(pass_on(Arc::clone(&self.writer), said));
        tasks.spawn(listen((**options).clone(), Arc::clone(&here)));
        Arc::new(Announcer {
            here,
            say,
            _tasks: tasks,
        })
    }
}

/// Says each word that waits, once.
async fn pass_on(writer: Arc<Connections>, mut said: mpsc::Receiver<Waiting>) {
    while let Some(first) = said.recv().await {
        let mut words = BTreeSet::from([word(first)]);
        while let Ok(next) = said.try_recv() {
            words.insert(word(next));
        }
        let notified = async {
            let mut session = Session::begin(&writer, writer.engine().begin_write()).await?;
            let outcome = notify(&mut session, words).await;
            session.end(outcome).await
        };
        if let Err(error) = notified.await {
            tracing::debug!(%error, "other processes were not told of work, and find it by looking");
        }
    }
}

async fn notify(session: &mut Session, words: BTreeSet<&'static str>) -> Result<(), Error> {
    for word in words {
        session.rows(postgres::NOTIFY, args![word]).await?;
    }
    Ok(())
}

/// Passes on what others say, for ever.
async fn listen(options: PgConnectOptions, here: Arc<dyn Wake>) {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(postgres::CONNECT)
        .connect_lazy_with(options);
    loop {
        if let Err(error) = hear(&pool, here.as_ref()).await {
            tracing::debug!(%error, "nothing is heard of other processes");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(pool: &sqlx::PgPool, here: &dyn Wake) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(postgres::CHANNEL).await?;
    let everything = || ALL.into_iter().for_each(|of| here.tell(of));
    everything();
    loop {
        match listener.try_recv().await? {
            Some(heard) => {
                if let Some(of) = ALL.into_iter().find(|of| word(*of) == heard.payload()) {
                    here.tell(of);
                }
            }
            // It was away, and is back.
            None => everything(),
        }
    }
}
