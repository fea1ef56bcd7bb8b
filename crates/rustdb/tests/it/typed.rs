//! Rows as types of the program's own.

use std::time::{Duration, SystemTime};

use rustdb::sql::{Connection, FromValue, Row, SqlValue, Value};
use rustdb::{Database, ErrorKind, FromRow, ToRow};

fn connection() -> Connection {
    let db = Database::in_memory().expect("a database");
    db.connect().expect("a session")
}

#[derive(Clone, Debug, Default, PartialEq, FromRow, ToRow)]
struct Place {
    #[rustdb(rename = "lat")]
    latitude: f64,
    #[rustdb(rename = "long")]
    longitude: f64,
}

#[derive(Clone, Debug, PartialEq, FromRow, ToRow)]
struct City<T> {
    #[rustdb(read_only)]
    id: i64,
    name: T,
    #[rustdb(flatten)]
    place: Place,
    r#type: Option<String>,
    #[rustdb(skip)]
    seen: bool,
    #[rustdb(default, read_only)]
    people: i64,
}

const CITIES: &str = "CREATE TABLE cities (id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL, \
                      lat FLOAT8, long FLOAT8, type TEXT)";

fn city(name: &str, kind: Option<&str>) -> City<String> {
    City {
        id: 0,
        name: name.to_owned(),
        place: Place {
            latitude: 1.5,
            longitude: -2.0,
        },
        r#type: kind.map(str::to_owned),
        seen: true,
        people: 0,
    }
}

#[test]
fn structs_come_back_as_they_were_written() {
    let mut connection = connection();
    connection.run(CITIES).unwrap();
    let cities = [city("Ulm", None), city("Rom", Some("capital"))];
    assert_eq!(connection.insert_rows("cities", &cities).unwrap(), 2);
    assert_eq!(connection.insert_rows("cities", cities.clone()).unwrap(), 2);
    let text = "SELECT long, * FROM cities ORDER BY id";
    let read: Vec<City<String>> = connection.query_as(text, &[]).unwrap();
    let ids: Vec<i64> = read.iter().map(|city| city.id).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    let mut expected = cities[1].clone();
    (expected.id, expected.seen) = (2, false);
    assert_eq!(read[1], expected);
    let text = "SELECT *, 7 AS people FROM cities WHERE id = $1";
    let with_people: City<String> = connection.query_one(text, &[1.into()]).unwrap();
    assert_eq!(with_people.people, 7);
}

#[test]
fn a_struct_without_names_reads_columns_in_their_order() {
    #[derive(Debug, PartialEq, FromRow, ToRow)]
    struct Pair(i64, Option<String>);

    let mut connection = connection();
    connection
        .run("CREATE TABLE pairs (n INT, word TEXT)")
        .unwrap();
    let pairs = [Pair(1, None), Pair(2, Some("two".to_owned()))];
    connection.insert_rows("pairs", &pairs).unwrap();
    let read: Vec<Pair> = connection
        .query_as("SELECT * FROM pairs ORDER BY n", &[])
        .unwrap();
    assert_eq!(read, pairs);
    let error = connection.query_as::<Pair>("SELECT 1", &[]).unwrap_err();
    assert_eq!(error.message(), "the row has 1 columns, and Pair has 2");
}

/// What is said when the rows of `text` are read as `T`.
fn said<T: FromRow + std::fmt::Debug>(text: &str) -> (ErrorKind, String, String) {
    let error = connection()
        .query_as::<T>(text, &[])
        .expect_err("it is refused");
    let hint = error.hint().unwrap_or_default().to_owned();
    (error.kind(), error.message().to_owned(), hint)
}

#[test]
fn what_cannot_be_read_names_column_and_types() {
    #[derive(Debug, FromRow)]
    #[expect(dead_code, reason = "it is never read")]
    struct Word {
        letters: String,
        length: i16,
    }

    let (kind, message, hint) = said::<Word>("SELECT 'a' AS letters, 1 AS len");
    assert_eq!(kind, ErrorKind::NotFound);
    assert_eq!(message, "there is no column `length`");
    assert_eq!(hint, "the row has `letters`, `len`");

    let (kind, message, hint) = said::<Word>("SELECT NULL::text AS letters, 1 AS length");
    assert_eq!(kind, ErrorKind::InvalidArgument);
    assert_eq!(
        message,
        "column `letters` is NULL, which `String` cannot be"
    );
    assert_eq!(hint, "read it as `Option<String>`");

    let (_, message, _) = said::<Word>("SELECT DATE '2000-01-01' AS letters, 1 AS length");
    assert_eq!(
        message,
        "column `letters` of type date cannot be read as `String`"
    );

    let (_, message, _) = said::<Word>("SELECT 'a' AS letters, 70000 AS length");
    assert_eq!(
        message,
        "column `length` of type integer holds 70000, which is no `i16`"
    );

    let (_, message, _) = said::<(Option<i32>,)>("SELECT 'a'");
    assert_eq!(
        message,
        "column `?column?` of type text cannot be read as `Option<i32>`"
    );
}

#[test]
fn one_row_is_one_row() {
    let mut connection = connection();
    let two = "SELECT generate_series(1, 2)";
    let error = connection.query_one::<(i32,)>(two, &[]).unwrap_err();
    assert_eq!(error.message(), "the statement gave more than one row");
    let error = connection
        .query_one::<(i32,)>("SELECT 1 WHERE FALSE", &[])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    // The session is as good as before.
    assert_eq!(
        connection.query_one::<(i32,)>("SELECT 1", &[]).unwrap(),
        (1,)
    );
    let row: Row = connection.query_one("SELECT 1 AS one", &[]).unwrap();
    assert_eq!(row.get::<i32>("one").unwrap(), 1);
}

#[test]
fn a_row_that_is_refused_leaves_none() {
    let mut connection = connection();
    connection.run(CITIES).unwrap();
    connection
        .run("CREATE UNIQUE INDEX ON cities (name)")
        .unwrap();
    let twice = [city("Ulm", None), city("Ulm", None)];
    let error = connection.insert_rows("cities", &twice).unwrap_err();
    assert_eq!(error.sqlstate(), Some("23505"));
    let count = "SELECT count(*) FROM cities";
    assert_eq!(connection.query_one::<(i64,)>(count, &[]).unwrap(), (0,));
}

/// Writes a value into a column of a type, and reads it back.
#[track_caller]
fn round_trip<T>(of: &str, value: T)
where
    T: Clone + std::fmt::Debug + FromValue + Into<Value> + PartialEq,
{
    let mut connection = connection();
    connection
        .run(&format!("CREATE TABLE t (v {of})"))
        .expect("it is taken");
    let given = value.clone().into();
    connection
        .execute("INSERT INTO t VALUES ($1)", &[given])
        .expect("it is taken");
    connection
        .insert_rows("t", [(value.clone(),)])
        .expect("it is taken");
    let read: Vec<(T,)> = connection
        .query_as("SELECT v FROM t", &[])
        .expect("it is taken");
    assert_eq!(read, [(value.clone(),), (value,)]);
}

#[test]
fn values_of_many_types_come_back() {
    round_trip("bytea", vec![0_u8, 255]);
    round_trip("uuid", *b"0123456789abcdef");
    round_trip("smallint", 200_u8);
    round_trip("bigint", u32::MAX);
    round_trip("bigint", i64::MAX as u64);
    round_trip("numeric", 12_usize);
    round_trip(
        "timestamptz",
        SystemTime::UNIX_EPOCH + Duration::from_micros(1),
    );
    round_trip(
        "timestamptz",
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    );
    round_trip("interval", Duration::from_millis(90_061_001));
    round_trip("int[]", vec![1, 2, 3]);
    round_trip("bigint[]", vec![1_i64, 2]);
    round_trip("bigint[]", Vec::<i64>::new());
    round_trip("text[]", vec!["a".to_owned(), "b, \"c\"".to_owned()]);
    round_trip("varchar(9)[]", vec![Some("a".to_owned()), None]);
    round_trip("int[]", vec![Some(1), None]);
    round_trip("float8[]", vec![0.5]);
    round_trip("real[]", vec![0.5_f32]);
    round_trip("vector(2)", vec![0.5_f32, -1.0]);
    round_trip("boolean[]", vec![true, false]);
    round_trip::<Option<Vec<i64>>>("bigint[]", None);
}

#[test]
fn arrays_are_of_the_type_that_their_place_asks_for() {
    let mut connection = connection();
    connection
        .run("CREATE TABLE t (a BIGINT[], d DATE[])")
        .unwrap();
    let days = vec!["2000-01-01".to_owned()];
    connection
        .execute(
            "INSERT INTO t VALUES ($1, $2)",
            &[vec![1, 2].into(), days.into()],
        )
        .unwrap();
    let row: Row = connection.query_one("SELECT * FROM t", &[]).unwrap();
    assert_eq!(row.text(0).as_deref(), Some("{1,2}"));
    assert_eq!(row.text(1).as_deref(), Some("{2000-01-01}"));
    let text = "SELECT count(*) FROM t WHERE 2 = ANY ($1)";
    let (count,): (i64,) = connection
        .query_one(text, &[vec![1_i64, 2].into()])
        .unwrap();
    assert_eq!(count, 1);
}

#[test]
fn numbers_are_read_as_what_holds_them() {
    let mut connection = connection();
    let text =
        "SELECT sum(n::bigint), avg(n), 1.5, 18446744073709551615 FROM generate_series(1, 4) n";
    let row: Row = connection.query_one(text, &[]).unwrap();
    assert_eq!(row.get_at::<i64>(0).unwrap(), 10);
    assert_eq!(row.get_at::<f64>(1).unwrap(), 2.5);
    assert!(row.get_at::<i64>(2).is_err(), "it is no whole number");
    assert!(row.get_at::<i64>(3).is_err(), "it is too large");
    assert!(matches!(row.value(3), Some(SqlValue::Numeric(_))));
}

#[test]
fn the_largest_numbers_come_back() {
    let mut connection = connection();
    for number in [0, 5, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        let row: (u64,) = connection
            .query_one("SELECT $1::numeric", &[number.into()])
            .unwrap();
        assert_eq!(row, (number,));
    }
    let larger = connection.query_one::<(u64,)>("SELECT 18446744073709551616::numeric", &[]);
    assert_eq!(larger.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let half = connection.query_one::<(u64,)>("SELECT 10000000000000000000.5::numeric", &[]);
    assert_eq!(half.unwrap_err().kind(), ErrorKind::InvalidArgument);
}
