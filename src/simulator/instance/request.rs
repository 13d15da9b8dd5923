//! What a simulated GitHub remembers of each request.

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// Without `/api/v3` and without the query.
    pub path: String,
    /// What was answered; 0 when the connection was cut.
    pub status: u16,
    /// Whether it counts against GitHub's limits on creating content (80 a minute, 500 an hour): any
    /// write below `/repos`.
    pub creates_content: bool,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str, status: u16) -> Self {
        let is_rest = path.starts_with("/repos/") || path.starts_with("/repositories/");
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            status,
            creates_content: is_rest && method != "GET",
            at: 0,
        }
    }

    /// The same at that time.
    pub(crate) fn at(self, at: i64) -> Self {
        Self { at, ..self }
    }
}
