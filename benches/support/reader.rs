//! Clients that read: questions that are written down beforehand, asked in any order.

use std::{net::SocketAddr, sync::Arc};

use super::{
    load::{Answer, Ask},
    needle::Needle,
    shop::Dice,
};

/// A request, and what its answer has to contain.
pub struct Question {
    request: Vec<u8>,
    expected: Needle,
}

impl Question {
    /// A GET of a path, by somebody with a token or by anybody.
    pub fn get(server: SocketAddr, path: &str, token: Option<&str>, expected: &str) -> Self {
        let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {server}\r\n{authorization}\r\n").into_bytes();
        Self { request, expected: Needle::new(expected.as_bytes()) }
    }
}

/// Asks one of the questions after the other, by chance.
pub struct Reader {
    questions: Arc<Vec<Question>>,
    at: usize,
    dice: Dice,
}

impl Ask for Reader {
    fn request(&mut self) -> &[u8] {
        self.at = self.dice.pick(0, self.questions.len() - 1);
        &self.questions[self.at].request
    }

    fn is_right(&mut self, answer: &Answer<'_>) -> bool {
        answer.status == 200 && self.questions[self.at].expected.find(answer.body).is_some()
    }
}

/// So many readers of the same questions.
pub fn readers(server: SocketAddr, connections: usize, questions: &Arc<Vec<Question>>) -> Vec<(SocketAddr, Reader)> {
    let reader = |_| (server, Reader { questions: Arc::clone(questions), at: 0, dice: Dice::new() });
    (0..connections).map(reader).collect()
}
