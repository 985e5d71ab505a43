//! The database holds what the modules think it holds, and guards it by itself.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{QueryableByName, sql_types as st};
use diesel_async::RunQueryDsl;
use testkit::TestDatabase;

use super::source::read;

const MODULES: [&str; 6] = ["accounts", "catalog", "gateway", "jobs", "orders", "payments"];

#[derive(QueryableByName, Debug)]
struct Column {
    #[diesel(sql_type = st::Text)]
    schema: String,
    #[diesel(sql_type = st::Text)]
    table: String,
    #[diesel(sql_type = st::Text)]
    column: String,
    #[diesel(sql_type = st::Text)]
    kind: String,
    #[diesel(sql_type = st::Bool)]
    nullable: bool,
}

impl Column {
    fn name(&self) -> String {
        format!("{}.{}.{}", self.schema, self.table, self.column)
    }
}

async fn columns(database: &TestDatabase) -> Vec<Column> {
    let sql = "SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS column, \
        format_type(a.atttypid, NULL) AS kind, NOT a.attnotnull AS nullable \
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind IN ('r', 'p', 'm') AND a.attnum > 0 AND NOT a.attisdropped \
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'public', 'pg_toast') ORDER BY 1, 2, a.attnum";
    let found: Vec<Column> = diesel::sql_query(sql).load(&mut database.connect().await).await.unwrap();
    assert!(found.len() > 100, "{}", found.len());
    found
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = st::Text)]
    word: String,
}

async fn words(database: &TestDatabase, sql: &str) -> BTreeSet<String> {
    let rows: Vec<Word> = diesel::sql_query(sql).load(&mut database.connect().await).await.unwrap();
    rows.into_iter().map(|row| row.word).collect()
}

/// What diesel calls a type of PostgreSQL's.
fn diesels(kind: &str) -> String {
    let base = match kind.trim_end_matches("[]") {
        "uuid" => "Uuid",
        "text" => "Text",
        "character" => "Bpchar",
        "character varying" => "Varchar",
        "bigint" => "Int8",
        "integer" => "Int4",
        "smallint" => "Int2",
        "boolean" => "Bool",
        "timestamp with time zone" => "Timestamptz",
        "jsonb" => "Jsonb",
        "bytea" => "Bytea",
        "tsvector" => "Tsvector",
        other => panic!("what does diesel call {other}?"),
    };
    if kind.ends_with("[]") { format!("Array<Nullable<{base}>>") } else { base.to_owned() }
}

/// Table and columns, in order, of every `table!` in a `schema.rs`.
fn tables(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut table: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some((name, rest)) = line.split_once(" (")
            && rest.ends_with(") {")
            && name.contains('.')
        {
            found.insert(name.to_owned(), Vec::new());
            table = Some(name.to_owned());
        } else if line == "}" {
            table = None;
        } else if let (Some((column, kind)), Some(table)) = (line.split_once(" -> "), &table) {
            let column = column.trim_start_matches("r#");
            let column = column.strip_suffix('_').filter(|word| *word == "type").unwrap_or(column);
            found.get_mut(table).unwrap().push(format!("{column}: {}", kind.trim_end_matches(',')));
        }
    }
    found
}

#[tokio::test]
async fn every_schema_rs_is_what_the_migrations_made() {
    let database = TestDatabase::new().await;
    let columns = columns(&database).await;
    for module in MODULES {
        let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
        // The order of a table's columns is that of the table.
        for column in columns.iter().filter(|column| column.schema == module) {
            let kind = diesels(&column.kind);
            let kind = if column.nullable { format!("Nullable<{kind}>") } else { kind };
            let table = format!("{}.{}", column.schema, column.table);
            expected.entry(table).or_default().push(format!("{}: {kind}", column.column));
        }
        let written = tables(&read(&format!("modules/{module}/src/schema.rs")));
        for (table, columns) in &written {
            assert_eq!(Some(columns), expected.get(table), "{module}: {table} in schema.rs; print it again");
        }
        let missing: Vec<_> = expected.keys().filter(|table| !written.contains_key(*table)).collect();
        assert!(missing.is_empty(), "{module}: not in schema.rs: {missing:?}");
    }
}

/// Amounts that may be anything, and why.
const UNCHECKED_MONEY: [(&str, &str); 4] = [
    ("catalog.variants.unit_price_minor", "computed by the database from columns that are checked"),
    ("catalog.stock.unit_price_minor", "the database's copy of the variant's; the audit compares them"),
    ("catalog.stock.list_price_minor", "the database's copy of the variant's; the audit compares them"),
    ("catalog.stock.currency", "the database's copy of the product's; the audit compares them"),
];

#[tokio::test]
async fn every_amount_is_checked_by_the_database() {
    let database = TestDatabase::new().await;
    let checked = words(
        &database,
        "SELECT format('%s.%s.%s', n.nspname, c.relname, a.attname) AS word FROM pg_constraint k \
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey) WHERE k.contype = 'c'",
    )
    .await;
    for column in columns(&database).await {
        let is_amount =
            column.column.ends_with("_minor") || column.column == "currency" || column.column.ends_with("_currency");
        let excused = UNCHECKED_MONEY.iter().any(|(name, _)| *name == column.name());
        assert!(!is_amount || excused || checked.contains(&column.name()), "{} has no CHECK", column.name());
        let is_float = matches!(column.kind.as_str(), "real" | "double precision" | "money" | "numeric");
        assert!(!is_float, "{}: {}", column.name(), column.kind);
        let is_time = column.column.ends_with("_at") || column.column == "at" || column.kind.starts_with("timestamp");
        assert!(!is_time || column.kind == "timestamp with time zone", "{}: {}", column.name(), column.kind);
    }
}

/// Ids that no foreign key follows although what they name is in the same schema or nowhere, and why.
const UNBOUND_IDS: [(&str, &str); 26] = [
    ("kernel.idempotency_keys.caller_id", "a person: another schema"),
    ("kernel.trail.actor_id", "a person: another schema"),
    ("kernel.trail.api_key_id", "a key: another schema"),
    ("kernel.trail.request_id", "a text from a header"),
    ("kernel.trail.subject_id", "whatever it was done to, in any schema"),
    ("catalog.members.user_id", "a person: another schema"),
    ("catalog.stock.product_id", "the database's copy of the variant's; the audit compares them"),
    ("catalog.stock.business_id", "the database's copy of the variant's; the audit compares them"),
    ("catalog.stock_movements.variant_id", "written on the hot path beside its stock; the audit checks it"),
    ("catalog.stock_movements.order_id", "an order: another schema"),
    ("gateway.deliveries.message_id", "a text of our own"),
    ("orders.orders.customer_id", "a person: another schema"),
    ("orders.lines.order_id", "written on the hot path beside its order; the audit checks it"),
    ("orders.lines.variant_id", "the catalog: another schema"),
    ("orders.lines.product_id", "the catalog: another schema"),
    ("orders.lines.business_id", "the catalog: another schema"),
    ("orders.events.order_id", "written on the hot path beside its order; the audit checks it"),
    ("orders.events.actor_id", "a person: another schema"),
    ("orders.events.request_id", "a text from a header"),
    ("orders.notes.author_id", "a person: another schema"),
    ("orders.shipments.business_id", "the catalog: another schema"),
    ("orders.returns.business_id", "the catalog: another schema"),
    ("payments.attempts.order_id", "an order: another schema"),
    ("payments.attempts.capture_id", "our name for a capture: a key for the gateway, of no table"),
    ("payments.refunds.order_id", "an order: another schema"),
    ("payments.inbox.webhook_id", "the gateway's own name for it"),
];

#[tokio::test]
async fn ids_are_bound_within_a_schema_and_never_across() {
    let database = TestDatabase::new().await;
    let bound = words(
        &database,
        "SELECT format('%s.%s.%s', n.nspname, c.relname, a.attname) AS word FROM pg_constraint k \
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey) WHERE k.contype = 'f'",
    )
    .await;
    let columns = columns(&database).await;
    let mut unbound: Vec<_> = columns
        .iter()
        .filter(|column| column.column.ends_with("_id") && !bound.contains(&column.name()))
        .map(Column::name)
        .collect();
    unbound.retain(|name| !UNBOUND_IDS.iter().any(|(excused, _)| excused == name));
    assert!(unbound.is_empty(), "no foreign key and no reason: {unbound:?}");
    let names: BTreeSet<String> = columns.iter().map(Column::name).collect();
    for (name, why) in UNBOUND_IDS {
        assert!(names.contains(name) && !bound.contains(name), "no longer true: {name} ({why})");
    }
    let across = words(
        &database,
        "SELECT k.conname::text AS word FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
         JOIN pg_class f ON f.oid = k.confrelid WHERE k.contype = 'f' AND c.relnamespace <> f.relnamespace",
    )
    .await;
    assert!(across.is_empty(), "foreign keys across schemas: {across:?}");
}

#[tokio::test]
async fn every_foreign_key_can_be_followed_back() {
    let database = TestDatabase::new().await;
    // Deleting or locking the referenced row would otherwise read the whole table.
    let without_index = words(
        &database,
        "SELECT format('%s.%s (%s)', n.nspname, c.relname, k.conname) AS word FROM pg_constraint k \
         JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE k.contype = 'f' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid \
         AND i.indkey[0] = k.conkey[1])",
    )
    .await;
    assert!(without_index.is_empty(), "{without_index:?}");
    // Rows of a table that names another unique index as its replica identity can be told apart as well.
    let without_key = words(
        &database,
        "SELECT format('%s.%s', n.nspname, c.relname) AS word FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'public') \
         AND c.relreplident <> 'i' AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p')",
    )
    .await;
    assert!(without_key.is_empty(), "tables without a primary key: {without_key:?}");
}
