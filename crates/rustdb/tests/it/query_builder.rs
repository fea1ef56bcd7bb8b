//! Queries that are put together call by call.

use rustdb::compat::rustty;
use rustdb::sql::{Operator, QueryBuilder, Row, Value};
use rustdb::{Database, ErrorKind, FieldAccess, FromRow, Schema};

#[derive(Clone, Debug, PartialEq, FromRow, Schema)]
#[rustdb(table = "users")]
struct User {
    name: String,
    age: i64,
    #[rustdb(rename = "select")]
    chosen: Option<bool>,
}

fn users() -> Database {
    let db = Database::in_memory().expect("a database");
    let text = "CREATE TABLE users (id SERIAL PRIMARY KEY, name TEXT, age INT, \"select\" BOOLEAN);
                INSERT INTO users (name, age, \"select\") VALUES
                    ('Alice', 30, true), ('Bob', 25, false), ('Carol', 35, NULL), ('Dave', 28, true)";
    let mut connection = db.connect().expect("a session");
    connection.run(text).expect("a table");
    db
}

fn names(query: QueryBuilder<'_, User>) -> Vec<String> {
    let users = query.execute().expect("rows");
    users.into_iter().map(|user| user.name).collect()
}

#[test]
fn the_readme_of_rustty_runs() {
    use rustty::{Operator, QueryBuilder, Value};
    let db = users();
    let query = QueryBuilder::new(&db)
        .filter("age", Operator::Gt, Value::Int(25))
        .limit(2);
    let found: Vec<User> = query.execute().unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|user| user.age > 25));
    let found: Vec<User> = QueryBuilder::new(&db)
        .filter("age", Operator::Gt, Value::Int(25))
        .order_by("age")
        .limit(2)
        .offset(1)
        .execute()
        .unwrap();
    assert_eq!(found[0].name, "Alice");
    assert_eq!(found[1].name, "Carol");
    for (value, count) in [
        (Value::Float(25.5), 3),
        (Value::Bool(true), 2),
        (Value::Text("B".to_owned()), 3),
        (Value::Null, 1),
    ] {
        let (column, operator) = match value {
            Value::Float(_) => ("age", Operator::Gt),
            Value::Bool(_) | Value::Null => ("select", Operator::Eq),
            Value::Text(_) | Value::Int(_) => ("name", Operator::Gte),
        };
        let query = QueryBuilder::<User>::new(&db).filter(column, operator, value);
        assert_eq!(query.count().unwrap(), count, "{}", query.sql().unwrap());
    }
}

#[test]
fn operators_compare_as_they_say() {
    let db = users();
    let found = |operator, age: i32| {
        let query = QueryBuilder::<User>::new(&db).order_by("age");
        names(query.filter("age", operator, age)).join(" ")
    };
    assert_eq!(found(Operator::Eq, 28), "Dave");
    assert_eq!(found(Operator::Ne, 28), "Bob Alice Carol");
    assert_eq!(found(Operator::Gt, 28), "Alice Carol");
    assert_eq!(found(Operator::Gte, 28), "Dave Alice Carol");
    assert_eq!(found(Operator::Lt, 28), "Bob");
    assert_eq!(found(Operator::Lte, 28), "Bob Dave");
    let found = |operator, part: &str| {
        let query = QueryBuilder::<User>::new(&db).order_by_descending("name");
        names(query.filter("name", operator, part)).join(" ")
    };
    assert_eq!(found(Operator::Contains, "a"), "Dave Carol");
    assert_eq!(found(Operator::StartsWith, "A"), "Alice");
    assert_eq!(found(Operator::EndsWith, "e"), "Dave Alice");
    assert_eq!(found(Operator::Contains, ""), "Dave Carol Bob Alice");
    // They are texts, and no patterns.
    assert_eq!(found(Operator::Contains, "%"), "");
    assert_eq!(found(Operator::StartsWith, "_"), "");
}

#[test]
fn null_is_found_and_not_compared() {
    let db = users();
    let query = || QueryBuilder::<User>::new(&db);
    assert_eq!(
        names(query().filter("select", Operator::Eq, Value::NULL)),
        ["Carol"]
    );
    let count = query().filter("select", Operator::Ne, None::<bool>).count();
    assert_eq!(count.unwrap(), 3);
    let error = query()
        .filter("age", Operator::Gt, Value::NULL)
        .execute()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(error.message(), "column `age`: nothing is `Gt` NULL");
    assert_eq!(error.hint(), Some("with NULL there are `Eq` and `Ne`"));
}

#[test]
fn nothing_in_names_and_values_is_read_as_sql() {
    let db = users();
    let query = QueryBuilder::<User>::new(&db);
    let attack = "x' OR '1' = '1";
    assert_eq!(
        query
            .clone()
            .filter("name", Operator::Eq, attack)
            .count()
            .unwrap(),
        0
    );
    let attack = "age\" > 0 OR \"age";
    let error = query
        .clone()
        .filter(attack, Operator::Gt, 99)
        .count()
        .unwrap_err();
    assert_eq!(error.sqlstate(), Some("42703"), "{error}");
    let error = query
        .order_by("name; DROP TABLE users")
        .execute()
        .unwrap_err();
    assert_eq!(error.sqlstate(), Some("42703"), "{error}");
    let query = QueryBuilder::<Row>::of_table(&db, "users\"; DROP TABLE users; --");
    assert_eq!(query.execute().unwrap_err().sqlstate(), Some("42P01"));
    assert_eq!(QueryBuilder::<User>::new(&db).count().unwrap(), 4);
}

#[test]
fn columns_limits_and_sessions_are_as_asked() {
    let db = users();
    let ages = QueryBuilder::<(i32, String)>::of_table(&db, "public.users")
        .columns(&["age", "name"])
        .order_by_descending("age");
    assert_eq!(ages.first().unwrap(), Some((35, "Carol".to_owned())));
    assert_eq!(
        ages.clone().offset(3).execute().unwrap(),
        [(25, "Bob".to_owned())]
    );
    assert_eq!(ages.clone().limit(3).offset(2).count().unwrap(), 2);
    assert_eq!(ages.clone().limit(0).first().unwrap(), None);
    assert!(
        ages.clone().limit(u64::MAX).execute().is_err(),
        "no bigint is as large"
    );
    let mut connection = db.connect().unwrap();
    connection
        .run("BEGIN; DELETE FROM users WHERE age < 30")
        .unwrap();
    assert_eq!(ages.execute_in(&mut connection).unwrap().len(), 2);
    assert_eq!(ages.count().unwrap(), 4);
}

#[test]
fn wrong_types_and_columns_are_refused_as_in_sql() {
    let db = users();
    let query = QueryBuilder::<User>::new(&db);
    let error = query
        .clone()
        .filter("age", Operator::Eq, "old")
        .execute()
        .unwrap_err();
    assert_eq!(
        error.message(),
        "invalid input syntax for type integer: \"old\""
    );
    let error = query
        .clone()
        .filter("Age", Operator::Eq, 1)
        .execute()
        .unwrap_err();
    assert_eq!(error.message(), "column \"Age\" does not exist");
    let error = query
        .filter("age", Operator::Contains, "3")
        .execute()
        .unwrap_err();
    assert_eq!(error.sqlstate(), Some("42883"), "{error}");
}

#[test]
fn fields_are_read_by_the_names_of_columns() {
    #[derive(Clone, Debug, FieldAccess)]
    struct Place {
        city: String,
    }

    #[derive(Clone, Debug, Schema)]
    #[rustdb(table = "shop.people")]
    struct Person {
        name: String,
        #[rustdb(flatten)]
        place: Place,
        #[rustdb(skip)]
        _seen: bool,
    }

    let person = Person {
        name: "Ada".to_owned(),
        place: Place {
            city: "London".to_owned(),
        },
        _seen: true,
    };
    assert_eq!(Person::TABLE, "shop.people");
    assert_eq!(Person::fields(), ["name", "city"]);
    assert_eq!(person.field("name"), Some("Ada".into()));
    assert_eq!(person.field("city"), Some("London".into()));
    assert_eq!(person.field("_seen"), None);
}
