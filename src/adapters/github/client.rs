//! The client: who asks, with which token, and what is tried again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::adapters::github::answer::Answer;
use crate::adapters::github::app_key::AppKey;
use crate::adapters::github::date;
use crate::adapters::github::gate::Payer;
use crate::adapters::github::known::Known;
use crate::adapters::github::outgoing;
use crate::adapters::github::request::Request;
use crate::adapters::github::settings::{InvalidSettings, Settings};
use crate::adapters::github::tokens::{Minted, Scope, Tokens, listing_wish};
use crate::adapters::github::transport::Transport;
use crate::domain::governor::limits::Importance;
use crate::domain::ids::{InstallationId, Login, RepoId};
use crate::domain::repo::Repo;
use crate::domain::time::{Span, Timestamp};
use crate::ports::clock::Clock;
use crate::ports::fault::{Class, Fault};
use crate::ports::held_up::HeldUp;
use crate::ports::live::LiveSecrets;

/// GitHub, as the ports in [`crate::ports::github`] know it.
///
/// One client serves every installation of the App; share it by reference.
pub struct Client {
    transport: Transport,
    key: AppKey,
    clock: Arc<dyn Clock>,
    /// GitHub's clock minus ours in milliseconds, once a refusal has shown that it matters.
    skew_ms: AtomicI64,
    tokens: Tokens,
    /// The bot's login, once GitHub has told it.
    login: OnceLock<Login>,
    pub(super) known: Known,
    /// What no request may say.
    live: Arc<LiveSecrets>,
}

/// Whose token a request carries.
#[derive(Clone, Copy)]
pub(super) enum As<'a> {
    /// The App's own signature.
    App,
    /// The token of the installation that covers this repository.
    InstallationOf(&'a Repo),
    /// A token that can only list what an installation covers.
    Listing(&'a Minted),
}

/// A difference of clocks that GitHub tolerates.
const TOLERATED_SKEW_MS: u64 = 30_000;
/// How long an installation token lives, for an answer that does not tell.
const TOKEN_LIVES: Span = Span::minutes(60);

#[derive(Deserialize)]
struct AccessToken {
    token: String,
    #[serde(default)]
    expires_at: Option<String>,
}

impl Client {
    /// Builds a client; opens no connection yet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the URL or the key cannot be used, or the system has no root certificates.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, InvalidSettings> {
        let transport = Transport::new(settings, Arc::clone(&clock))?;
        Ok(Self {
            transport,
            key: AppKey::new(settings.app_id, &settings.private_key)?,
            clock,
            skew_ms: AtomicI64::new(0),
            tokens: Tokens::new(),
            login: OnceLock::new(),
            known: Known::new(),
            live: Arc::default(),
        })
    }

    /// Shares what the whole process may not say: tokens are told to it as they are minted, and
    /// nothing that it knows is written on GitHub.
    #[must_use]
    pub fn redacting_with(self, live: Arc<LiveSecrets>) -> Self {
        Self { live, ..self }
    }

    /// Counts into that one what GitHub's limits hold up.
    #[must_use]
    pub fn counting_into(mut self, held_up: Arc<HeldUp>) -> Self {
        self.transport.counting_into(held_up);
        self
    }

    pub(super) fn app_id(&self) -> u64 {
        self.key.app_id()
    }

    pub(super) fn login(&self) -> Option<&Login> {
        self.login.get()
    }

    pub(super) fn remember_login(&self, login: Login) {
        // The slug of an App can change, but then its comments of before keep the old login.
        self.login.get_or_init(|| login);
    }

    pub(super) fn forget_tokens(&self, repo: RepoId) {
        self.tokens.forget(repo);
    }

    /// Sends a request as the App itself; the answer is never a 401.
    ///
    /// A signature is refused when our clock is off. GitHub tells its own time with the refusal, so
    /// the request is signed once more with that; nothing was done for the first one.
    pub(super) async fn as_app(&self, request: &Request) -> Result<Answer, Fault> {
        let answer = self.signed(request).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let known = self.skew_ms.load(Ordering::Relaxed);
        let offset = answer.clock_offset_ms().unwrap_or_default();
        if offset.abs_diff(known) < TOLERATED_SKEW_MS {
            return Err(self.unrecognised(answer));
        }
        tracing::warn!("{}; signing by GitHub's clock", skew_in_words(offset));
        self.skew_ms.store(offset, Ordering::Relaxed);
        let answer = self.signed(request).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(self.unrecognised(answer));
        }
        Ok(answer)
    }

    async fn signed(&self, request: &Request) -> Result<Answer, Fault> {
        let token = self
            .key
            .sign(self.github_now())
            .map_err(|e| Fault::permanent(request.doing.as_str(), format!("cannot sign: {e}")))?;
        self.transport
            .send(request, (&token, Payer::App), None)
            .await
    }

    fn unrecognised(&self, answer: Answer) -> Fault {
        let offset = answer.clock_offset_ms().unwrap_or_default();
        let mut fault = answer.fault_of(Class::AuthLost);
        fault.cause = format!(
            "{}; the private key is not, or no longer, a key of App {}",
            fault.cause,
            self.key.app_id()
        );
        if offset.unsigned_abs() >= TOLERATED_SKEW_MS {
            fault.cause = format!(
                "{}, or the clock is wrong: {}",
                fault.cause,
                skew_in_words(offset)
            );
        }
        fault
    }

    /// Sends a request with the token of a repository's installation; the answer is never a 401.
    ///
    /// A kept token that is refused was revoked or has expired; the request is sent once more with
    /// a fresh one, since nothing was done for the first.
    pub(super) async fn send(&self, repo: &Repo, request: &Request) -> Result<Answer, Fault> {
        let minted = self.token(repo, Scope::Work).await?;
        let answer = self.send_with(repo, request, &minted).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.tokens.discard(repo.id, Scope::Work, &minted).await;
        let minted = self.token(repo, Scope::Work).await?;
        let answer = self.send_with(repo, request, &minted).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // GitHub has just issued it, so GitHub has only not spread it yet.
        Err(answer.fault_of(Class::Transient))
    }

    /// Sends a request with a token that can do nothing else. An App that was not granted what it takes
    /// gets no such token.
    pub(super) async fn send_as(
        &self,
        (repo, scope): (&Repo, Scope),
        request: &Request,
    ) -> Result<Answer, Fault> {
        let minted = self.token(repo, scope).await?;
        let answer = self.send_with(repo, request, &minted).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            // The next one is fresh.
            self.tokens.discard(repo.id, scope, &minted).await;
            return Err(answer.fault_of(Class::Transient));
        }
        Ok(answer)
    }

    /// Reads what GitHub keeps somewhere else and has an address for: the address has its own
    /// permission, and is shown no token.
    pub(super) async fn read_elsewhere(
        &self,
        (repo, scope): (&Repo, Scope),
        request: &Request,
    ) -> Result<Answer, Fault> {
        let minted = self.token(repo, scope).await?;
        self.transport.elsewhere(request, minted.pays()).await
    }

    async fn send_with(
        &self,
        repo: &Repo,
        request: &Request,
        minted: &Minted,
    ) -> Result<Answer, Fault> {
        let home = Some(repo.id);
        // The last door: whatever the request is, and whoever made it.
        let cleaned = outgoing::clean(request, &self.live.now())?;
        let request = cleaned.as_ref().unwrap_or(request);
        self.transport.send(request, minted.pays(), home).await
    }

    /// Sends one request as that one.
    pub(super) async fn once(&self, who: As<'_>, request: &Request) -> Result<Answer, Fault> {
        match who {
            As::App => self.as_app(request).await,
            As::InstallationOf(repo) => self.send(repo, request).await,
            As::Listing(minted) => self.transport.send(request, minted.pays(), None).await,
        }
    }

    /// Reads a list page by page, at most `pages` of them.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        who: As<'_>,
        first: Request,
        pages: u32,
    ) -> Result<Vec<T>, Fault> {
        let mut items = Vec::new();
        let mut request = first;
        for _ in 0..pages {
            let answer = self.once(who, &request).await?;
            let next = self.transport.next_page(&request, &answer);
            items.append(&mut answer.json()?);
            match next {
                Some(next) => request = next,
                None => break,
            }
        }
        Ok(items)
    }

    /// Returns a token that is good for a while.
    pub(super) async fn token(&self, repo: &Repo, scope: Scope) -> Result<Arc<Minted>, Fault> {
        let mint = || Box::pin(self.mint(repo, scope));
        self.tokens.get(repo, scope, self.github_now(), mint).await
    }

    async fn mint(&self, repo: &Repo, scope: Scope) -> Result<Minted, Fault> {
        let installation = repo.installation;
        let doing = format!(
            "get a token for {} from installation {installation}",
            repo.name
        );
        self.mint_by(doing, installation, &scope.wish(repo.id))
            .await
    }

    /// Mints a token that is never kept and can do nothing but list the repositories of an
    /// installation.
    pub(super) async fn listing_token(
        &self,
        installation: InstallationId,
    ) -> Result<Minted, Fault> {
        let doing = format!("get a token to list what installation {installation} covers");
        self.mint_by(doing, installation, &listing_wish()).await
    }

    async fn mint_by(
        &self,
        doing: String,
        installation: InstallationId,
        wish: &Value,
    ) -> Result<Minted, Fault> {
        let path = format!("/app/installations/{installation}/access_tokens");
        let request = Request::post(doing, path, wish).of(Importance::Awaited);
        let answer = self.as_app(&request).await?;
        let remedy = match answer.status {
            StatusCode::NOT_FOUND => "the App was uninstalled",
            StatusCode::FORBIDDEN if answer.says("suspended") => "the installation is suspended",
            StatusCode::UNPROCESSABLE_ENTITY if answer.says("permissions") => {
                "the App was not granted what app.yml asks for; accept it on the installation's page"
            }
            StatusCode::UNPROCESSABLE_ENTITY => "the installation does not cover this repository",
            _ => {
                let received = answer.received;
                let minted = minted(answer.json()?, installation, received);
                self.live.learn_minted(minted.token.expose_secret());
                return Ok(minted);
            }
        };
        let mut fault = answer.fault_of(Class::AuthLost);
        fault.cause = format!("{}; {remedy}", fault.cause);
        Err(fault)
    }

    /// Returns the current time by GitHub's clock, as far as it is known.
    fn github_now(&self) -> Timestamp {
        let skew = self.skew_ms.load(Ordering::Relaxed);
        Timestamp::from_millis(self.clock.now().as_millis().saturating_add(skew))
    }
}

fn minted(access: AccessToken, installation: InstallationId, received: Timestamp) -> Minted {
    let told = access.expires_at.as_deref().and_then(date::iso);
    Minted {
        token: SecretString::from(access.token),
        installation,
        expires: told.unwrap_or_else(|| received.plus(TOKEN_LIVES)),
    }
}

/// Says how far two clocks are apart, from the milliseconds that GitHub's is ahead.
fn skew_in_words(offset_ms: i64) -> String {
    let side = if offset_ms < 0 { "behind" } else { "ahead of" };
    let seconds = offset_ms.unsigned_abs() / 1_000;
    format!("GitHub's clock is {seconds} s {side} this machine's")
}
