//! The App itself.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::adapters::github::client::{As, Client};
use crate::adapters::github::request::Request;
use crate::domain::ids::{InstallationId, Login, RepoId};
use crate::ports::fault::Fault;
use crate::ports::github::{App, AppFacts};

/// Pages of 100 installations that are read.
const INSTALLATION_PAGES: u32 = 10;

#[derive(Deserialize)]
struct Answered {
    id: u64,
    #[serde(default)]
    slug: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
    #[serde(default)]
    events: Vec<String>,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
    #[serde(default)]
    account: Option<Account>,
}

/// A user or an organization has a login, an enterprise a slug.
#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    login: Option<String>,
    #[serde(default)]
    slug: Option<String>,
}

#[async_trait::async_trait]
impl App for Client {
    async fn app(&self) -> Result<AppFacts, Fault> {
        let request = Request::get("ask GitHub about the App".to_owned(), "/app".to_owned());
        let answer = self.as_app(&request).await?;
        let clock_offset_ms = answer.clock_offset_ms();
        let app: Answered = answer.json()?;
        let slug = app
            .slug
            .unwrap_or_else(|| app.name.to_lowercase().replace(' ', "-"));
        self.remember_login(Login::new(format!("{slug}[bot]")));
        Ok(AppFacts {
            id: app.id,
            slug,
            name: app.name,
            permissions: app.permissions.into_iter().collect(),
            events: app.events,
            clock_offset_ms,
        })
    }

    async fn installations(&self) -> Result<Vec<(InstallationId, Login)>, Fault> {
        let path = "/app/installations?per_page=100".to_owned();
        let request = Request::get("list the App's installations".to_owned(), path);
        let found: Vec<Installation> = self.list(As::App, request, INSTALLATION_PAGES).await?;
        let named = found.into_iter().map(|installation| {
            let account = installation.account.and_then(|a| a.login.or(a.slug));
            let login = Login::new(account.unwrap_or_else(|| "ghost".to_owned()));
            (InstallationId(installation.id), login)
        });
        Ok(named.collect())
    }

    fn forget(&self, repo: RepoId) {
        self.forget_tokens(repo);
        self.known.forget(repo);
    }
}
