CREATE TABLE warehouse (w_id INT PRIMARY KEY, w_tax INT NOT NULL, w_ytd BIGINT NOT NULL);
CREATE TABLE district (
    d_w_id INT REFERENCES warehouse, d_id INT, d_tax INT NOT NULL, d_ytd BIGINT NOT NULL,
    d_next_o_id INT NOT NULL, PRIMARY KEY (d_w_id, d_id));
CREATE TABLE customer (
    c_w_id INT, c_d_id INT, c_id INT, c_first VARCHAR(16), c_last VARCHAR(16), c_discount INT,
    c_balance BIGINT, c_ytd_payment BIGINT, c_payment_cnt INT, c_delivery_cnt INT,
    PRIMARY KEY (c_w_id, c_d_id, c_id),
    FOREIGN KEY (c_w_id, c_d_id) REFERENCES district);
CREATE INDEX customer_last ON customer (c_w_id, c_d_id, c_last, c_first);
CREATE TABLE history (
    h_c_w_id INT, h_c_d_id INT, h_c_id INT, h_w_id INT, h_d_id INT, h_amount INT,
    FOREIGN KEY (h_c_w_id, h_c_d_id, h_c_id) REFERENCES customer);
CREATE TABLE orders (
    o_w_id INT, o_d_id INT, o_id INT, o_c_id INT, o_carrier_id INT, o_ol_cnt INT,
    PRIMARY KEY (o_w_id, o_d_id, o_id),
    FOREIGN KEY (o_w_id, o_d_id, o_c_id) REFERENCES customer);
CREATE INDEX orders_customer ON orders (o_w_id, o_d_id, o_c_id, o_id);
CREATE TABLE new_order (
    no_w_id INT, no_d_id INT, no_o_id INT, PRIMARY KEY (no_w_id, no_d_id, no_o_id),
    FOREIGN KEY (no_w_id, no_d_id, no_o_id) REFERENCES orders);
CREATE TABLE item (i_id INT PRIMARY KEY, i_name VARCHAR(24), i_price INT NOT NULL);
CREATE TABLE stock (
    s_w_id INT REFERENCES warehouse, s_i_id INT REFERENCES item, s_quantity INT, s_ytd INT,
    s_order_cnt INT, PRIMARY KEY (s_w_id, s_i_id));
CREATE TABLE order_line (
    ol_w_id INT, ol_d_id INT, ol_o_id INT, ol_number INT, ol_i_id INT, ol_supply_w_id INT,
    ol_delivery_d INT, ol_quantity INT, ol_amount INT,
    PRIMARY KEY (ol_w_id, ol_d_id, ol_o_id, ol_number),
    FOREIGN KEY (ol_w_id, ol_d_id, ol_o_id) REFERENCES orders,
    FOREIGN KEY (ol_supply_w_id, ol_i_id) REFERENCES stock);
