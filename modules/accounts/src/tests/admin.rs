//! What the command line and the sibling modules use.

use kernel::{EmailAddress, Role, UserId, trail::Actor};

use super::support::{PASSWORD, TestApp};
use crate::{AccountsError, Decision, Password, Username, admin, contact, contacts};

#[tokio::test]
async fn an_administrator_is_made_found_and_logs_in() {
    let app = TestApp::new().await;
    let mut conn = app.conn().await;
    let hash = app.accounts.hasher.hash(&Password::parse(PASSWORD).unwrap()).await.unwrap();
    let (name, email) = (Username::parse("Root").unwrap(), EmailAddress::parse("Root@example.com").unwrap());
    let made = admin::create_user(&mut conn, &name, &email, &hash, Role::Admin, true, app.now()).await.unwrap();
    assert_eq!((made.role, made.email.as_str()), (Role::Admin, "root@example.com"));
    assert_eq!(admin::find(&mut conn, "root").await.unwrap().as_ref(), Some(&made));
    assert_eq!(admin::find(&mut conn, "ROOT@example.com").await.unwrap().as_ref(), Some(&made));
    assert_eq!(admin::find(&mut conn, "nobody").await.unwrap(), None);
    let again = admin::create_user(&mut conn, &name, &email, &hash, Role::Admin, true, app.now()).await;
    assert!(matches!(again, Err(AccountsError::UsernameTaken)));
    let token = app.login("root", PASSWORD).await.is(200).text("access_token");
    assert_eq!(app.me(&token).await.json()["role"], "admin");
    assert!(app.waiting_jobs().await.is_empty(), "no mail is sent");
    app.finish().await;
}

#[tokio::test]
async fn roles_and_passwords_are_set() {
    let app = TestApp::new().await;
    let (_, refresh) = app.logged_in("alice").await;
    let mut conn = app.conn().await;
    let alice = admin::find(&mut conn, "alice").await.unwrap().unwrap();
    let promoted = Decision::Role(Role::Operator);
    admin::decide(&mut conn, Actor::Console, alice.id, &promoted, app.now()).await.unwrap();
    app.refresh(&refresh).await.is(401);
    assert_eq!(admin::find(&mut conn, "alice").await.unwrap().unwrap().role, Role::Operator);
    let hash = app.accounts.hasher.hash(&Password::parse("eleven paper boats").unwrap()).await.unwrap();
    admin::reset_password(&mut conn, alice.id, &hash, app.now()).await.unwrap();
    app.login("alice", "eleven paper boats").await.is(200);
    app.run_jobs().await;
    assert_eq!(app.mails()[0].template, "password_changed");

    let nobody = UserId::new();
    let unknown = admin::decide(&mut conn, Actor::Console, nobody, &promoted, app.now()).await;
    assert!(matches!(unknown, Err(AccountsError::UnknownUser)));
    let unknown = admin::reset_password(&mut conn, nobody, &hash, app.now()).await;
    assert!(matches!(unknown, Err(AccountsError::UnknownUser)));
    app.finish().await;
}

#[tokio::test]
async fn siblings_are_told_names_and_addresses() {
    let app = TestApp::new().await;
    app.verified("alice").await;
    app.verified("bob").await;
    let mut conn = app.conn().await;
    let alice = admin::find(&mut conn, "alice").await.unwrap().unwrap().id;
    let bob = admin::find(&mut conn, "bob").await.unwrap().unwrap().id;
    let found = contact(&mut conn, alice).await.unwrap().unwrap();
    assert_eq!((found.username.as_str(), found.email.as_str()), ("alice", "alice@example.com"));
    assert_eq!(contact(&mut conn, UserId::new()).await.unwrap(), None);
    let mut found: Vec<_> = contacts(&mut conn, &[bob, UserId::new(), alice]).await.unwrap();
    found.sort_by(|a, b| a.username.cmp(&b.username));
    assert_eq!(found.iter().map(|contact| contact.user_id).collect::<Vec<_>>(), [alice, bob]);
    assert!(contacts(&mut conn, &[]).await.unwrap().is_empty());
    app.finish().await;
}
