//! Many keyspaces, and dropped ones.

use std::sync::Arc;

use rustdb::{Database, ErrorKind, KeyspaceOptions, Options, WriteBatch};
use rustdb_vfs::{MemVfs, VfsRef};

const COUNT: usize = 10_000;

fn open(vfs: &VfsRef) -> Database {
    let options = Options {
        vfs: Some(vfs.clone()),
        // So small that every transaction of this file's tests is spilled.
        transaction_bytes: 1 << 10,
        ..Options::default()
    };
    Database::open_with("/db", options).expect("opens")
}

#[test]
fn ten_thousand_keyspaces_are_created_reopened_and_dropped() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let db = open(&vfs);
    let names: Vec<String> = (0..COUNT).map(|number| format!("ks{number:04}")).collect();
    let groups = db.stats().commit_groups;
    let made = db
        .create_keyspaces(&names, &KeyspaceOptions::default())
        .unwrap();
    assert_eq!(db.stats().commit_groups, groups + 1, "one sync for all");
    for keyspace in &made {
        keyspace.put("name", keyspace.name()).unwrap();
    }
    let again = db.create_keyspaces(["new", "ks0007"], &KeyspaceOptions::default());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let twice = db.create_keyspaces(["new", "new"], &KeyspaceOptions::default());
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::AlreadyExists);
    db.close().unwrap();

    let db = open(&vfs);
    assert_eq!(db.keyspaces().len(), COUNT + 1);
    for name in &names {
        let keyspace = db.keyspace(name).unwrap();
        let found = keyspace.get("name").unwrap();
        assert_eq!(found.as_deref(), Some(name.as_bytes()));
    }
    db.drop_keyspaces(names.iter().step_by(2)).unwrap();
    let missing = db.drop_keyspaces(["ks0001", "ks0002"]).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    db.compact().unwrap();
    db.close().unwrap();

    let db = open(&vfs);
    assert_eq!(db.keyspaces().len(), COUNT / 2 + 1);
    let entries: u64 = db.stats().levels.iter().map(|level| level.entries).sum();
    assert_eq!(
        entries, COUNT as u64,
        "of each keyspace left, its name and its entry"
    );
    assert!(db.existing_keyspace("ks0000").is_none());
    assert_eq!(db.keyspace("ks0001").unwrap().len().unwrap(), 1);
}

#[test]
fn writes_to_a_keyspace_dropped_meanwhile_are_refused() {
    let vfs: VfsRef = Arc::new(MemVfs::new());
    let db = open(&vfs);
    for (name, keys) in [("small", 1), ("spilled", 1000)] {
        let keyspace = db.keyspace(name).unwrap();
        let mut transaction = db.begin().unwrap();
        for key in 0..keys {
            let key = format!("{key}");
            transaction.keyspace(&keyspace).put(key, "value").unwrap();
        }
        transaction.put("other", name).unwrap();
        db.drop_keyspace(name).unwrap();
        let refused = transaction.commit().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
        assert!(refused.message().contains("dropped"), "{refused}");
        assert_eq!(db.get("other").unwrap(), None, "all or nothing");
        let refused = keyspace.put("key", "value").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
        // A new one of the name is another keyspace.
        let again = db.keyspace(name).unwrap();
        again.put("key", "value").unwrap();
        assert!(keyspace.put("key", "value").is_err());
        assert_eq!(again.len().unwrap(), 1);
    }
    db.put("other", "still works").unwrap();
}

#[test]
fn keyspaces_of_another_database_are_refused() {
    let (one, two) = (
        Database::in_memory().unwrap(),
        Database::in_memory().unwrap(),
    );
    let own = one.keyspace("own").unwrap();
    let other = two.keyspace("other").unwrap();
    own.put("k", "v").unwrap();
    let refused = |result: Result<(), rustdb::Error>| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("another database"), "{error}");
    };
    let mut tx = one.begin().unwrap();
    refused(tx.keyspace(&other).put("k", "w"));
    refused(tx.keyspace(&other).get("k").map(|_| ()));
    refused(tx.keyspace(&other).iter().map(|_| ()));
    tx.keyspace(&own).put("l", "v").unwrap();
    tx.commit().unwrap();

    let mut batch = WriteBatch::new();
    batch.put(&other, "k", "w");
    refused(one.write(&batch));
    batch.clear();
    batch.put(&own, "m", "v").delete(&other, "k");
    refused(one.write(&batch));
    refused(two.write(&batch));
    batch.clear();
    one.write(batch.put(&own, "m", "v")).unwrap();

    let snapshot = one.snapshot();
    refused(snapshot.get(&other, "k").map(|_| ()));
    refused(snapshot.len(&other).map(|_| ()));
    refused(
        snapshot
            .iter(&other)
            .try_for_each(|entry| entry.map(|_| ())),
    );
    refused(
        snapshot
            .prefix(&other, "k")
            .rev()
            .try_for_each(|entry| entry.map(|_| ())),
    );
    assert_eq!(snapshot.len(&own).unwrap(), 3);

    let mut connection = one.connect().unwrap();
    connection.run("BEGIN").unwrap();
    refused(connection.keyspace(&other).map(|_| ()));
    connection.keyspace(&own).unwrap().put("n", "v").unwrap();
    connection.run("COMMIT").unwrap();
    assert_eq!(own.len().unwrap(), 4);
    assert!(other.is_empty().unwrap());
}
