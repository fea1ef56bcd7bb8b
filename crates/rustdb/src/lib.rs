//! An embeddable, transactional database in one directory.
