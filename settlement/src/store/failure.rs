//! What a database's error means to a store.

use sqlx::postgres::PgDatabaseError;

use super::StoreError;

/// What an error means, before a commit was sent. Values are never part of the text.
pub(super) fn failure(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => {
            let text = error.message().to_owned();
            let postgres = error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code);
            match postgres {
                Some(code) => postgres_failure(code, text),
                None => sqlite_failure(primary(error.code().as_deref()), text),
            }
        }
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::TypeNotFound { .. } => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// What an error means in answer to a commit.
pub(super) fn commit_failure(error: sqlx::Error) -> StoreError {
    let refused = match &error {
        sqlx::Error::Database(error) => {
            match error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code) {
                // A constraint checked at the end, or rolled back by the server for certain.
                Some(code) => {
                    code.starts_with("23") || (code.starts_with("40") && code != "40003")
                }
                // Busy, locked, full, a constraint: SQLite has not committed.
                None => matches!(primary(error.code().as_deref()), 5 | 6 | 13 | 19),
            }
        }
        _ => false,
    };
    if refused { failure(error) } else { StoreError::UnknownCommit(error.to_string()) }
}

/// Whether an idle connection had died, so that another is worth trying at once.
pub(super) fn connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() != std::io::ErrorKind::TimedOut,
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08") || matches!(&*code, "57P01" | "57P02" | "57P03" | "25P03")
        }),
        _ => false,
    }
}

fn postgres_failure(code: &str, text: String) -> StoreError {
    match (&code[..code.len().min(2)], code) {
        // A constraint; a number out of range.
        ("23" | "22", _) => StoreError::Contradiction(text),
        // No such table, column, schema.
        (_, "42P01" | "42703" | "3F000") => StoreError::NotMigrated(text),
        // Data corrupted, index corrupted.
        (_, "XX001" | "XX002") => StoreError::Corrupt(text),
        _ => StoreError::Unavailable(format!("{text} ({code})")),
    }
}

fn sqlite_failure(code: u32, text: String) -> StoreError {
    match code {
        19 => StoreError::Contradiction(text),
        11 | 26 => StoreError::Corrupt(text),
        1 if text.starts_with("no such table") || text.starts_with("no such column") => {
            StoreError::NotMigrated(text)
        }
        _ => StoreError::Unavailable(text),
    }
}

/// SQLite's primary result code: the low byte of the extended one.
fn primary(code: Option<&str>) -> u32 {
    code.and_then(|code| code.parse::<u32>().ok()).unwrap_or(1) & 0xff
}
