//! `oms doctor` names what is wrong with a database, and says what to do.

use diesel_async::SimpleAsyncConnection;
use testkit::TestDatabase;

/// What it prints of this database. (Mail and gateway are not there, so that it never succeeds.)
async fn doctor(database: &TestDatabase) -> String {
    let mut oms = tokio::process::Command::new(env!("CARGO_BIN_EXE_oms"));
    let done = oms.arg("doctor").env_clear().env("DATABASE_URL", database.url()).output().await.unwrap();
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test]
async fn doctor_names_what_is_wrong_with_a_database() {
    let database = TestDatabase::new().await;
    let sound = doctor(&database).await;
    for line in ["ok    database", "ok    connections", "ok    clock", "ok    migrations"] {
        assert!(sound.contains(line), "{line}: {sound}");
    }
    let wrong = ["FAIL  writing", "FAIL  encoding", "FAIL  messages", "warn  indexes", " guards "];
    assert_eq!(wrong.iter().find(|line| sound.contains(**line)), None, "{sound}");

    let mut conn = database.connect().await;
    conn.batch_execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders.orders_number'::regclass; \
         ALTER TABLE orders.events DISABLE TRIGGER events_append_only; \
         ALTER TABLE catalog.stock ADD CONSTRAINT never CHECK (on_hand > -1) NOT VALID; \
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$",
    )
    .await
    .unwrap();
    let sick = doctor(&database).await;
    for line in [
        "FAIL  writing        the database is read-only",
        "warn  indexes        orders.orders_number was never finished",
        "FAIL  guards         the trigger events_append_only of orders.events is off",
        "warn  guards         the constraint never of catalog.stock was never checked",
    ] {
        assert!(sick.contains(line), "{line}: {sick}");
    }
}
