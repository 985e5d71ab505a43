//! A Redis of the test's own, which can be killed and frozen.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::processes::free_address;

/// It is killed when it goes out of scope.
pub struct Redis {
    address: SocketAddr,
    child: Option<Child>,
}

impl Redis {
    /// Starts one on a free port; it writes nothing to disk.
    pub async fn start() -> Self {
        let mut redis = Self { address: free_address(), child: None };
        redis.restart().await;
        redis
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Starts it again, empty, at the same place.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let port = self.address.port().to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.current_dir(std::env::temp_dir()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("redis-server is installed"));
        let began = Instant::now();
        while self.say("PING").await.is_none_or(|answer| !answer.contains("PONG")) {
            assert!(began.elapsed() < Duration::from_secs(10), "Redis does not start");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it answers to a command without arguments.
    async fn say(&self, command: &str) -> Option<String> {
        let asked = async {
            let mut stream = TcpStream::connect(self.address).await.ok()?;
            stream.write_all(format!("{command}\r\n").as_bytes()).await.ok()?;
            let mut answer = vec![0; 64];
            let length = stream.read(&mut answer).await.ok()?;
            Some(String::from_utf8_lossy(&answer[..length]).into_owned())
        };
        timeout(Duration::from_secs(1), asked).await.ok().flatten()
    }

    /// Makes it forget everything.
    pub async fn flush(&self) {
        assert_eq!(self.say("FLUSHALL").await.as_deref(), Some("+OK\r\n"));
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// It keeps its connections and says nothing any more.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
