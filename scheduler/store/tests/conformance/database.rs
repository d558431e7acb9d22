//! The databases that the suites run against.

use std::str::FromStr;

use orb_cluster::Postgres;
use orb_scheduler_store::{PostgresStore, Seal, SqliteStore, Store};
use secrecy::SecretString;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;

/// A database of its own for one test.
pub(crate) trait Database: Sized + Sync {
    type Store: Store;

    async fn new() -> Self;

    /// Another store on it, sealed with this token.
    async fn open_with(&self, token: &str) -> Self::Store;

    /// The tables as that version made them.
    async fn of_version(version: i64) -> Self;

    /// As a binary value.
    const NO_BYTES: &str;

    /// Runs something that the store would not.
    async fn execute(&self, sql: impl Into<String> + Send);

    /// The columns of a query, whose values are cast to text.
    async fn texts(&self, sql: &str) -> Vec<Vec<Option<String>>>;

    /// All that is stored, as one looks who may read every table.
    async fn all_bytes(&self) -> Vec<u8>;

    async fn open(&self) -> Self::Store {
        self.open_with("token").await
    }
}

pub(crate) fn seal(token: &str) -> Seal {
    Seal::new(&[SecretString::from(token)])
}

pub(crate) struct SqliteFile {
    folder: TempDir,
}

impl SqliteFile {
    fn url(&self) -> String {
        format!("sqlite://{}", self.folder.path().join("orb.db").display())
    }
}

impl Database for SqliteFile {
    type Store = SqliteStore;

    const NO_BYTES: &str = "x''";

    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    async fn of_version(version: i64) -> Self {
        let database = Self::new().await;
        let options = SqliteConnectOptions::from_str(&database.url()).unwrap();
        let options = options.create_if_missing(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let migrations = sqlx::migrate!("migrations/sqlite");
        migrations.run_to(version, &mut connection).await.unwrap();
        database
    }

    async fn execute(&self, sql: impl Into<String> + Send) {
        let mut connection = SqliteConnection::connect(&self.url()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.into()))
            .execute(&mut connection)
            .await
            .unwrap();
    }

    async fn open_with(&self, token: &str) -> SqliteStore {
        SqliteStore::open(&self.url(), seal(token)).await.unwrap()
    }

    async fn texts(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let mut connection = SqliteConnection::connect(&self.url()).await.unwrap();
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        let rows = query.fetch_all(&mut connection).await.unwrap();
        let columns = |row: &sqlx::sqlite::SqliteRow| (0..row.len()).map(|i| row.get(i)).collect();
        rows.iter().map(columns).collect()
    }

    async fn all_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        bytes
    }
}

pub(crate) struct PostgresServer {
    pub(crate) server: Postgres,
}

impl PostgresServer {
    /// For looking in from beside the store.
    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.server.url()).await.unwrap()
    }
}

impl Database for PostgresServer {
    type Store = PostgresStore;

    const NO_BYTES: &str = "''";

    async fn new() -> Self {
        let server = Postgres::start().await.unwrap();
        Self { server }
    }

    async fn of_version(version: i64) -> Self {
        let database = Self::new().await;
        let migrations = sqlx::migrate!("migrations/postgres");
        let mut connection = database.connect().await;
        migrations.run_to(version, &mut connection).await.unwrap();
        database
    }

    async fn execute(&self, sql: impl Into<String> + Send) {
        let mut connection = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql.into()))
            .execute(&mut connection)
            .await
            .unwrap();
    }

    async fn open_with(&self, token: &str) -> PostgresStore {
        PostgresStore::open(&self.server.url(), seal(token))
            .await
            .unwrap()
    }

    async fn texts(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let mut connection = self.connect().await;
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        let rows = query.fetch_all(&mut connection).await.unwrap();
        let columns = |row: &sqlx::postgres::PgRow| (0..row.len()).map(|i| row.get(i)).collect();
        rows.iter().map(columns).collect()
    }

    /// Not the files: those are compressed in part. Binary columns are shown as characters.
    async fn all_bytes(&self) -> Vec<u8> {
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
        let mut all = String::new();
        let mut connection = self.connect().await;
        sqlx::raw_sql("SET bytea_output = 'escape'")
            .execute(&mut connection)
            .await
            .unwrap();
        for table in self.texts(tables).await {
            let table = table[0].as_deref().unwrap();
            let sql = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
            let rows: String = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut connection)
                .await
                .unwrap();
            all.push_str(&rows);
        }
        all.into_bytes()
    }
}
