//! The store: one list of named behaviours, run against memory, SQLite and PostgreSQL.
//!
//! The behaviours themselves stand in `alliance_settlement::store::conformance`. PostgreSQL is the
//! throw-away cluster that `tests/run` starts and names in `ALLIANCE_TEST_POSTGRES`; each test has
//! a database of its own.

macro_rules! on {
    ($place:ident: $module:ident: $($name:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let place = Place::$place().await;
            alliance_settlement::store::conformance::$module::$name(&place).await;
            place.clean_up().await;
        }
    )*};
}

mod memory {
    use alliance_settlement::store::conformance::Place;

    macro_rules! here {
        ($($behaviours:tt)*) => { on! { memory: $($behaviours)* } };
    }
    alliance_settlement::store_behaviours!(here);
}

mod sqlite {
    use alliance_settlement::store::conformance::Place;

    macro_rules! here {
        ($($behaviours:tt)*) => { on! { sqlite: $($behaviours)* } };
    }
    alliance_settlement::store_behaviours!(here);
    alliance_settlement::database_behaviours!(here);
    alliance_settlement::sqlite_behaviours!(here);
}

mod postgres {
    use alliance_settlement::store::conformance::Place;

    macro_rules! here {
        ($($behaviours:tt)*) => { on! { postgres: $($behaviours)* } };
    }
    alliance_settlement::store_behaviours!(here);
    alliance_settlement::database_behaviours!(here);
    alliance_settlement::postgres_behaviours!(here);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_have_the_same_schema() {
    use alliance_settlement::store::conformance::{Place, schemas};
    let (sqlite, postgres) = (Place::sqlite().await, Place::postgres().await);
    schemas::are_the_same(&sqlite, &postgres).await;
    sqlite.clean_up().await;
    postgres.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_looks_everything_up_by_its_whole_key() {
    use alliance_settlement::store::conformance::{Place, plans};
    let place = Place::sqlite().await;
    plans::every_look_up_is_by_its_whole_key(&place).await;
    place.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_looks_everything_up_by_its_whole_key() {
    use alliance_settlement::store::conformance::{Place, plans};
    let place = Place::postgres().await;
    plans::every_look_up_is_by_its_whole_key(&place).await;
    place.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_stores_tell_the_same_story() {
    use alliance_settlement::store::conformance::{Place, story};
    for seed in 1..=3 {
        let places = [Place::memory().await, Place::sqlite().await, Place::postgres().await];
        story::is_the_same(&places, seed).await;
        for place in places {
            place.clean_up().await;
        }
    }
}
