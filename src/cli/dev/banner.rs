//! What `oms dev` says when it is ready.

use std::{net::SocketAddr, path::Path, time::Duration};

use super::home::Instance;
use crate::seed::{DEMO_PASSWORD, DEMO_USERS};

/// `1.2 s`.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f32())
}

/// Asks what runs on this machine; a proxy of the environment would look for it on its own.
fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().build()
}

/// Waits until the API says that it is ready.
pub(super) async fn wait_until_ready(api: &str) -> anyhow::Result<()> {
    let client = client()?;
    let mut last = String::new();
    for _ in 0..400 {
        match client.get(format!("{api}/readyz")).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => last = answer.text().await.unwrap_or_default(),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("the API does not become ready: {last}")
}

/// Everything a newcomer needs to know, and four things to try.
pub(super) async fn ready(instance: &Instance, metrics: Option<SocketAddr>, home: &Path, took: Duration) -> String {
    let Instance { api, mail, gateway, database, .. } = instance;
    let places = format!(
        "\nready in {took}\n\n\
         \x20 API        {api}\n\
         \x20 docs       {api}/docs   (or {api}/redoc)\n\
         \x20 mail       {mail}   (every mail ends here)\n\
         \x20 payments   {gateway}   (the mock gateway)\n\
         \x20 database   {database}\n\
         \x20 metrics    {metrics}\n\
         \x20 data       {home}   (`{afresh}` starts afresh)\n\
         \x20 stop       Ctrl-C   (OMS_LOG=info shows every request)\n",
        took = seconds(took),
        home = home.display(),
        afresh = afresh(words()),
        metrics = metrics.map_or_else(|| "none".to_owned(), |address| format!("http://{address}/metrics")),
    );
    match variant_in_stock(api).await {
        Some(variant) => {
            let program = quoted(&words().next().unwrap_or_else(|| "oms".to_owned()));
            let audit = format!("DATABASE_URL={} {program} audit --no-book", quoted(database));
            format!("{places}\n{}\n{}\n  4. do all books agree?\n{audit}\n", logins(), first_order(api, mail, &variant))
        }
        None => format!("{places}\n{}", first_user(api, mail)),
    }
}

/// The command line.
fn words() -> impl Iterator<Item = String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned())
}

/// How this is started again with new data: as it was started, so that it is the same program on the same directory.
fn afresh(started: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = started.filter(|word| word != RESET).map(|word| quoted(&word)).collect();
    words.push(RESET.to_owned());
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-=:,+@".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A variant that can be bought, if the demo shop is there.
async fn variant_in_stock(api: &str) -> Option<String> {
    let answer = client().ok()?.get(format!("{api}/v1/products?in_stock=true&limit=1")).send().await.ok()?;
    let products: serde_json::Value = answer.json().await.ok()?;
    let variants = products.pointer("/data/0/variants")?.as_array()?;
    let variant = variants.iter().find(|variant| variant.get("in_stock").is_some_and(|there| there == true))?;
    variant.get("id")?.as_str().map(str::to_owned)
}

fn logins() -> String {
    let mut text = format!("log in as (password of all: {DEMO_PASSWORD})\n\n");
    for user in DEMO_USERS {
        text.push_str(&format!("  {:<10} {}\n", user.username, user.about));
    }
    text
}

const RESET: &str = "--reset";
const JSON: &str = "-H 'Content-Type: application/json'";

fn first_order(api: &str, mail: &str, variant: &str) -> String {
    let send = |key: &str| format!("-H \"Authorization: Bearer $TOKEN\" -H \"Idempotency-Key: {key}\" {JSON}");
    let field = |name: &str| format!("sed -E 's/.*\"{name}\":\"([^\"]+)\".*/\\1/'");
    let address = r#"{"name":"Alice Nguyen","line1":"12 Hang Bac","city":"Hanoi","country":"VN"}"#;
    format!(
        "try this (copy and paste)\n\n\
         \x20 1. log in\n\
         KEY=order-$(date +%s); TOKEN=$(curl -s {api}/v1/auth/login {JSON} -d '{{\"login\":\"alice\",\"password\":\"{DEMO_PASSWORD}\"}}' | {token})\n\n\
         \x20 2. place an order; sent again with the same $KEY, it is still one\n\
         ORDER=$(curl -s {api}/v1/orders {order} -d '{{\"lines\":[{{\"variant_id\":\"{variant}\",\"quantity\":1}}],\"ship_to\":{address}}}' -D - -o /dev/null | sed -nE 's/^location: .*orders\\/([0-9a-f-]+).*/\\1/Ip'); echo \"order $ORDER\"\n\n\
         \x20 3. pay for it: open the address this prints, press Approve, then look at {mail}\n\
         curl -s {api}/v1/orders/$ORDER/payments {pay} -d '{{\"gateway\":\"mock\"}}' | {pay_url}\n",
        token = field("access_token"),
        order = send("$KEY"),
        pay = send("pay-$ORDER"),
        pay_url = field("pay_url"),
    )
}

fn first_user(api: &str, mail: &str) -> String {
    let user = r#"{"username":"alice","email":"alice@example.com","password":"try-the-shop"}"#;
    format!(
        "the shop is empty; try this (copy and paste)\n\n\
         \x20 1. register\n\
         curl -s {api}/v1/auth/register {JSON} -d '{user}'\n\n\
         \x20 2. read the mail and open the link in it\n\
         curl -s '{mail}/api/messages?to=alice@example.com'\n\n\
         \x20 3. see what else there is\n\
         curl -s {api}/\n",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_afresh_is_starting_the_same_way_with_a_reset() {
        let said = |words: &[&str]| afresh(words.iter().map(|&word| word.to_owned()));
        assert_eq!(said(&["target/debug/oms", "dev"]), "target/debug/oms dev --reset");
        assert_eq!(said(&["oms", "dev", "--reset", "--size", "m"]), "oms dev --size m --reset");
        assert_eq!(said(&["oms", "dev", "--data-dir", "/tmp/a shop"]), "oms dev --data-dir '/tmp/a shop' --reset");
    }

    #[test]
    fn the_first_order_may_be_sent_again_and_is_still_one() {
        let text = first_order("http://127.0.0.1:8000", "http://127.0.0.1:8025", "V");
        let (before, order) = text.split_once("2. place an order").unwrap();
        assert!(before.contains("KEY=order-$(date") && !order.contains("$(date"), "{text}");
        assert!(order.contains("Idempotency-Key: $KEY") && order.contains("Idempotency-Key: pay-$ORDER"), "{text}");
    }
}
