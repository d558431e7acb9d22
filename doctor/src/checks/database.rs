//! The database: it opens, its tables are not of a newer version, and it can be written to.
//!
//! Only looked at: tables are brought up to date by the scheduler that leads, at its time.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};

use super::Subject;
use crate::{Finding, Role};

const CHECK: &str = "database";

/// The tables that this version knows.
static SQLITE: Migrator = sqlx::migrate!("../scheduler/store/migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../scheduler/store/migrations/postgres");

/// A leader that runs holds the file's lock for milliseconds.
const BUSY: Duration = Duration::from_secs(2);

/// TLS and password included.
const CONNECT: Duration = Duration::from_secs(5);

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    if !subject.is(&[Role::Up, Role::Scheduler]) {
        return subject.not_needed(CHECK);
    }
    let url = subject.config.database.url.expose_secret();
    vec![match url.split_once(':') {
        Some(("sqlite", _)) => sqlite(url).await,
        Some(("postgres" | "postgresql", _)) => postgres(url).await,
        _ => Finding::skipped(CHECK, "ORB_DATABASE_URL names no database"),
    }]
}

/// The file of an SQLite URL; none when it is in memory, or the URL is none.
pub(super) fn sqlite_file(url: &str) -> Option<PathBuf> {
    let options = SqliteConnectOptions::from_str(url).ok()?;
    let path = options.get_filename().to_owned();
    (!url.contains(":memory:")).then_some(path)
}

async fn sqlite(url: &str) -> Finding {
    let Some(file) = sqlite_file(url) else {
        return Finding::failed(
            CHECK,
            "ORB_DATABASE_URL names no file",
            "give sqlite://<path of a file>",
        );
    };
    let place = file.display();
    let folder = folder_of(&file);
    // A new file beside it is needed in any case: the write-ahead log.
    if let Err(error) = tempfile::Builder::new()
        .prefix(".orb-doctor-")
        .tempfile_in(&folder)
    {
        let found = format!(
            "{place}: no file can be made in {} ({error})",
            folder.display()
        );
        return Finding::failed(
            CHECK,
            found,
            "make the folder, owned by this user, or set ORB_DATABASE_URL to another",
        );
    }
    if !file.exists() {
        return Finding::ok(CHECK, format!("{place} is not there yet, and can be made"));
    }
    match look_into(url).await {
        Ok(applied) => judge(&place.to_string(), &SQLITE, applied.as_deref()),
        Err(error) => {
            let found = format!("{place} cannot be read and written: {}", said(&error));
            Finding::failed(
                CHECK,
                found,
                "see that this user owns the file and that it is an SQLite database of orb's",
            )
        }
    }
}

async fn look_into(url: &str) -> Result<Option<Vec<Migrated>>, sqlx::Error> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(false)
        .busy_timeout(BUSY);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    // Takes the lock of a writer, and gives it back.
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut connection)
        .await?;
    sqlx::query("ROLLBACK").execute(&mut connection).await?;
    let table = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let has_table: i64 = sqlx::query(table)
        .fetch_one(&mut connection)
        .await?
        .try_get(0)?;
    let applied = match has_table {
        0 => None,
        _ => Some(sqlx::query_as(APPLIED).fetch_all(&mut connection).await?),
    };
    connection.close().await?;
    Ok(applied)
}

async fn postgres(url: &str) -> Finding {
    let options = match PgConnectOptions::from_str(url) {
        Ok(options) => options.application_name("orb-doctor"),
        // The parser quotes what it does not understand.
        Err(_) => {
            return Finding::failed(
                CHECK,
                "ORB_DATABASE_URL cannot be read",
                "give postgres://user:password@server/name",
            );
        }
    };
    let database = options.get_database().unwrap_or("of the user's name");
    let place = format!(
        "PostgreSQL at {}:{}, database {database}",
        options.get_host(),
        options.get_port()
    );
    match tokio::time::timeout(CONNECT, ask_postgres(&options)).await {
        Ok(Ok(Asked {
            read_only: Some(why),
            ..
        })) => Finding::failed(
            CHECK,
            format!("{place} is not to be written to: {why}"),
            "name the primary, and a user with rights on its schema",
        ),
        Ok(Ok(Asked { applied, .. })) => judge(&place, &POSTGRES, applied.as_deref()),
        Ok(Err(error)) => {
            let found = format!("{place}: {}", said(&error));
            Finding::failed(
                CHECK,
                found,
                "see that it runs and that ORB_DATABASE_URL has the right server, user and password",
            )
        }
        Err(_) => Finding::failed(
            CHECK,
            format!("{place} does not answer"),
            "see that it runs and that this machine reaches it",
        ),
    }
}

struct Asked {
    /// Why it cannot be written to.
    read_only: Option<&'static str>,
    applied: Option<Vec<Migrated>>,
}

async fn ask_postgres(options: &PgConnectOptions) -> Result<Asked, sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    let rights = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', \
                  to_regclass('_sqlx_migrations') IS NOT NULL, \
                  coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)";
    let row = sqlx::query(rights).fetch_one(&mut connection).await?;
    let (is_standby, is_read_only): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let (has_table, may_create): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
    let read_only = match () {
        () if is_standby => Some("it is a standby"),
        () if is_read_only => Some("its transactions are read-only"),
        () if !may_create => Some("the user may not make tables"),
        () => None,
    };
    let applied = match read_only {
        None if has_table => Some(sqlx::query_as(APPLIED).fetch_all(&mut connection).await?),
        _ => None,
    };
    connection.close().await?;
    Ok(Asked { read_only, applied })
}

/// A migration that was run on the database: its version, whether it was completed, its checksum.
type Migrated = (i64, bool, Vec<u8>);

/// All of them, in the order of their versions.
const APPLIED: &str = "SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version";

/// What the migrations that were run say of the version that ran them. None were where there is no table of them.
fn judge(place: &str, known: &Migrator, applied: Option<&[Migrated]>) -> Finding {
    let Some(applied) = applied else {
        return Finding::ok(
            CHECK,
            format!("{place} is empty; the tables are made at start"),
        );
    };
    for (version, completed, checksum) in applied {
        let Some(known) = known.iter().find(|known| known.version == *version) else {
            let found = format!("{place} was written by a newer orb (its migration {version})");
            return Finding::failed(
                CHECK,
                found,
                "use that orb, or restore the backup from before",
            );
        };
        if !completed {
            let found = format!("{place}: migration {version} was begun and not completed");
            return Finding::failed(CHECK, found, "restore the backup from before it");
        }
        if *known.checksum != **checksum {
            let found = format!("{place}: migration {version} is not the one that this orb knows");
            return Finding::failed(
                CHECK,
                found,
                "use the orb that made it; builds from between two releases may differ",
            );
        }
    }
    let is_missing = |version| applied.iter().all(|(applied, ..)| *applied != version);
    match known
        .iter()
        .filter(|known| is_missing(known.version))
        .count()
    {
        0 => Finding::ok(CHECK, format!("{place}, tables up to date")),
        1 => Finding::ok(
            CHECK,
            format!("{place}; 1 migration is run at start (back it up before)"),
        ),
        n => Finding::ok(
            CHECK,
            format!("{place}; {n} migrations are run at start (back it up before)"),
        ),
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Without the name of the kind of error, which says nothing to an operator.
fn said(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(answer) => answer.message().to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    #[test]
    fn tables_of_other_versions_are_told_apart() {
        let known: Vec<Migrated> = SQLITE
            .iter()
            .map(|migration| (migration.version, true, migration.checksum.to_vec()))
            .collect();
        let outcome = |applied: &[Migrated]| judge("x", &SQLITE, Some(applied));
        assert_eq!(outcome(&known).outcome, Outcome::Ok);
        assert!(outcome(&known[..1]).found.contains("run at start"));
        assert_eq!(judge("x", &SQLITE, None).outcome, Outcome::Ok);
        let with = |change: fn(&mut Vec<Migrated>)| {
            let mut applied = known.clone();
            change(&mut applied);
            outcome(&applied)
        };
        let newer = with(|applied| applied.push((9_999, true, Vec::new())));
        assert!(newer.found.contains("newer orb"), "{newer:?}");
        let broken = with(|applied| applied[0].1 = false);
        assert!(broken.found.contains("not completed"), "{broken:?}");
        let changed = with(|applied| applied[0].2[0] ^= 1);
        assert!(changed.found.contains("is not the one"), "{changed:?}");
    }

    #[test]
    fn the_file_of_a_url() {
        assert_eq!(
            sqlite_file("sqlite://orb.db"),
            Some(PathBuf::from("orb.db"))
        );
        assert_eq!(
            sqlite_file("sqlite:///var/orb.db?mode=rwc"),
            Some(PathBuf::from("/var/orb.db"))
        );
        assert_eq!(sqlite_file("sqlite::memory:"), None);
    }
}
