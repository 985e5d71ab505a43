//! What is in the database: counts, and whether anything has changed at all.

use std::collections::BTreeMap;

use diesel::{QueryableByName, sql_types as st};
use diesel_async::RunQueryDsl;
use kernel::PgConn;

use super::app::TestApp;

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = st::BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = st::Text)]
    word: String,
}

/// Every table with the number of its rows and a digest of what is in them.
pub type Everything = BTreeMap<String, String>;

/// The one number that `query` answers.
pub async fn number(conn: &mut PgConn, query: &str) -> i64 {
    let sql = format!("SELECT ({query})::bigint AS number");
    diesel::sql_query(sql).get_result::<Number>(conn).await.unwrap().number
}

/// The column of texts that `query` answers; it is to be called `word`.
pub async fn words(conn: &mut PgConn, query: &str) -> Vec<String> {
    let rows: Vec<Word> = diesel::sql_query(query).load(conn).await.unwrap();
    rows.into_iter().map(|row| row.word).collect()
}

impl TestApp {
    /// The one number that `query` answers.
    pub async fn number(&self, query: &str) -> i64 {
        number(&mut self.database.connect().await, query).await
    }

    /// The column of texts that `query` answers; it is to be called `word`.
    pub async fn words(&self, query: &str) -> Vec<String> {
        words(&mut self.database.connect().await, query).await
    }

    /// How much of a variant can be bought.
    pub async fn available(&self, variant: &str) -> i64 {
        self.number(&format!("SELECT on_hand - reserved FROM catalog.stock WHERE variant_id = '{variant}'")).await
    }

    /// The whole database but for what the queue's own bookkeeping writes by the clock.
    pub async fn everything(&self) -> Everything {
        let tables = self
            .words(
                "SELECT format('%I.%I', table_schema, table_name) AS word FROM information_schema.tables \
                 WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') \
                 AND (table_schema, table_name) NOT IN (('jobs', 'workers'), ('jobs', 'schedules')) ORDER BY 1",
            )
            .await;
        assert!(tables.len() > 20, "{tables:?}");
        let mut digests = Vec::new();
        for table in tables {
            let but = if table == "jobs.jobs" { "WHERE kind NOT LIKE 'gateway.expire%'" } else { "" };
            digests.push(format!(
                "SELECT '{table} ' || count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') \
                 AS word FROM {table} t {but}"
            ));
        }
        let digests = self.words(&digests.join(" UNION ALL ")).await;
        digests.into_iter().map(|word| word.split_once(' ').map(|(a, b)| (a.into(), b.into())).unwrap()).collect()
    }
}
