//! An arena skip list with one writer and lock-free readers: the memtable's ordered map.
