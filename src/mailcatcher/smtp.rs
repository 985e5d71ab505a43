//! The SMTP door: accepts connections and lets each have its conversation.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{
    MailStore,
    session::{GREETING, Next, Session},
    told_to_stop,
};

/// Conversations at once.
const CONNECTIONS_MAX: usize = 256;
/// Who says nothing for so long is hung up on.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// Takes mail until it is told to stop.
pub(super) async fn serve(
    listener: TcpListener,
    store: Arc<MailStore>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut conversations = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = told_to_stop(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // A client that is gone already, or no file descriptors left; neither is a reason to close the shop.
                    tracing::warn!(%error, "cannot accept a connection for mail");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        while conversations.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            drop(stream);
            continue;
        };
        let store = Arc::clone(&store);
        conversations.spawn(async move {
            if let Err(error) = converse(stream, &store).await {
                tracing::debug!(%error, "a mail client went away");
            }
            drop(place);
        });
    }
    // Whoever is in the middle of a mail sends it again.
    conversations.shutdown().await;
    Ok(())
}

async fn converse(mut stream: TcpStream, store: &MailStore) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut session, mut buffer, mut answers) = (Session::new(), vec![0_u8; 16 * 1024], Vec::new());
    stream.write_all(GREETING).await?;
    loop {
        let Ok(read) = tokio::time::timeout(SILENCE_MAX, stream.read(&mut buffer)).await else {
            return stream.write_all(b"421 4.4.2 you have been silent for too long\r\n").await;
        };
        let bytes = buffer.get(..read?).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        let next = session.ingest(bytes, &mut answers, |mail| store.add(mail.from, mail.to, &mail.raw));
        stream.write_all(&answers).await?;
        answers.clear();
        if next == Next::HangUp {
            return stream.shutdown().await;
        }
    }
}
