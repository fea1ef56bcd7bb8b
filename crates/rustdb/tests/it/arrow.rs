//! Record batches, out and in.

use std::sync::Arc;

use rustdb::Database;
use rustdb::arrow::arrow_array::cast::AsArray;
use rustdb::arrow::arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float16Type, Int32Type, TimestampMicrosecondType,
};
use rustdb::arrow::arrow_array::{
    Array, ArrayRef, BinaryViewArray, Date64Array, Decimal32Array, Decimal256Array,
    DictionaryArray, DurationMillisecondArray, Float16Array, Int8Array, Int32Array, Int64Array,
    IntervalYearMonthArray, LargeBinaryArray, LargeListArray, LargeStringArray, ListArray,
    NullArray, RecordBatch, StringArray, StringViewArray, StructArray, Time32SecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt64Array, record_batch,
};
use rustdb::arrow::arrow_schema::{DataType, Field, Schema};
use rustdb::sql::Connection;

fn connection() -> Connection {
    let db = Database::in_memory().expect("a database");
    db.connect().expect("a session")
}

/// A column of every type, with a value of each kind and NULLs.
const EVERY_TYPE: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
    CREATE DOMAIN price AS numeric(9, 2) CHECK (VALUE >= 0);
    CREATE TABLE every (
        n INT PRIMARY KEY, b BOOLEAN, i2 SMALLINT, i4 INTEGER, i8 BIGINT, f4 REAL, f8 FLOAT8,
        d NUMERIC(38, 10), e NUMERIC, p price, t TEXT, v VARCHAR(9), c CHAR(3), y BYTEA, day DATE,
        clock TIME, ts TIMESTAMP, tz TIMESTAMPTZ, span INTERVAL, u UUID, j JSON, k JSONB,
        x VECTOR(3), m mood, a INT[], s TEXT[], tt TIMESTAMPTZ[], mm mood[], uu UUID[]);
    INSERT INTO every VALUES
        (1, true, -32768, -2147483648, -9223372036854775808, -0.5, 1e300,
         -1234567890123456789012345678.0123456789, 1e-20, 12.50, 'text', 'var', 'c', '\\x00ff',
         '0044-03-15 BC', '24:00', '1999-12-31 23:59:59.999999', '2024-02-29 12:00:00+05:30',
         '-1 year 3 days 00:00:00.000001', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
         '{\"b\":  1}', '{\"a\": [1, null]}', '[1, 2.5, -3]', 'happy', '{1, NULL, 3}',
         '{\"a b\", NULL, \"\"}', '{2000-01-01 00:00:00+00}', '{sad, happy}',
         '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'),
        (2, false, 32767, 2147483647, 9223372036854775807, 'NaN', '-Infinity',
         0.0000000001, 'NaN', 0, '', '', '', '', '1970-01-01', '00:00', '1970-01-01',
         '1970-01-01 00:00+00', '1 month', '00000000-0000-0000-0000-000000000000', '1', 'null',
         '[0, 0, 0]', 'sad', '{}', '{}', '{}', '{}', '{}');
    INSERT INTO every (n) VALUES (3)";

#[test]
fn every_type_comes_back_as_it_went() {
    let mut connection = connection();
    connection.run(EVERY_TYPE).unwrap();
    connection
        .run("CREATE TABLE again AS SELECT * FROM every WITH NO DATA")
        .unwrap();
    let batches = connection.query_arrow("SELECT * FROM every", &[]).unwrap();
    let batches: Vec<RecordBatch> = batches.map(Result::unwrap).collect();
    assert_eq!(connection.append_arrow("again", batches).unwrap(), 3);
    let differ = "(TABLE every EXCEPT TABLE again) UNION ALL (TABLE again EXCEPT TABLE every)";
    let differ = differ.replace("TABLE every", "SELECT every::text FROM every");
    let differ = differ.replace("TABLE again", "SELECT again::text FROM again");
    let rows = connection.query(&differ, &[]).unwrap();
    let rows: Vec<_> = rows.iter().map(|row| row.text(0)).collect();
    assert!(rows.is_empty(), "{rows:#?}");
}

#[test]
fn types_of_sql_have_types_of_arrow() {
    let mut connection = connection();
    connection.run(EVERY_TYPE).unwrap();
    let batches = connection.query_arrow("SELECT * FROM every", &[]).unwrap();
    let schema = batches.schema();
    let types = schema
        .fields()
        .iter()
        .map(|field| field.data_type().to_string());
    let expected = [
        "Int32",
        "Boolean",
        "Int16",
        "Int32",
        "Int64",
        "Float32",
        "Float64",
        "Decimal128(38, 10)",
        "Utf8",
        "Decimal128(9, 2)",
        "Utf8",
        "Utf8",
        "Utf8",
        "Binary",
        "Date32",
        "Time64(µs)",
        "Timestamp(µs)",
        "Timestamp(µs, \"UTC\")",
        "Interval(MonthDayNano)",
        "FixedSizeBinary(16)",
        "Utf8",
        "Utf8",
        "FixedSizeList(3 x Float32)",
        "Dictionary(Int32, Utf8)",
        "List(Int32)",
        "List(Utf8)",
        "List(Timestamp(µs, \"UTC\"))",
        "List(Dictionary(Int32, Utf8))",
        "List(FixedSizeBinary(16), metadata: {\"ARROW:extension:name\": \"arrow.uuid\"})",
    ];
    assert_eq!(types.collect::<Vec<_>>(), expected);
    let metadata = |name: &str| {
        let field = schema.field_with_name(name).unwrap();
        field.metadata().get("ARROW:extension:name").cloned()
    };
    assert_eq!(metadata("u").as_deref(), Some("arrow.uuid"));
    assert_eq!(metadata("j").as_deref(), Some("arrow.json"));
    assert_eq!(metadata("t"), None);
}

#[test]
fn values_are_what_arrow_means_by_them() {
    let mut connection = connection();
    let text = "SELECT DATE '1970-01-02', TIMESTAMPTZ '1970-01-01 01:00:00.000001+01', \
                (-1.50) :: numeric(5, 2), ARRAY[1, 2], ARRAY[[1]] IS NULL";
    let batch = connection
        .query_arrow(text, &[])
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(
        batch
            .column(0)
            .as_primitive::<rustdb::arrow::arrow_array::types::Date32Type>()
            .value(0),
        1
    );
    assert_eq!(
        batch
            .column(1)
            .as_primitive::<TimestampMicrosecondType>()
            .value(0),
        1
    );
    assert_eq!(
        batch.column(2).as_primitive::<Decimal128Type>().value(0),
        -150
    );
    let list = batch.column(3).as_list::<i32>().value(0);
    assert_eq!(list.as_primitive::<Int32Type>().values(), &[1, 2]);
}

#[test]
fn results_are_given_in_parts() {
    let mut connection = connection();
    let batches = connection
        .query_arrow("SELECT generate_series(1, 20000) AS n", &[])
        .unwrap();
    let sizes: Vec<usize> = batches.map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 20_000);
    assert!(
        sizes.len() > 2 && sizes.iter().all(|size| *size <= 8192),
        "{sizes:?}"
    );
    // Large values end a batch before it has many rows.
    let batches = connection
        .query_arrow(
            "SELECT repeat('x', 10000000) FROM generate_series(1, 10)",
            &[],
        )
        .unwrap();
    let sizes: Vec<usize> = batches.map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(sizes, [7, 3]);
}

#[test]
fn a_result_without_columns_or_rows_has_none() {
    let mut connection = connection();
    let mut batches = connection
        .query_arrow("SELECT 1 AS n WHERE FALSE", &[])
        .unwrap();
    assert_eq!(batches.schema().fields().len(), 1);
    assert!(batches.next().is_none());
    drop(batches);
    let mut batches = connection
        .query_arrow("CREATE TABLE t (n INT)", &[])
        .unwrap();
    assert_eq!(batches.schema().fields().len(), 0);
    assert!(batches.next().is_none());
    drop(batches);
    let text = "INSERT INTO t VALUES (1), (2) RETURNING n";
    let batch = connection
        .query_arrow(text, &[])
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(batch.num_rows(), 2);
}

#[test]
fn what_arrow_cannot_say_is_refused_with_the_column() {
    for (value, words) in [
        (
            "DATE 'infinity'",
            "column `c` of type date: Arrow's dates are finite",
        ),
        ("TIMESTAMP '-infinity'", "Arrow's timestamps are finite"),
        ("'NaN' :: numeric(5, 2)", "Arrow's decimals have no NaN"),
        ("INTERVAL '3000000 hours'", "too many nanoseconds"),
        (
            "ARRAY[[1, 2], [3, 4]]",
            "an array of several dimensions is no list",
        ),
    ] {
        let mut connection = connection();
        let text = format!("SELECT {value} AS c");
        let mut batches = connection.query_arrow(&text, &[]).unwrap();
        let error = batches.next().unwrap().unwrap_err();
        assert!(error.message().contains(words), "{error}");
        assert_eq!(error.hint(), Some("cast it to text in the statement"));
        assert!(batches.next().is_none());
        drop(batches);
        // The session is as good as before, and text helps.
        let text = format!("SELECT ({value}) :: text AS c");
        assert!(
            connection
                .query_arrow(&text, &[])
                .unwrap()
                .next()
                .unwrap()
                .is_ok()
        );
    }
}

/// What a column of a type holds after an array was appended to it.
fn taken(of: &str, array: ArrayRef) -> rustdb::Result<Vec<Option<String>>> {
    let mut connection = connection();
    connection.run(&format!("CREATE TABLE t (id SERIAL, c {of})"))?;
    let field = Field::new("c", array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![array]).expect("a batch");
    connection.append_arrow("t", [batch])?;
    let rows = connection.query("SELECT c FROM t ORDER BY id", &[])?;
    Ok(rows.iter().map(|row| row.text(0)).collect())
}

fn takes(of: &str, array: impl Array + 'static, expected: &[Option<&str>]) {
    let found = taken(of, Arc::new(array)).unwrap_or_else(|error| panic!("{of}: {error}"));
    let found: Vec<Option<&str>> = found.iter().map(Option::as_deref).collect();
    assert_eq!(found, expected, "{of}");
}

#[test]
fn other_forms_of_numbers_texts_and_bytes_are_taken_too() {
    let half = <Float16Type as ArrowPrimitiveType>::Native::from_f32(0.5);
    takes(
        "int",
        Int8Array::from(vec![Some(-1), None]),
        &[Some("-1"), None],
    );
    takes("int", UInt8Array::from(vec![255]), &[Some("255")]);
    takes(
        "numeric",
        UInt64Array::from(vec![u64::MAX]),
        &[Some("18446744073709551615")],
    );
    takes("real", Float16Array::from(vec![half]), &[Some("0.5")]);
    takes("text", NullArray::new(2), &[None, None]);
    takes("text", LargeStringArray::from(vec!["a"]), &[Some("a")]);
    takes(
        "date",
        StringViewArray::from(vec!["2000-01-01"]),
        &[Some("2000-01-01")],
    );
    takes(
        "bytea",
        LargeBinaryArray::from(vec![&b"\x01"[..]]),
        &[Some("\\x01")],
    );
    takes(
        "bytea",
        BinaryViewArray::from(vec![&b"\x01"[..]]),
        &[Some("\\x01")],
    );
}

#[test]
fn other_forms_of_times_decimals_and_lists_are_taken_too() {
    takes(
        "date",
        Date64Array::from(vec![86_400_000]),
        &[Some("1970-01-02")],
    );
    takes(
        "time",
        Time32SecondArray::from(vec![3661]),
        &[Some("01:01:01")],
    );
    takes(
        "timestamp",
        TimestampSecondArray::from(vec![-1]),
        &[Some("1969-12-31 23:59:59")],
    );
    takes(
        "timestamp",
        TimestampNanosecondArray::from(vec![1_000]),
        &[Some("1970-01-01 00:00:00.000001")],
    );
    takes(
        "interval",
        DurationMillisecondArray::from(vec![1500]),
        &[Some("00:00:01.5")],
    );
    takes(
        "interval",
        IntervalYearMonthArray::from(vec![14]),
        &[Some("1 year 2 mons")],
    );
    let cents = Decimal32Array::from(vec![1250])
        .with_precision_and_scale(6, 2)
        .unwrap();
    takes("numeric", cents, &[Some("12.50")]);
    let thousands = Decimal32Array::from(vec![12])
        .with_precision_and_scale(6, -3)
        .unwrap();
    takes("numeric", thousands, &[Some("12000")]);
    let number = Decimal256Array::from(vec![wide(-5)])
        .with_precision_and_scale(50, 1)
        .unwrap();
    takes("numeric(3, 1)", number, &[Some("-0.5")]);
    let words: DictionaryArray<Int32Type> = vec![Some("b"), None, Some("b")].into_iter().collect();
    takes("text", words, &[Some("b"), None, Some("b")]);
    let lists = vec![Some(vec![Some(1), None]), None, Some(vec![])];
    takes(
        "bigint[]",
        ListArray::from_iter_primitive::<Int32Type, _, _>(lists.clone()),
        &[Some("{1,NULL}"), None, Some("{}")],
    );
    takes(
        "int[]",
        LargeListArray::from_iter_primitive::<Int32Type, _, _>(lists),
        &[Some("{1,NULL}"), None, Some("{}")],
    );
}

fn wide(
    number: i32,
) -> <rustdb::arrow::arrow_array::types::Decimal256Type as ArrowPrimitiveType>::Native {
    number.into()
}

#[test]
fn what_a_column_cannot_hold_names_column_and_row() {
    let refused = |of: &str, array: ArrayRef| taken(of, array).unwrap_err().to_string();
    let nanos = TimestampNanosecondArray::from(vec![0, 1_001]);
    assert_eq!(
        refused("timestamp", Arc::new(nanos)),
        "column `c`, row 1: 1001 ns are no whole microseconds; round the column first"
    );
    let far = TimestampSecondArray::from(vec![i64::MAX]);
    assert_eq!(
        refused("timestamp", Arc::new(far)),
        "column `c`, row 0: a time that is too far away"
    );
    let zero = StringArray::from(vec!["\0"]);
    assert_eq!(
        refused("text", Arc::new(zero)),
        "column `c`, row 0: a text with a zero byte"
    );
    let fields = vec![(
        Arc::new(Field::new("x", DataType::Int32, true)),
        Arc::new(Int32Array::from(vec![1])) as ArrayRef,
    )];
    let message = refused("text", Arc::new(StructArray::from(fields)));
    assert!(
        message.starts_with("column `c`: Arrow's type Struct"),
        "{message}"
    );
    assert_eq!(
        refused("smallint", Arc::new(Int64Array::from(vec![70_000]))),
        "smallint out of range"
    );
    let message = refused("boolean", Arc::new(Int64Array::from(vec![1])));
    assert!(message.contains("boolean"), "{message}");
}

#[test]
fn batches_are_all_inserted_or_none() {
    let mut connection = connection();
    connection
        .run("CREATE TABLE t (id INT PRIMARY KEY, name TEXT DEFAULT 'x')")
        .unwrap();
    let good = record_batch!(("id", Int64, [1, 2])).unwrap();
    let twice = record_batch!(("id", Int64, [3, 3])).unwrap();
    let other = record_batch!(("id", Int32, [3])).unwrap();
    let error = connection
        .append_arrow("t", [good.clone(), twice])
        .unwrap_err();
    assert_eq!(error.sqlstate(), Some("23505"));
    let error = connection
        .append_arrow("t", [good.clone(), other])
        .unwrap_err();
    assert_eq!(error.message(), "the record batches have different columns");
    assert!(connection.query("SELECT * FROM t", &[]).unwrap().is_empty());
    assert_eq!(connection.append_arrow("t", [good]).unwrap(), 2);
    assert_eq!(connection.append_arrow("t", []).unwrap(), 0);
    let rows = connection
        .query("SELECT name FROM t WHERE id = 2", &[])
        .unwrap();
    assert_eq!(rows[0].get::<String>("name").unwrap(), "x");
    let unknown = record_batch!(("nothing", Int32, [3])).unwrap();
    assert_eq!(
        connection
            .append_arrow("t", [unknown])
            .unwrap_err()
            .sqlstate(),
        Some("42703")
    );
    let good = record_batch!(("id", Int64, [7])).unwrap();
    let error = connection.append_arrow("missing", [good]).unwrap_err();
    assert_eq!(error.sqlstate(), Some("42P01"));
}
