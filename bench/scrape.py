"""A scrape of the endpoint with many stream tables."""

import http.client
import socket
import time

from measure import median, number

SOURCES = 50


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path):
    """Time until the last byte, in ms, and the text."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"scrape.py: {path} has status {answer.status}")
    return (time.perf_counter() - start) * 1000, text.decode()


def cpu_ms(db):
    """Of the endpoint and its readers."""
    ns = 0
    for pid, in db.rows("SELECT pid FROM pg_stat_activity"
                        " WHERE backend_type IN ('pg_trickle endpoint', 'pg_trickle reader')"):
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as stat:
            ns += int(stat.read().split()[0])
    return ns / 1e6


def set_port(db, port):
    db.run(f"ALTER SYSTEM SET pg_trickle.metrics_port = {port}")
    db.run("SELECT pg_reload_conf()")


def create(db, tables):
    db.run("CREATE SCHEMA scrape")
    for i in range(SOURCES):
        db.run(f"CREATE TABLE scrape.source_{i} (id int PRIMARY KEY, grp int NOT NULL, val int NOT NULL)")
        db.run(f"INSERT INTO scrape.source_{i} SELECT i, i % 10, 0 FROM generate_series(1, 100) AS i")
    for i in range(tables):
        db.stream_table(f"scrape.st_{i}", f"SELECT grp, sum(val) AS s FROM scrape.source_{i % SOURCES}"
                        f" WHERE id > {i // SOURCES} GROUP BY grp")
    # half of them have something to do
    for i in range(SOURCES // 2):
        db.run(f"UPDATE scrape.source_{i} SET val = 1")
    db.run("VACUUM ANALYZE")


def bench_scrape(db, report, quick, _ivm):
    tables = 100 if quick else 1000
    create(db, tables)
    port = free_port()
    set_port(db, port)
    for _ in range(100):
        try:
            get(port, "/healthz")
            break
        except ConnectionError:
            time.sleep(0.1)
    first, text = get(port, "/metrics")
    lines = text.count("pg_trickle_staleness_seconds{")
    if lines != tables or not text.endswith("# EOF\n"):
        raise SystemExit(f"scrape.py: {lines} of {tables} stream tables in the text")
    cpu, ms = cpu_ms(db), []
    for _ in range(5 if quick else 50):
        time.sleep(1.05)                # so that no answer serves twice
        ms.append(get(port, "/metrics")[0])
    cpu = (cpu_ms(db) - cpu) / len(ms)
    what = f"scrape of /metrics, {tables} stream tables over {SOURCES} sources"
    report.add(f"{what}: half within", median(ms), " ms", 50, 10,
               f"processor time {number(cpu)} ms, {len(text) / 1e6:.1f} MB; best {number(min(ms))} ms,"
               f" worst of {len(ms)} {number(max(ms))} ms; the first one, by a new process, {number(first)} ms")
    set_port(db, 0)
