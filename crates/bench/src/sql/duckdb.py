"""DuckDB for the benchmark: requests in lines of its input, answers in lines of its output.

Times are taken here, so that the way between the programs does not count. Tabs, line breaks and
backslashes within fields are escaped. A request is a letter and fields; an answer is lines that
begin with `row`, and then one that begins with `ok`, seconds and a sum, or with `error`.
"""

import os
import sys
import threading
import time

import duckdb

ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
LETTERS = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


# What DuckDB prints itself, its bar of progress above all, is no answer.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def escaped(value):
    if value is None:
        return ""
    return "".join(ESCAPES.get(letter, letter) for letter in str(value))


def plain(text):
    letters = iter(text)
    return "".join(LETTERS[next(letters)] if letter == "\\" else letter for letter in letters)


def total(rows):
    return sum(v for row in rows for v in row if type(v) is int)


class Engine:
    def __init__(self, path):
        self.connection = duckdb.connect(path)
        self.statements = 0
        self.limit = None
        # Statements whose one row says how many rows they changed.
        self.counting = set()

    def run(self, text):
        self.connection.execute(text)

    def rows(self, text):
        timer = threading.Timer(self.limit, self.connection.interrupt) if self.limit else None
        if timer:
            timer.start()
        try:
            begin = time.perf_counter()
            rows = self.connection.execute(text).fetchall()
            return time.perf_counter() - begin, rows
        finally:
            if timer:
                timer.cancel()

    def prepare(self, text):
        self.statements += 1
        self.connection.execute(f"PREPARE s{self.statements} AS {text}")
        if not text.lstrip().upper().startswith("SELECT"):
            self.counting.add(f"EXECUTE s{self.statements}")

    def many(self, texts):
        """Runs statements one after the other; reads all their rows."""
        execute, result = self.connection.execute, 0
        counting = any(text.split("(")[0] in self.counting for text in texts[:1])
        begin = time.perf_counter()
        for text in texts:
            rows = execute(text).fetchall()
            result += 0 if counting else total(rows)
        return time.perf_counter() - begin, result


def answer(engine, letter, fields):
    seconds, result, rows = 0, 0, []
    if letter == "run":
        engine.run(*fields)
    elif letter == "limit":
        engine.limit = float(fields[0])
    elif letter == "prepare":
        engine.prepare(*fields)
    elif letter == "many":
        seconds, result = engine.many(fields)
    elif letter == "rows":
        seconds, rows = engine.rows(*fields)
    for row in rows:
        print("row", *map(escaped, row), sep="\t", file=ANSWERS)
    print("ok", seconds, result, sep="\t", file=ANSWERS, flush=True)


def main():
    engine = Engine(sys.argv[1])
    for line in sys.stdin:
        letter, *fields = map(plain, line.rstrip("\n").split("\t"))
        try:
            answer(engine, letter, fields)
        except Exception as error:
            print("error", escaped(error), sep="\t", file=ANSWERS, flush=True)


main()
