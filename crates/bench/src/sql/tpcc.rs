//! A mix in the manner of TPC-C: `cargo xtask bench sql --suite tpcc`.
//!
//! The five transactions over one warehouse in the shares that the specification (revision 5.11,
//! 5.2.3) asks for at least: 45 new orders, 43 payments, 4 each of the rest. The tables have the
//! specification's numbers of rows, keys, foreign keys and the two indexes it suggests, and of
//! the columns those that the transactions use; money is in cents. There is no waiting of
//! terminals: one connection does one transaction after the other, with prepared statements.
//!
//! All engines begin with the same transactions, whose results are compared. Afterwards the
//! specification's conditions 1 to 4 (3.3.2) have to hold. It is no result of TPC-C.

use std::time::{Duration, Instant};

use super::engine::{Engine, Param};
use crate::engine::{Result, ensure};
use crate::options::Options;
use crate::report::Report;
use crate::suites::{Better, Measurement};

const SCHEMA: &str = include_str!("tpcc.sql");

const DISTRICTS: i64 = 10;
const CUSTOMERS: i64 = 3000;
const ITEMS: i64 = 100_000;

/// Of so many orders of each district the last third is not delivered yet.
const ORDERS: i64 = CUSTOMERS;

/// How many names customers have.
const NAMES: i64 = 1000;

/// Transactions whose results are compared.
const COMPARED: usize = 500;

/// Declares the statements: what they are called, and their text.
macro_rules! statements {
    ($($name:ident: $text:expr,)*) => {
        /// Prepared statements, by number.
        struct Statements { $($name: usize,)* }

        impl Statements {
            fn prepare(engine: &mut dyn Engine) -> Result<Statements> {
                Ok(Statements { $($name: engine.prepare($text)?,)* })
            }
        }
    };
}

statements! {
    tax: "SELECT w_tax FROM warehouse WHERE w_id = $1",
    discount: "SELECT c_discount FROM customer WHERE c_w_id = $1 AND c_d_id = $2 AND c_id = $3",
    next_order: "UPDATE district SET d_next_o_id = d_next_o_id + 1 WHERE d_w_id = $1 AND d_id = $2
         RETURNING d_next_o_id - 1",
    order: "INSERT INTO orders (o_w_id, o_d_id, o_id, o_c_id, o_ol_cnt) VALUES ($1, $2, $3, $4, $5)",
    new_order: "INSERT INTO new_order VALUES ($1, $2, $3)",
    price: "SELECT i_price FROM item WHERE i_id = $1",
    stock: "UPDATE stock SET s_ytd = s_ytd + $3, s_order_cnt = s_order_cnt + 1,
             s_quantity = CASE WHEN s_quantity >= $3 + 10 THEN s_quantity - $3
                 ELSE s_quantity - $3 + 91 END
         WHERE s_w_id = $1 AND s_i_id = $2",
    line: "INSERT INTO order_line
             (ol_w_id, ol_d_id, ol_o_id, ol_number, ol_i_id, ol_supply_w_id, ol_quantity, ol_amount)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    pay_warehouse: "UPDATE warehouse SET w_ytd = w_ytd + $2 WHERE w_id = $1",
    pay_district: "UPDATE district SET d_ytd = d_ytd + $3 WHERE d_w_id = $1 AND d_id = $2",
    named: "SELECT count(*) FROM customer WHERE c_w_id = $1 AND c_d_id = $2 AND c_last = $3",
    middle: "SELECT c_id FROM customer WHERE c_w_id = $1 AND c_d_id = $2 AND c_last = $3
         ORDER BY c_first LIMIT 1 OFFSET $4",
    pay_customer: "UPDATE customer SET c_balance = c_balance - $4,
             c_ytd_payment = c_ytd_payment + $4, c_payment_cnt = c_payment_cnt + 1
         WHERE c_w_id = $1 AND c_d_id = $2 AND c_id = $3",
    history: "INSERT INTO history VALUES ($1, $2, $3, $1, $2, $4)",
    balance: "SELECT c_balance FROM customer WHERE c_w_id = $1 AND c_d_id = $2 AND c_id = $3",
    last_order: "SELECT o_id FROM orders WHERE o_w_id = $1 AND o_d_id = $2 AND o_c_id = $3
         ORDER BY o_id DESC LIMIT 1",
    lines: "SELECT ol_i_id, ol_quantity, ol_amount, ol_delivery_d FROM order_line
         WHERE ol_w_id = $1 AND ol_d_id = $2 AND ol_o_id = $3",
    oldest: "SELECT no_o_id FROM new_order WHERE no_w_id = $1 AND no_d_id = $2
         ORDER BY no_o_id LIMIT 1",
    undelivered: "DELETE FROM new_order WHERE no_w_id = $1 AND no_d_id = $2 AND no_o_id = $3",
    carried: "UPDATE orders SET o_carrier_id = $4 WHERE o_w_id = $1 AND o_d_id = $2 AND o_id = $3
         RETURNING o_c_id",
    delivered: "UPDATE order_line SET ol_delivery_d = $4
         WHERE ol_w_id = $1 AND ol_d_id = $2 AND ol_o_id = $3",
    receive: "UPDATE customer SET c_delivery_cnt = c_delivery_cnt + 1, c_balance = c_balance
             + (SELECT sum(ol_amount) FROM order_line
                WHERE ol_w_id = $1 AND ol_d_id = $2 AND ol_o_id = $4)
         WHERE c_w_id = $1 AND c_d_id = $2 AND c_id = $3",
    low: "SELECT count(DISTINCT s_i_id) FROM district, order_line, stock
         WHERE d_w_id = $1 AND d_id = $2 AND ol_w_id = d_w_id AND ol_d_id = d_id
             AND ol_o_id >= d_next_o_id - 20 AND ol_o_id < d_next_o_id
             AND s_w_id = ol_w_id AND s_i_id = ol_i_id AND s_quantity < $3",
}

/// An engine at work.
struct Subject {
    name: &'static str,
    engine: Box<dyn Engine>,
    statements: Statements,
    random: Random,
}

/// Runs the mix.
pub(crate) fn measure(options: &Options) -> Result<()> {
    let share = options.parameters.scale.min(1.0);
    let mut all = Vec::new();
    for (name, mut engine) in super::opened(options)? {
        if engine.is_analytic() {
            continue;
        }
        eprintln!("{name}: filling tables");
        engine.set_durable(false)?;
        engine.run(SCHEMA)?;
        fill(&mut *engine, share)?;
        all.push(Subject {
            name,
            statements: Statements::prepare(&mut *engine)?,
            engine,
            random: Random(1),
        });
    }
    let names: Vec<String> = all.iter().map(|subject| subject.name.to_owned()).collect();
    let mut report = Report::new(&names);
    compare(&mut all, share)?;
    let time = Duration::from_secs_f64(options.parameters.seconds / super::ROUNDS as f64);
    for (workload, durable) in [("mix, not durable", false), ("mix, durable", true)] {
        let mut best = vec![0.0_f64; all.len()];
        for _ in 0..super::ROUNDS {
            for (subject, best) in all.iter_mut().zip(&mut best) {
                if !durable && subject.engine.is_always_durable() {
                    continue;
                }
                subject.engine.set_durable(durable)?;
                let (mut done, begin) = (0, Instant::now());
                while begin.elapsed() < time {
                    subject.transaction(share)?;
                    done += 1;
                }
                *best = best.max(f64::from(done) / begin.elapsed().as_secs_f64());
            }
        }
        for (subject, value) in all.iter().zip(best).filter(|(_, best)| *best > 0.0) {
            let measurement = Measurement {
                workload: workload.to_owned(),
                value,
                unit: "transaction/s".to_owned(),
                better: Better::Higher,
            };
            report.add(subject.name, measurement);
        }
    }
    for subject in &mut all {
        check(subject)?;
    }
    super::finish(&report, options)
}

/// The first transactions are the same for all; so are their results.
fn compare(all: &mut [Subject], share: f64) -> Result<()> {
    let mut sums = Vec::new();
    for subject in all {
        let mut sum = 0;
        for _ in 0..COMPARED {
            sum += subject.transaction(share)?;
        }
        sums.push(sum);
    }
    ensure!(
        sums.iter().all(|sum| *sum == sums[0]),
        "the engines give different results: {sums:?}"
    );
    Ok(())
}

/// What contradicts the conditions 1 to 4.
const CONTRADICTIONS: [&str; 5] = [
    "SELECT count(*) FROM warehouse WHERE w_ytd <>
         (SELECT sum(d_ytd) FROM district WHERE d_w_id = w_id)",
    "SELECT count(*) FROM district WHERE d_next_o_id - 1 <>
         (SELECT max(o_id) FROM orders WHERE o_w_id = d_w_id AND o_d_id = d_id)",
    "SELECT count(*) FROM district WHERE d_next_o_id - 1 <>
         (SELECT max(no_o_id) FROM new_order WHERE no_w_id = d_w_id AND no_d_id = d_id)",
    "SELECT count(*) FROM (SELECT max(no_o_id) - min(no_o_id) + 1 - count(*) AS gaps
         FROM new_order GROUP BY no_w_id, no_d_id) d WHERE gaps <> 0",
    "SELECT count(*) FROM district WHERE
         (SELECT sum(o_ol_cnt) FROM orders WHERE o_w_id = d_w_id AND o_d_id = d_id) <>
         (SELECT count(*) FROM order_line WHERE ol_w_id = d_w_id AND ol_d_id = d_id)",
];

fn check(subject: &mut Subject) -> Result<()> {
    for contradiction in CONTRADICTIONS {
        let found = subject.engine.query(contradiction)?;
        ensure!(
            found == 0,
            "{}: {found} rows of {contradiction}",
            subject.name
        );
    }
    Ok(())
}

fn ints<const N: usize>(numbers: [i64; N]) -> [Param; N] {
    numbers.map(Param::Int)
}

fn name_of(customer: i64) -> String {
    format!("NAME{}", customer % NAMES)
}

/// Makes the warehouse.
fn fill(engine: &mut dyn Engine, share: f64) -> Result<()> {
    let items = scaled(ITEMS, share);
    let customers = scaled(CUSTOMERS, share);
    let orders = scaled(ORDERS, share);
    engine.run("BEGIN")?;
    engine.run("INSERT INTO warehouse VALUES (1, 500, 0)")?;
    let item = engine.prepare("INSERT INTO item VALUES ($1, $2, $3)")?;
    let stock = engine.prepare("INSERT INTO stock VALUES (1, $1, $2, 0, 0)")?;
    for i in 1..=items {
        let name = Param::Text(format!("item {i}"));
        engine.execute(
            item,
            &[Param::Int(i), name, Param::Int(100 + i * 37 % 9900)],
        )?;
        engine.execute(stock, &ints([i, 10 + i * 7 % 91]))?;
    }
    let customer =
        engine.prepare("INSERT INTO customer VALUES (1, $1, $2, $3, $4, $5, -1000, 1000, 1, 0)")?;
    let order = engine.prepare(
        "INSERT INTO orders VALUES (1, $1, $2, $3, CASE WHEN $4 = 0 THEN NULL ELSE 1 + $2 % 10 END, $5)",
    )?;
    let undelivered = engine.prepare("INSERT INTO new_order VALUES (1, $1, $2)")?;
    let line = engine.prepare(
        "INSERT INTO order_line VALUES (1, $1, $2, $3, $4, 1, CASE WHEN $5 = 0 THEN NULL ELSE 1 END, 5, $6)",
    )?;
    for d in 1..=DISTRICTS {
        engine.run(&format!(
            "INSERT INTO district VALUES (1, {d}, 700, 0, {})",
            orders + 1
        ))?;
        for c in 1..=customers {
            let first = Param::Text(format!("FIRST{}", c * 7919 % customers));
            let discount = Param::Int(c % 50);
            let last = Param::Text(name_of(c));
            engine.execute(
                customer,
                &[Param::Int(d), Param::Int(c), first, last, discount],
            )?;
        }
        for o in 1..=orders {
            // Each customer has one, in no order that repeats.
            let c = (o * 7919 + d) % customers + 1;
            let is_delivered = i64::from(o <= orders * 7 / 10);
            let count = 5 + (o * 13 + d) % 11;
            engine.execute(order, &ints([d, o, c, is_delivered, count]))?;
            if is_delivered == 0 {
                engine.execute(undelivered, &ints([d, o]))?;
            }
            for number in 1..=count {
                let i = (o * 7919 + number * 104_729 + d) % items + 1;
                let values = ints([d, o, number, i, is_delivered, (o + number) % 10_000]);
                engine.execute(line, &values)?;
            }
        }
    }
    engine.run("COMMIT")
}

fn scaled(number: i64, share: f64) -> i64 {
    ((number as f64 * share) as i64).max(100)
}

impl Subject {
    /// The next transaction; the sum of what it read.
    fn transaction(&mut self, share: f64) -> Result<i64> {
        match self.random.within(1, 100) {
            1..=45 => self.new_order(share),
            46..=88 => self.payment(share),
            89..=92 => self.order_status(share),
            93..=96 => self.delivery(),
            _ => self.stock_level(),
        }
    }

    fn run(&mut self, statement: fn(&Statements) -> usize, parameters: &[Param]) -> Result<i64> {
        self.engine.execute(statement(&self.statements), parameters)
    }

    /// A district, and a customer there.
    fn customer(&mut self, share: f64) -> (i64, i64) {
        let d = self.random.within(1, DISTRICTS);
        (d, self.random.uneven(1023, scaled(CUSTOMERS, share)))
    }

    fn new_order(&mut self, share: f64) -> Result<i64> {
        let (d, c) = self.customer(share);
        let items = scaled(ITEMS, share);
        let count = self.random.within(5, 15);
        let is_mistaken = self.random.within(1, 100) == 1;
        self.engine.run("BEGIN")?;
        let mut sum = self.run(|all| all.tax, &ints([1]))?;
        sum += self.run(|all| all.discount, &ints([1, d, c]))?;
        let o = self.run(|all| all.next_order, &ints([1, d]))?;
        self.run(|all| all.order, &ints([1, d, o, c, count]))?;
        self.run(|all| all.new_order, &ints([1, d, o]))?;
        for number in 1..=count {
            if is_mistaken && number == count {
                // Nobody has such an item: the order is rolled back after all the work.
                sum += self.run(|all| all.price, &ints([items + 1]))?;
                self.engine.run("ROLLBACK")?;
                return Ok(sum);
            }
            let i = self.random.uneven(8191, items);
            let quantity = self.random.within(1, 10);
            let price = self.run(|all| all.price, &ints([i]))?;
            self.run(|all| all.stock, &ints([1, i, quantity]))?;
            let line = ints([1, d, o, number, i, 1, quantity, quantity * price]);
            self.run(|all| all.line, &line)?;
            sum += price;
        }
        self.engine.run("COMMIT")?;
        Ok(sum + o)
    }

    fn payment(&mut self, share: f64) -> Result<i64> {
        let (d, mut c) = self.customer(share);
        let amount = self.random.within(100, 500_000);
        let is_named = self.random.within(1, 100) <= 60;
        self.engine.run("BEGIN")?;
        self.run(|all| all.pay_warehouse, &ints([1, amount]))?;
        self.run(|all| all.pay_district, &ints([1, d, amount]))?;
        if is_named {
            // The one in the middle of those with the name.
            let mut key = vec![Param::Int(1), Param::Int(d), Param::Text(name_of(c))];
            let count = self.run(|all| all.named, &key)?;
            key.push(Param::Int(count / 2));
            c = self.run(|all| all.middle, &key)?;
        }
        self.run(|all| all.pay_customer, &ints([1, d, c, amount]))?;
        self.run(|all| all.history, &ints([1, d, c, amount]))?;
        self.engine.run("COMMIT")?;
        Ok(c)
    }

    fn order_status(&mut self, share: f64) -> Result<i64> {
        let (d, c) = self.customer(share);
        self.engine.run("BEGIN")?;
        let mut sum = self.run(|all| all.balance, &ints([1, d, c]))?;
        let o = self.run(|all| all.last_order, &ints([1, d, c]))?;
        sum += self.run(|all| all.lines, &ints([1, d, o]))?;
        self.engine.run("COMMIT")?;
        Ok(sum)
    }

    fn delivery(&mut self) -> Result<i64> {
        let carrier = self.random.within(1, 10);
        self.engine.run("BEGIN")?;
        let mut sum = 0;
        for d in 1..=DISTRICTS {
            let o = self.run(|all| all.oldest, &ints([1, d]))?;
            if o == 0 {
                continue;
            }
            self.run(|all| all.undelivered, &ints([1, d, o]))?;
            let c = self.run(|all| all.carried, &ints([1, d, o, carrier]))?;
            self.run(|all| all.delivered, &ints([1, d, o, 2]))?;
            self.run(|all| all.receive, &ints([1, d, c, o]))?;
            sum += o + c;
        }
        self.engine.run("COMMIT")?;
        Ok(sum)
    }

    fn stock_level(&mut self) -> Result<i64> {
        let d = self.random.within(1, DISTRICTS);
        let limit = self.random.within(10, 20);
        self.run(|all| all.low, &ints([1, d, limit]))
    }
}

/// Repeatable numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`.
    fn within(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    /// A number from 1 to `most`, some more often than others: NURand of the specification
    /// (2.1.6), with 0 for its constant.
    fn uneven(&mut self, bits: i64, most: i64) -> i64 {
        ((self.within(0, bits) | self.within(1, most)) % most) + 1
    }
}
