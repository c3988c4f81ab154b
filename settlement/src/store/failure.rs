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
                // A constraint checked at the end, or rolled back by the server for certain, then
                // or before.
                Some(code) => {
                    code.starts_with("23")
                        || (code.starts_with("40") && code != "40003")
                        || code == "25P02"
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
    match (code.get(..2).unwrap_or_default(), code) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whose_fault_it_is() {
        let postgres = |code| postgres_failure(code, String::new());
        for code in ["23505", "23514", "23503", "23502", "22003"] {
            assert!(matches!(postgres(code), StoreError::Contradiction(_)), "{code}");
        }
        for code in ["57014", "57P01", "25P03", "53300", "40001", "40P01", "42501", "", "é"] {
            assert!(matches!(postgres(code), StoreError::Unavailable(_)), "{code}");
        }
        assert!(matches!(postgres("42P01"), StoreError::NotMigrated(_)));
        assert!(matches!(postgres("XX001"), StoreError::Corrupt(_)));
        // 2067: a unique constraint; 261: busy, recovering; 266: a read failed.
        let sqlite = |code: &str, text: &str| sqlite_failure(primary(Some(code)), text.to_owned());
        assert!(matches!(sqlite("2067", ""), StoreError::Contradiction(_)));
        assert!(matches!(sqlite("275", ""), StoreError::Contradiction(_)));
        for code in ["5", "261", "13", "10", "266"] {
            assert!(matches!(sqlite(code, ""), StoreError::Unavailable(_)), "{code}");
        }
        assert!(matches!(sqlite("11", ""), StoreError::Corrupt(_)));
        assert!(matches!(sqlite("1", "no such table: x"), StoreError::NotMigrated(_)));
    }

    #[test]
    fn what_is_not_known_of_a_commit_is_unknown() {
        let lost = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(matches!(commit_failure(lost()), StoreError::UnknownCommit(_)));
        assert!(matches!(failure(lost()), StoreError::Unavailable(_)));
        assert!(connection_lost(&lost()));
        let late = sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        assert!(!connection_lost(&late));
        assert!(matches!(commit_failure(late), StoreError::UnknownCommit(_)));
        let crashed = sqlx::Error::WorkerCrashed;
        assert!(matches!(commit_failure(crashed), StoreError::UnknownCommit(_)));
    }
}
