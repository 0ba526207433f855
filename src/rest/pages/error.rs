//! The page that shows an error, with its status, its text and links onwards.

use askama::Template;
use axum::http::StatusCode;

use super::layout::Layout;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<section class="message">
<p class="status">{{ status }}</p>
<h1>{{ title }}</h1>
<p>{{ text }}</p>
<p><a href="./">SkySearch, and what is here</a></p>
</section>
"#
)]
struct Message<'a> {
    status: u16,
    title: &'a str,
    text: &'a str,
}

/// The page of an error. `text` says what would be right.
pub(crate) fn page(status: StatusCode, text: &str) -> String {
    let title = match status {
        StatusCode::NOT_FOUND => "Not here",
        StatusCode::TOO_MANY_REQUESTS => "Busy",
        StatusCode::SERVICE_UNAVAILABLE => "Not ready",
        StatusCode::GATEWAY_TIMEOUT => "Too slow",
        _ => status.canonical_reason().unwrap_or("Not possible"),
    };
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let text = format!("{first}{}.", chars.as_str());
    let layout = Layout { title: &format!("{title} · diaflight"), ..Layout::default() };
    let body = Message { status: status.as_u16(), title, text: &text };
    layout.document(&body).unwrap_or_else(|error| error.to_string())
}
