//! What `oms dev` says when it is ready.

use std::{path::Path, time::Duration};

use super::home::Instance;

/// `1.2 s`.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f32())
}

/// Waits until the API says that it is ready.
pub(super) async fn wait_until_ready(api: &str) -> anyhow::Result<()> {
    let mut last = String::new();
    for _ in 0..400 {
        match reqwest::get(format!("{api}/readyz")).await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => last = answer.text().await.unwrap_or_default(),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("the API does not become ready: {last}")
}

/// Everything a newcomer needs to know.
pub(super) fn ready(instance: &Instance, home: &Path, took: Duration) -> String {
    let Instance { api, mail, gateway, database, .. } = instance;
    format!(
        "\nready in {took}\n\n\
         \x20 API        {api}\n\
         \x20 docs       {api}/docs\n\
         \x20 mail       {mail} (all mail ends here)\n\
         \x20 gateway    {gateway} (mock payments)\n\
         \x20 database   {database}\n\
         \x20 data       {home}\n",
        took = seconds(took),
        home = home.display(),
    )
}

/// Somebody else has the directory.
pub(super) fn already_running(directory: &Path, instance: Option<&Instance>) -> String {
    match instance {
        Some(instance) => format!(
            "oms dev is already running: {} (process {}, data in {})\nUse that one, stop it with Ctrl-C where it runs, or start another with --data-dir.",
            instance.api,
            instance.pid,
            directory.display()
        ),
        None => format!(
            "another oms dev is just starting on {}\nWait for it, or start one of its own with --data-dir.",
            directory.display()
        ),
    }
}
