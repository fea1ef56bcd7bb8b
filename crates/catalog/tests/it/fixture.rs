//! The stored form of every kind of object, as the first release wrote it.

use std::fmt::Write;
use std::sync::Arc;

use rustdb_catalog::{
    Action, Column, ColumnStatistics, Constraint, ConstraintKind, Dependency, DomainCheck,
    DomainObject, Expression, ForeignKey, Generated, Index, IndexColumn, IndexKey, IndexMethod,
    IndexState, Kind, Match, Object, PUBLIC, RowKeyColumns, Schema, Sequence, Table,
    TableStatistics, TypeKind, TypeObject, View, ViewColumn, decode_object, encode_object,
};
use rustdb_storage::key::KeyspaceId;
use rustdb_types::{DomainType, Element, EnumLabel, EnumType, Modifier, Oid, Type, Value};

/// Kind, number and bytes of each sample, in hexadecimal, one to a line. Never changed.
const FIRST_FORMAT: &str = include_str!("../fixtures/version-1.txt");

#[test]
fn objects_of_the_first_format_read_back_and_are_written_the_same() {
    let samples = samples();
    let mut written = String::new();
    for object in &samples {
        let bytes = encode_object(object).unwrap();
        write!(written, "{} {} ", object.kind() as u8, object.oid()).unwrap();
        for byte in bytes {
            write!(written, "{byte:02x}").unwrap();
        }
        written.push('\n');
    }
    assert_eq!(written, FIRST_FORMAT, "the stored form has changed");
    for (line, sample) in FIRST_FORMAT.lines().zip(&samples) {
        let bytes = hex(line.rsplit(' ').next().unwrap());
        let read = decode_object(sample.kind(), sample.oid(), &bytes, &user_type).unwrap();
        assert_eq!(read, *sample);
    }
}

#[test]
fn bytes_that_are_cut_off_or_of_another_release_are_refused() {
    for sample in samples() {
        let bytes = encode_object(&sample).unwrap();
        let read = |bytes: &[u8]| decode_object(sample.kind(), sample.oid(), bytes, &user_type);
        for end in 0..bytes.len() {
            // A cut between two fields leaves a record that may lack something.
            if let Ok(other) = read(&bytes[..end]) {
                assert_ne!(other, sample);
            }
        }
        let newer = [&[2], &bytes[1..]].concat();
        assert_eq!(read(&newer).unwrap_err().state().as_str(), "XX001");
        let unknown = [&bytes[..], &[99, 0]].concat();
        let error = read(&unknown).unwrap_err();
        assert!(error.message().contains("field 99"), "{error}");
    }
    let of_no_kind = decode_object(Kind::Counter, Oid(0), &[1], &user_type);
    assert!(of_no_kind.is_err());
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn mood() -> Arc<EnumType> {
    let labels = [(1, 1.0, "sad"), (2, 2.5, "happy")];
    let labels = labels.map(|(id, order, label)| {
        Arc::new(EnumLabel {
            id,
            order,
            label: label.to_owned(),
        })
    });
    Arc::new(EnumType {
        oid: Oid(16_384),
        array_oid: Oid(16_385),
        name: "mood".to_owned(),
        labels: labels.to_vec(),
    })
}

fn positive() -> Arc<DomainType> {
    Arc::new(DomainType {
        oid: Oid(16_386),
        array_oid: Oid(16_387),
        name: "positive".to_owned(),
        base: Type::NUMERIC.with_modifier(Modifier::numeric(10, 2).unwrap()),
    })
}

fn user_type(oid: Oid) -> Option<Element> {
    match oid.0 {
        16_384 => Some(Element::Enum(mood())),
        16_386 => Some(Element::Domain(positive())),
        _ => None,
    }
}

fn expression(text: &str, object: u32, column: Option<u32>) -> Expression {
    Expression {
        text: text.to_owned(),
        depends_on: vec![Dependency {
            object: Oid(object),
            column,
        }],
    }
}

fn samples() -> Vec<Object> {
    let schema = |oid, name: &str, temporary| {
        Object::Schema(Arc::new(Schema {
            oid: Oid(oid),
            name: name.to_owned(),
            temporary,
        }))
    };
    let of_type = |kind| {
        Object::Type(Arc::new(TypeObject {
            schema: PUBLIC,
            kind,
        }))
    };
    let domain = DomainObject {
        definition: positive(),
        not_null: true,
        default: Some(Expression::new("1.00")),
        checks: vec![DomainCheck {
            oid: Oid(16_388),
            name: "positive_check".to_owned(),
            expression: Expression::new("VALUE > 0"),
            validated: false,
        }],
    };
    let view = View {
        oid: Oid(16_420),
        schema: PUBLIC,
        name: "v".to_owned(),
        columns: vec![ViewColumn {
            name: "m".to_owned(),
            column_type: Type::of_enum(mood()).array_of(),
        }],
        query: expression("SELECT m FROM public.t", 16_400, Some(2)),
        temporary: false,
        check_option: None,
    };
    vec![
        schema(2200, "public", false),
        schema(16_390, "pg_temp_3", true),
        of_type(TypeKind::Enum(mood())),
        of_type(TypeKind::Domain(domain)),
        Object::Sequence(Arc::new(sequence())),
        Object::Table(Arc::new(table())),
        Object::View(Arc::new(view)),
        Object::Statistics(Arc::new(statistics())),
    ]
}

fn sequence() -> Sequence {
    Sequence {
        oid: Oid(16_395),
        schema: PUBLIC,
        name: "t_id_seq".to_owned(),
        data_type: Type::INT4,
        start: -1,
        increment: -2,
        minimum: i64::MIN,
        maximum: -1,
        cache: 10,
        cycle: true,
        owned_by: Some((Oid(16_400), 1)),
        temporary: false,
        storage: Oid(16_396),
    }
}

fn table() -> Table {
    let mut id = Column::new(1, "id", Type::INT4);
    id.not_null = true;
    id.generated = Some(Generated::Identity {
        always: true,
        sequence: Oid(16_395),
    });
    let mut m = Column::new(2, "m", Type::of_enum(mood()));
    m.default = Some(expression("'sad'::public.mood", 16_384, None));
    m.missing = Value::Enum(mood().labels[1].clone());
    m.statistics_target = Some(500);
    let mut gone = Column::new(3, "gone", Type::BYTEA);
    gone.dropped = true;
    let mut twice = Column::new(4, "twice", Type::of_domain(positive()));
    twice.generated = Some(Generated::Stored(expression("(id * 2)", 16_400, Some(1))));
    let mut other = Column::new(5, "other", Type::INT8);
    other.generated = Some(Generated::Identity {
        always: false,
        sequence: Oid(16_397),
    });
    Table {
        oid: Oid(16_400),
        schema: PUBLIC,
        name: "t".to_owned(),
        columns: vec![id, m, gone, twice, other],
        constraints: constraints(),
        indexes: indexes().into_iter().map(Arc::new).collect(),
        row_key: RowKeyColumns::Columns(vec![1]),
        flexible: true,
        temporary: true,
        keyspace: KeyspaceId(7),
        referenced_by: Vec::new(),
    }
}

fn constraints() -> Vec<Constraint> {
    let constraint = |oid, name: &str, kind| Constraint {
        oid: Oid(oid),
        name: name.to_owned(),
        kind,
        deferrable: oid % 2 == 0,
        initially_deferred: oid % 4 == 0,
        validated: oid % 3 != 0,
    };
    let foreign = ForeignKey {
        columns: vec![5, 2],
        parent: Oid(16_500),
        parent_columns: vec![2, 1],
        parent_index: Oid(16_501),
        match_type: Match::Full,
        on_delete: Action::SetNull,
        on_update: Action::Cascade,
        on_delete_columns: vec![2],
    };
    let primary = ConstraintKind::PrimaryKey {
        columns: vec![1],
        index: Oid(16_405),
    };
    let unique = ConstraintKind::Unique {
        columns: vec![2, 4],
        index: Oid(16_406),
    };
    let check = ConstraintKind::Check {
        expression: expression("(id > 0)", 16_400, Some(1)),
        columns: vec![1],
    };
    vec![
        constraint(16_401, "t_pkey", primary),
        constraint(16_402, "t_m_twice_key", unique),
        constraint(16_403, "t_id_check", check),
        constraint(
            16_404,
            "t_other_m_fkey",
            ConstraintKind::ForeignKey(foreign),
        ),
    ]
}

fn indexes() -> Vec<Index> {
    let index = |oid, name: &str, keyspace, columns| Index {
        oid: Oid(oid),
        name: name.to_owned(),
        keyspace,
        columns,
        include: Vec::new(),
        unique: true,
        nulls_not_distinct: false,
        deferrable: false,
        predicate: None,
        method: IndexMethod::BTree,
        state: IndexState::Public,
    };
    let ascending = IndexColumn::ascending;
    let mut second = index(
        16_406,
        "t_m_twice_key",
        Some(KeyspaceId(8)),
        vec![ascending(2), ascending(4)],
    );
    (second.deferrable, second.nulls_not_distinct) = (true, true);
    let by_text = IndexColumn {
        key: IndexKey::Expression {
            expression: expression("lower((m)::text)", 16_400, Some(2)),
            result: Type::TEXT,
        },
        descending: true,
        nulls_first: true,
    };
    let mut third = index(16_407, "t_lower_idx", Some(KeyspaceId(9)), vec![by_text]);
    third.unique = false;
    third.include = vec![1, 5];
    third.predicate = Some(expression("(other IS NOT NULL)", 16_400, Some(5)));
    (third.method, third.state) = (IndexMethod::Hash, IndexState::WriteOnly);
    vec![
        index(16_405, "t_pkey", None, vec![ascending(1)]),
        second,
        third,
    ]
}

fn statistics() -> TableStatistics {
    TableStatistics {
        table: Oid(16_400),
        rows: 1000,
        changed: 3,
        analyzed_micros: 1_700_000_000_000_000,
        row_bytes: 41.5,
        columns: vec![ColumnStatistics {
            column: 1,
            column_type: Type::INT4,
            null_fraction: 0.25,
            width: 4.0,
            distinct: -0.5,
            most_common: vec![(7.into(), 0.5), (Value::Int4(-1), 0.125)],
            histogram: vec![1.into(), 2.into(), 3.into()],
            correlation: -1.0,
        }],
    }
}
