//! A server that does nothing but answer: what reading could reach at best on the same stack.
//!
//! It runs in a process of its own, which is this benchmark started with the word [`WORD`], an address, and a directory with
//! an answer for each path.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use poem::{
    EndpointExt, Request, Response, Route, Server,
    endpoint::{BoxEndpoint, make_sync},
    listener::TcpListener,
};

use super::{
    client::Answer,
    database::free_address,
    process::{self, Process},
};

/// What the process is started with.
pub const WORD: &str = "bare";
/// The two paths and the files of their answers.
const ANSWERS: [(&str, &str); 2] = [("/v1/products/:id", "product"), ("/v1/products", "list")];
/// What hyper writes by itself.
const NOT_OURS: [&str; 3] = ["date", "content-length", "connection"];

/// The bare server.
pub struct Bare {
    process: Process,
    pub api: SocketAddr,
}

impl Bare {
    /// Starts one that gives the answers to a product and to a list of them that somebody else gave.
    pub async fn start(directory: &Path, product: &Answer, list: &Answer) -> Self {
        for ((_, file), answer) in ANSWERS.iter().zip([product, list]) {
            let is_ours = |(name, _): &&(String, String)| !NOT_OURS.contains(&name.to_ascii_lowercase().as_str());
            let headers: Vec<_> = answer.headers.iter().filter(is_ours).collect();
            fs::write(directory.join(format!("{file}.headers")), serde_json::to_vec(&headers).unwrap()).unwrap();
            fs::write(directory.join(format!("{file}.body")), &answer.body).unwrap();
        }
        let api = free_address();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([WORD, &api.to_string()]).arg(directory);
        Self { process: Process::reachable(&mut command, api).await, api }
    }

    /// Its processor time so far, in seconds.
    pub fn cpu(&self) -> f64 {
        process::cpu(self.process.id())
    }
}

/// Serves until it is killed.
pub async fn serve(address: &str, directory: &Path) {
    let mut app = Route::new();
    for (path, file) in ANSWERS {
        app = app.at(path, endpoint(directory, file));
    }
    Server::new(TcpListener::bind(address)).run(app).await.unwrap();
}

fn endpoint(directory: &Path, file: &str) -> BoxEndpoint<'static, Response> {
    let headers: Vec<(String, String)> =
        serde_json::from_slice(&fs::read(directory.join(format!("{file}.headers"))).unwrap()).unwrap();
    let body = bytes::Bytes::from(fs::read(directory.join(format!("{file}.body"))).unwrap());
    make_sync(move |_: Request| {
        let headers = headers.iter();
        headers.fold(Response::builder(), |answer, (name, value)| answer.header(name, value)).body(body.clone())
    })
    .boxed()
}
