//! The program itself, as processes on free ports of this machine: started, waited for, killed.

use std::{
    fs::{self, File},
    io::Write,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use accounts::TokenKeys;
use kernel::{Clock, SystemClock};
use payments::{HttpGateway, HttpGatewaySettings};
use rustix::process::Signal;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::sleep,
};

use super::{client::Client, logs, order::sign_with, signals};

const SECRET_KEY: &str = "a-key-for-the-tests-0123456789-abcdefghijklmnop";
/// What the gateway lets its merchant in with.
pub const GATEWAY_KEY: &str = "a-gateway-key-for-tests";
const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";

/// How long a process may take until it answers, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(30);

/// A port that nobody listens on, below those that the system gives to clients, so that it stays free while its owner is
/// dead.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 997).unwrap() * 12;
    loop {
        let port = 20_000 + own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// The program: this build's, or another one that is to be tried by the same tests.
#[expect(clippy::disallowed_methods, reason = "a setting of the tests, not of the program")]
pub fn program() -> String {
    std::env::var("OMS_TEST_PROGRAM").unwrap_or_else(|_unset| env!("CARGO_BIN_EXE_oms").to_owned())
}

/// What the processes of one test have in common. One test at a time has them: they are for measuring, and there are more
/// of them than cores.
pub struct Site {
    /// Where the API is reached, in links and for webhooks.
    pub public: SocketAddr,
    /// Where the gateway is.
    pub gateway: SocketAddr,
    /// Where mail is taken.
    pub smtp: SocketAddr,
    /// Where caught mail is shown.
    pub mail: SocketAddr,
    directory: PathBuf,
    environment: Vec<(&'static str, String)>,
    _turn: MutexGuard<'static, ()>,
}

impl Site {
    /// A site over the database at `url`.
    pub async fn new(url: &str) -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        static NUMBER: AtomicU16 = AtomicU16::new(0);
        let turn = TURN.lock().await;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("oms-site-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let [public, gateway, smtp, mail] = std::array::from_fn(|_| free_address());
        let environment = vec![
            ("DATABASE_URL", url.to_owned()),
            ("SECRET_KEY", SECRET_KEY.to_owned()),
            ("OMS_GATEWAY_API_KEY", GATEWAY_KEY.to_owned()),
            ("OMS_WEBHOOK_SECRETS", WEBHOOK_SECRET.to_owned()),
            ("OMS_PUBLIC_URL", format!("http://{public}")),
            ("OMS_GATEWAY_URL", format!("http://{gateway}")),
            ("OMS_GATEWAY_PUBLIC_URL", format!("http://{gateway}")),
            ("OMS_GATEWAY_LISTEN", gateway.to_string()),
            ("MAIL_SERVER", "127.0.0.1".to_owned()),
            ("MAIL_PORT", smtp.port().to_string()),
            ("MAIL_FROM", "Shop <shop@example.com>".to_owned()),
            ("OMS_MEDIA_URL", directory.join("media").display().to_string()),
            ("OMS_DRAIN_DELAY_SECONDS", "0".to_owned()),
            // Whoever tests limits sets some.
            ("OMS_RATE_LIMIT_CALLER", "0".to_owned()),
            ("OMS_RATE_LIMIT_ADDRESS", "0".to_owned()),
            ("OMS_LOGIN_GUESSES", "0".to_owned()),
            ("OMS_LOG", "warn".to_owned()),
            ("OMS_LOG_FORMAT", "json".to_owned()),
        ];
        Self { public, gateway, smtp, mail, directory, environment, _turn: turn }
    }

    /// The same, with a setting.
    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Where its files are.
    pub fn media(&self) -> PathBuf {
        self.directory.join("media")
    }

    /// The keys that its servers sign tokens with.
    pub fn keys(&self) -> TokenKeys {
        TokenKeys::new(SECRET_KEY.as_bytes(), Arc::new(SystemClock)).unwrap()
    }

    /// The gateway as its merchant sees it.
    pub fn book(&self) -> HttpGateway {
        let base_url = format!("http://{}", self.gateway);
        let (name, api_key) = (oms::wiring::GATEWAY.to_owned(), GATEWAY_KEY.to_owned());
        HttpGateway::new(HttpGatewaySettings { name, base_url, api_key }).unwrap()
    }

    /// From now on this goes wrong with the gateway, in percent by mode; `{}` heals it. The gateway runs.
    pub async fn chaos(&self, modes: &str) {
        let key = format!("Bearer {GATEWAY_KEY}");
        let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
        let answer = Client::new(&[self.gateway], 0).send("PUT", "/api/chaos", &headers, modes).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The headers of a webhook as the gateway signs it, now.
    pub fn signed(&self, id: &str, body: &str) -> [(&'static str, String); 4] {
        let timestamp = SystemClock.now().timestamp().to_string();
        let signature = sign_with(WEBHOOK_SECRET, id, &timestamp, body);
        [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", signature),
        ]
    }

    /// Everything that its processes have printed.
    pub fn printed(&self) -> String {
        let files = fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().path());
        let logs = files.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
        logs.map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()).collect()
    }

    /// Runs the program once, with some settings changed, and waits for its end; its exit code and what it printed. One that
    /// does not end by itself is killed after a while and has no code.
    pub async fn run(
        &self,
        arguments: &[&str],
        settings: &[(&'static str, &str)],
        input: &str,
    ) -> (Option<i32>, String) {
        static NUMBER: AtomicU16 = AtomicU16::new(0);
        let path = self.directory.join(format!("once-{}.log", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let log = File::create(&path).unwrap();
        let mut command = Command::new(program());
        command.args(arguments).env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.envs(settings.iter().copied()).current_dir(&self.directory).stdin(Stdio::piped());
        let mut child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        // It need not read what it does not ask for.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let began = Instant::now();
        let code = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None if began.elapsed() > START => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break None;
                }
                None => sleep(Duration::from_millis(20)).await,
            }
        };
        (code, fs::read_to_string(path).unwrap())
    }

    fn process(&self, name: &str, arguments: &[&str], probe: Option<(SocketAddr, &'static str)>) -> Process {
        let metrics = arguments.first().filter(|command| ["serve", "worker"].contains(command)).map(|_| free_address());
        let listen = metrics.map(|address| ("OMS_METRICS_LISTEN", address.to_string()));
        Process {
            name: name.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: self.environment.iter().cloned().chain(listen).collect(),
            directory: self.directory.clone(),
            probe,
            metrics,
            child: None,
        }
    }

    /// `oms serve` with the workers inside, at the public address.
    pub async fn serve(&self) -> Process {
        self.serve_at("serve", self.public, &["serve"]).await
    }

    /// `oms serve --no-worker`, at the public address.
    pub async fn serve_only(&self) -> Process {
        self.serve_at("serve-only", self.public, &["serve", "--no-worker"]).await
    }

    /// One more `oms serve --no-worker`.
    pub async fn another(&self) -> Process {
        self.serve_at("another", free_address(), &["serve", "--no-worker"]).await
    }

    async fn serve_at(&self, name: &str, address: SocketAddr, arguments: &[&str]) -> Process {
        let mut process = self.process(name, arguments, Some((address, "/readyz")));
        process.environment.push(("OMS_LISTEN", address.to_string()));
        process.started().await
    }

    /// `oms worker`. It has no port: whoever waits for it waits for what it does.
    pub async fn worker(&self) -> Process {
        self.named_worker("worker").await
    }

    /// The same under a name of its own, where there are several.
    pub async fn named_worker(&self, name: &str) -> Process {
        self.process(name, &["worker"], None).started().await
    }

    /// `oms gateway`.
    pub async fn gateway(&self) -> Process {
        self.process("gateway", &["gateway"], Some((self.gateway, "/health"))).started().await
    }

    /// `oms mailcatcher`, with room for `keep` mails.
    pub async fn mailcatcher(&self, keep: usize) -> Process {
        let (smtp, http, keep) = (self.smtp.to_string(), self.mail.to_string(), keep.to_string());
        let arguments = ["mailcatcher", "--smtp", &smtp, "--http", &http, "--keep", &keep];
        self.process("mailcatcher", &arguments, Some((self.mail, "/api/messages?limit=1"))).started().await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the processes said is in {}", self.directory.display());
        } else {
            // Every line that any test's processes log has the form that is promised.
            let files = fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().path());
            for file in files.filter(|path| logs::is_of_json(path)) {
                logs::lines(&fs::read_to_string(file).unwrap());
            }
            drop(fs::remove_dir_all(&self.directory));
        }
    }
}

/// A process of ours. It is killed when it goes out of scope.
pub struct Process {
    pub name: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    directory: PathBuf,
    probe: Option<(SocketAddr, &'static str)>,
    metrics: Option<SocketAddr>,
    child: Option<Child>,
}

impl Process {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.probe.expect("it has a port").0
    }

    /// Where its numbers are, once they are there.
    pub async fn metrics(&self) -> SocketAddr {
        let (address, began) = (self.metrics.expect("it has numbers"), Instant::now());
        while !Client::new(&[address], 0)
            .send("GET", "/healthz", &[], "")
            .await
            .is_ok_and(|answer| answer.status == 200)
        {
            assert!(began.elapsed() < START, "{} has no numbers:\n{}", self.name, self.said());
            sleep(Duration::from_millis(20)).await;
        }
        address
    }

    /// Everything that it has logged.
    pub fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.name))
    }

    /// The number the system knows it by.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// The end of what it said.
    pub fn said(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    async fn started(mut self) -> Self {
        self.start().await;
        self
    }

    /// Starts it, and waits until it answers.
    pub async fn start(&mut self) {
        assert!(self.child.is_none(), "{} is running", self.name);
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(program());
        command.args(&self.arguments).env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(&self.directory).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let Some((address, path)) = self.probe else { return };
        let (mut client, began) = (Client::new(&[address], 0), Instant::now());
        while !client.send("GET", path, &[], "").await.is_ok_and(|answer| answer.status == 200) {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            let in_time = ended.is_none() && began.elapsed() < START;
            assert!(in_time, "{} does not get ready ({ended:?}):\n{}", self.name, self.said());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it where it stands: its port stays open and nothing answers.
    pub fn freeze(&self) {
        signals::send(self.id(), Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signals::send(self.id(), Signal::CONT);
    }

    /// SIGTERM: asks it to come to an end by itself.
    pub fn ask_to_stop(&self) {
        signals::send(self.id(), Signal::TERM);
    }

    /// Waits for its end, which somebody has asked for; answers how it ended.
    pub async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().expect("it runs").try_wait().unwrap() {
                self.child = None;
                return status;
            }
            assert!(began.elapsed() < patience, "{} is still there after {patience:?}:\n{}", self.name, self.said());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} said last:\n{}", self.name, self.said());
            return;
        }
        // R-11: whatever happened to it, it never panicked.
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let panics: Vec<_> = log
            .lines()
            .filter(|line| line.contains(r#""message":"panicked""#) || line.contains("panicked at"))
            .collect();
        assert!(panics.is_empty(), "R-11: {} has panicked: {panics:#?}", self.name);
    }
}
