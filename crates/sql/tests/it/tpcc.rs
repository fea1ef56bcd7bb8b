//! TPC-C's five transactions from several threads, and then the conditions by which its
//! specification (3.3.2) tells whether a database is consistent.
//!
//! Locks are taken in the same order by all of them, so none may fail, except the new orders that
//! the specification has roll back. Less data than it wants makes them meet more often.

use rustdb_sql::Session;
use rustdb_types::Value;

use crate::differential::random::Random;
use crate::load::{connect, database, number, on_threads};

const WAREHOUSES: i64 = 2;
const DISTRICTS: i64 = 3;
const CUSTOMERS: i64 = 10;
const ITEMS: i64 = 40;

/// Transactions of each thread.
const EACH: usize = 60;

const TABLES: &[&str] = &[
    "create table warehouse (w_id int primary key, w_tax numeric(4,4), w_ytd numeric(12,2))",
    "create table district (d_w_id int references warehouse, d_id int, d_tax numeric(4,4),
        d_ytd numeric(12,2), d_next_o_id int, primary key (d_w_id, d_id))",
    "create table customer (c_w_id int, c_d_id int, c_id int, c_last varchar(16),
        c_balance numeric(12,2), c_ytd_payment numeric(12,2), c_payment_cnt int,
        c_delivery_cnt int, primary key (c_w_id, c_d_id, c_id),
        foreign key (c_w_id, c_d_id) references district)",
    "create index customer_last on customer (c_w_id, c_d_id, c_last)",
    "create table history (h_c_w_id int, h_c_d_id int, h_c_id int, h_w_id int, h_d_id int,
        h_amount numeric(6,2), foreign key (h_c_w_id, h_c_d_id, h_c_id) references customer)",
    "create table orders (o_w_id int, o_d_id int, o_id int, o_c_id int, o_carrier_id int,
        o_ol_cnt int, primary key (o_w_id, o_d_id, o_id),
        foreign key (o_w_id, o_d_id, o_c_id) references customer)",
    "create index orders_customer on orders (o_w_id, o_d_id, o_c_id, o_id)",
    "create table new_order (no_w_id int, no_d_id int, no_o_id int,
        primary key (no_w_id, no_d_id, no_o_id),
        foreign key (no_w_id, no_d_id, no_o_id) references orders)",
    "create table item (i_id int primary key, i_name varchar(24), i_price numeric(5,2))",
    "create table stock (s_w_id int references warehouse, s_i_id int references item,
        s_quantity int, s_ytd int, s_order_cnt int, s_remote_cnt int, primary key (s_w_id, s_i_id))",
    "create table order_line (ol_w_id int, ol_d_id int, ol_o_id int, ol_number int, ol_i_id int,
        ol_supply_w_id int, ol_delivery_d timestamp, ol_quantity int, ol_amount numeric(6,2),
        primary key (ol_w_id, ol_d_id, ol_o_id, ol_number),
        foreign key (ol_w_id, ol_d_id, ol_o_id) references orders,
        foreign key (ol_supply_w_id, ol_i_id) references stock)",
    "insert into warehouse select w, 0.05, 0 from generate_series(1, 2) w",
    "insert into district select w, d, 0.07, 0, 1 from generate_series(1, 2) w,
        generate_series(1, 3) d",
    "insert into customer select w, d, c, 'NAME' || c % 4, 0, 0, 0, 0 from generate_series(1, 2) w,
        generate_series(1, 3) d, generate_series(1, 10) c",
    "insert into item select i, 'item ' || i, 1 + i * 0.37 from generate_series(1, 40) i",
    "insert into stock select w, i, 50, 0, 0, 0 from generate_series(1, 2) w,
        generate_series(1, 40) i",
];

/// Rows, or the code of an error.
type Asked = Result<Vec<Vec<Value>>, String>;

fn ask(session: &mut Session, text: &str) -> Asked {
    match session.execute(text, &[]) {
        Ok(mut answers) => Ok(answers
            .pop()
            .into_iter()
            .flat_map(|answer| answer.rows)
            .collect()),
        Err(error) => Err(format!(
            "{}: {} in {text}",
            error.state().as_str(),
            error.message()
        )),
    }
}

fn integer(rows: &[Vec<Value>]) -> i64 {
    rows[0][0].as_integer().unwrap()
}

/// A warehouse, a district of it and a customer there.
fn customer(random: &mut Random) -> (i64, i64, i64) {
    let w = random.within(1, WAREHOUSES);
    let d = random.within(1, DISTRICTS);
    (w, d, random.within(1, CUSTOMERS))
}

fn new_order(session: &mut Session, random: &mut Random) -> Result<(), String> {
    let (w, d, c) = customer(random);
    let mut lines: Vec<(i64, i64, i64)> = (0..random.within(5, 15))
        .map(|_| {
            let supply = if random.percent(10) {
                WAREHOUSES + 1 - w
            } else {
                w
            };
            (supply, random.within(1, ITEMS), random.within(1, 10))
        })
        .collect();
    lines.sort_unstable();
    if random.percent(10) {
        // Nobody has such an item: the order is rolled back after all the work.
        lines.push((WAREHOUSES, ITEMS + 1, 1));
    }
    ask(session, "begin")?;
    ask(
        session,
        &format!("select w_tax from warehouse where w_id = {w}"),
    )?;
    let next = format!(
        "update district set d_next_o_id = d_next_o_id + 1 where d_w_id = {w} and d_id = {d}
         returning d_next_o_id - 1"
    );
    let o = integer(&ask(session, &next)?);
    let count = lines.len();
    ask(
        session,
        &format!("insert into orders values ({w}, {d}, {o}, {c}, null, {count})"),
    )?;
    ask(
        session,
        &format!("insert into new_order values ({w}, {d}, {o})"),
    )?;
    for (number, (supply, item, quantity)) in lines.into_iter().enumerate() {
        let price = ask(
            session,
            &format!("select i_price from item where i_id = {item}"),
        )?;
        if price.is_empty() {
            ask(session, "rollback")?;
            return Ok(());
        }
        let remote = i32::from(supply != w);
        let stock = format!(
            "update stock set s_quantity = s_quantity - {quantity}
                 + case when s_quantity >= {quantity} + 10 then 0 else 91 end,
                 s_ytd = s_ytd + {quantity}, s_order_cnt = s_order_cnt + 1,
                 s_remote_cnt = s_remote_cnt + {remote}
             where s_w_id = {supply} and s_i_id = {item}"
        );
        ask(session, &stock)?;
        let line = format!(
            "insert into order_line select {w}, {d}, {o}, {number}, {item}, {supply}, null,
                 {quantity}, {quantity} * i_price from item where i_id = {item}"
        );
        ask(session, &line)?;
    }
    ask(session, "commit").map(drop)
}

fn payment(session: &mut Session, random: &mut Random) -> Result<(), String> {
    let (w, d, _) = customer(random);
    // Some pay elsewhere.
    let (c_w, c_d, c) = match random.percent(15) {
        true => customer(random),
        false => (w, d, random.within(1, CUSTOMERS)),
    };
    let amount = format!("{}.{:02}", random.within(1, 5000), random.within(0, 99));
    ask(session, "begin")?;
    ask(
        session,
        &format!("update warehouse set w_ytd = w_ytd + {amount} where w_id = {w}"),
    )?;
    let district =
        format!("update district set d_ytd = d_ytd + {amount} where d_w_id = {w} and d_id = {d}");
    ask(session, &district)?;
    let c = match random.percent(60) {
        false => c,
        true => {
            // The one in the middle of those with the name.
            let named = format!(
                "select c_id from customer where c_w_id = {c_w} and c_d_id = {c_d}
                 and c_last = 'NAME{}' order by c_id",
                c % 4
            );
            let found = ask(session, &named)?;
            found[found.len() / 2][0].as_integer().unwrap()
        }
    };
    let paid = format!(
        "update customer set c_balance = c_balance - {amount},
             c_ytd_payment = c_ytd_payment + {amount}, c_payment_cnt = c_payment_cnt + 1
         where c_w_id = {c_w} and c_d_id = {c_d} and c_id = {c}"
    );
    ask(session, &paid)?;
    let history = format!("insert into history values ({c_w}, {c_d}, {c}, {w}, {d}, {amount})");
    ask(session, &history)?;
    ask(session, "commit").map(drop)
}

/// A customer's last order: what it says of its lines is what there is, whoever is at work.
fn order_status(session: &mut Session, random: &mut Random) -> Result<(), String> {
    let (w, d, c) = customer(random);
    ask(session, "begin isolation level repeatable read, read only")?;
    let last = format!(
        "select o_id, o_ol_cnt from orders where o_w_id = {w} and o_d_id = {d} and o_c_id = {c}
         order by o_id desc limit 1"
    );
    if let [order] = &ask(session, &last)?[..] {
        let (o, count) = (
            order[0].as_integer().unwrap(),
            order[1].as_integer().unwrap(),
        );
        let lines = format!(
            "select ol_i_id, ol_quantity, ol_amount, ol_delivery_d from order_line
             where ol_w_id = {w} and ol_d_id = {d} and ol_o_id = {o}"
        );
        assert_eq!(ask(session, &lines)?.len() as i64, count);
    }
    ask(session, "commit").map(drop)
}

fn delivery(session: &mut Session, random: &mut Random) -> Result<(), String> {
    let (w, carrier) = (random.within(1, WAREHOUSES), random.within(1, 10));
    ask(session, "begin")?;
    for d in 1..=DISTRICTS {
        let oldest = format!(
            "select no_o_id from new_order where no_w_id = {w} and no_d_id = {d}
             order by no_o_id limit 1 for update"
        );
        let found = ask(session, &oldest)?;
        // None is left, or somebody else delivered it meanwhile.
        if found.is_empty() {
            continue;
        }
        let o = integer(&found);
        let key = |prefix: &str, order: &str| {
            format!("{prefix}_w_id = {w} and {prefix}_d_id = {d} and {prefix}_{order} = {o}")
        };
        let delivered = format!("delete from new_order where {}", key("no", "o_id"));
        ask(session, &delivered)?;
        let carried = format!(
            "update orders set o_carrier_id = {carrier} where {} returning o_c_id",
            key("o", "id")
        );
        let c = integer(&ask(session, &carried)?);
        let lines = format!(
            "update order_line set ol_delivery_d = now() where {}",
            key("ol", "o_id")
        );
        ask(session, &lines)?;
        let balance = format!(
            "update customer set c_delivery_cnt = c_delivery_cnt + 1, c_balance = c_balance
                 + (select sum(ol_amount) from order_line where {})
             where c_w_id = {w} and c_d_id = {d} and c_id = {c}",
            key("ol", "o_id")
        );
        ask(session, &balance)?;
    }
    ask(session, "commit").map(drop)
}

fn stock_level(session: &mut Session, random: &mut Random) -> Result<(), String> {
    let (w, d, _) = customer(random);
    let low = format!(
        "select count(distinct s_i_id) from district, order_line, stock
         where d_w_id = {w} and d_id = {d} and ol_w_id = d_w_id and ol_d_id = d_id
             and ol_o_id >= d_next_o_id - 20 and ol_o_id < d_next_o_id
             and s_w_id = ol_w_id and s_i_id = ol_i_id and s_quantity < {}",
        random.within(10, 20)
    );
    ask(session, &low).map(drop)
}

/// Each counts what contradicts a condition; the numbers are the specification's.
const CONTRADICTIONS: &[(&str, &str)] = &[
    (
        "1",
        "select count(*) from warehouse where w_ytd <>
             (select sum(d_ytd) from district where d_w_id = w_id)",
    ),
    (
        "2",
        "select count(*) from district where d_next_o_id - 1 <> coalesce(
             (select max(o_id) from orders where o_w_id = d_w_id and o_d_id = d_id), 0)",
    ),
    (
        "2, of what is not delivered",
        "select count(*) from district where d_next_o_id - 1 <>
             (select max(no_o_id) from new_order where no_w_id = d_w_id and no_d_id = d_id)",
    ),
    (
        "3",
        "select count(*) from (select max(no_o_id) - min(no_o_id) + 1 - count(*) as gaps
             from new_order group by no_w_id, no_d_id) d where gaps <> 0",
    ),
    (
        "4",
        "select count(*) from district where
             (select sum(o_ol_cnt) from orders where o_w_id = d_w_id and o_d_id = d_id) <>
             (select count(*) from order_line where ol_w_id = d_w_id and ol_d_id = d_id)",
    ),
    (
        "5",
        "select count(*) from orders left join new_order
             on no_w_id = o_w_id and no_d_id = o_d_id and no_o_id = o_id
         where (o_carrier_id is null) <> (no_o_id is not null)",
    ),
    (
        "6",
        "select count(*) from orders where o_ol_cnt <> (select count(*) from order_line
             where ol_w_id = o_w_id and ol_d_id = o_d_id and ol_o_id = o_id)",
    ),
    (
        "7",
        "select count(*) from order_line join orders
             on ol_w_id = o_w_id and ol_d_id = o_d_id and ol_o_id = o_id
         where (ol_delivery_d is null) <> (o_carrier_id is null)",
    ),
    (
        "8",
        "select count(*) from warehouse where w_ytd <>
             (select coalesce(sum(h_amount), 0) from history where h_w_id = w_id)",
    ),
    (
        "9",
        "select count(*) from district where d_ytd <> (select coalesce(sum(h_amount), 0)
             from history where h_w_id = d_w_id and h_d_id = d_id)",
    ),
    (
        "10 and 12",
        "select count(*) from customer where c_balance <> -c_ytd_payment + (
             select coalesce(sum(ol_amount), 0) from orders join order_line
                 on ol_w_id = o_w_id and ol_d_id = o_d_id and ol_o_id = o_id
             where o_w_id = c_w_id and o_d_id = c_d_id and o_c_id = c_id
                 and o_carrier_id is not null)
         or c_ytd_payment <> (select coalesce(sum(h_amount), 0) from history
             where h_c_w_id = c_w_id and h_c_d_id = c_d_id and h_c_id = c_id)",
    ),
    (
        "of the stock",
        "select count(*) from stock where s_ytd <> (select coalesce(sum(ol_quantity), 0)
             from order_line where ol_supply_w_id = s_w_id and ol_i_id = s_i_id)
         or s_order_cnt <> (select count(*) from order_line
             where ol_supply_w_id = s_w_id and ol_i_id = s_i_id)",
    ),
];

#[test]
fn no_transaction_of_tpc_c_fails_and_its_conditions_hold() {
    let database = database(TABLES);
    on_threads(&database, 5, |_, mut session, mut random| {
        for _ in 0..EACH {
            let done = match random.below(100) {
                0..45 => new_order(&mut session, &mut random),
                45..88 => payment(&mut session, &mut random),
                88..92 => order_status(&mut session, &mut random),
                92..96 => delivery(&mut session, &mut random),
                _ => stock_level(&mut session, &mut random),
            };
            assert_eq!(done, Ok(()));
        }
    });
    let mut session = connect(&database);
    for (name, contradictions) in CONTRADICTIONS {
        assert_eq!(number(&mut session, contradictions), 0, "condition {name}");
    }
    for table in ["orders", "order_line", "history"] {
        let count = number(&mut session, &format!("select count(*) from {table}"));
        assert!(count > 50, "{table}: {count}");
    }
    let delivered = "select count(*) from orders where o_carrier_id is not null";
    assert!(number(&mut session, delivered) > 0);
}
