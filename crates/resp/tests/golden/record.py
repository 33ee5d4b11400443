"""Asks a Redis 7.0.15 on loopback the requests of requests.txt and writes its replies; likewise for transactions.txt, which the node's tests replay.

Start it with: redis-server --port 7991 --save "" --enable-debug-command yes
Then: python3 record.py 7991
A reply is one line in the form of a double-quoted inline argument; `closed` follows it if the
server closed the connection.
"""
import pathlib
import re
import socket
import sys

PORT = int(sys.argv[1])
HERE = pathlib.Path(__file__).parent
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}
# Files of the table whose texts are ours, and commands of them with a text in COMMAND INFO.
OWN_TEXTS = {"bitmap.rs"}
OWN_NOTES = {"bitfield"}
CONTAINERS = {"acl", "client", "cluster", "command", "config", "function", "latency", "memory", "module", "object", "script", "slowlog"}


def words(text):
    out, i = [], 0
    while i < len(text):
        if text[i] == " ":
            i += 1
        elif text[i] == '"':
            word, i = "", i + 1
            while text[i] != '"':
                if text[i] == "\\" and text[i + 1] == "x":
                    word, i = word + chr(int(text[i + 2 : i + 4], 16)), i + 4
                elif text[i] == "\\":
                    word, i = word + ESCAPES.get(text[i + 1], text[i + 1]), i + 2
                else:
                    word, i = word + text[i], i + 1
            out, i = out + [word], i + 1
        else:
            end = (text + " ").index(" ", i)
            out, i = out + [text[i:end]], end
    return [w.encode("latin1") for w in out]


def quoted(data):
    names = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\"}
    text = "".join(names.get(b, chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data)
    return f'"{text}"'


def request(args):
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args)


def answer(conn):
    """All that comes within a short time, and whether the server closed."""
    conn.settimeout(0.05)
    data = b""
    while True:
        try:
            part = conn.recv(1 << 20)
        except (TimeoutError, socket.timeout):
            return data, False
        except ConnectionResetError:
            return data, True
        if not part:
            return data, True
        data += part


def connect():
    return socket.create_connection(("127.0.0.1", PORT))


def main():
    out = ["# Replies of Redis 7.0.15, written by record.py."]
    conn, password = connect(), b""
    for line in (HERE / "requests.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        out.append(line)
        verb, _, rest = line.partition(" ")
        if verb in ("password", "proto"):
            admin = connect()
            if verb == "password":
                if password:
                    admin.sendall(request([b"AUTH", password]))
                    answer(admin)
                password = rest.encode()
                admin.sendall(request([b"CONFIG", b"SET", b"requirepass", password]))
                answer(admin)
            conn = connect()
            if verb == "proto":
                conn.sendall(request([b"HELLO", rest.encode()]))
                answer(conn)
            continue
        if verb == "raw":
            single = connect()
            single.sendall(words(rest)[0])
            data, closed = answer(single)
        else:
            conn.sendall(request(words(rest)))
            data, closed = answer(conn)
        out.append(quoted(data) + (" closed" if closed else ""))
    (HERE / "redis-7.0.15.txt").write_text("\n".join(out) + "\n")
    table()


def table():
    """COMMAND INFO and COMMAND DOCS of the commands we have, in RESP3."""
    conn = connect()
    conn.sendall(request([b"HELLO", b"3"]))
    answer(conn)
    out = ["# COMMAND INFO and COMMAND DOCS of Redis 7.0.15 in RESP3, written by record.py."]
    source = HERE.parent.parent.parent / "shard" / "src" / "table"
    names, own = set(), set()
    for file in source.glob("*.rs"):
        found = set(re.findall(r'(?:^ +|Spec \{ )name: "([a-z_|-]+)"', file.read_text(), re.M))
        names |= found
        own |= found if file.name in OWN_TEXTS else set()
    # What DEBUG is asked for is no command of its own in Redis.
    names = {name for name in names if not name.startswith("debug|")}
    for name in sorted(names - CONTAINERS - OWN_NOTES):
        for sub in ("INFO",) if name in own else ("INFO", "DOCS"):
            conn.sendall(request([b"COMMAND", sub.encode(), name.encode()]))
            data, _ = answer(conn)
            out += [f"> COMMAND {sub} {name}", quoted(data)]
    (HERE / "table-7.0.15.txt").write_text("\n".join(out) + "\n")


def transactions():
    """The script of transactions.txt, whose lines begin with the number of a connection."""
    out = ["# Replies of Redis 7.0.15, written by record.py."]
    conns = {}
    for line in (HERE / "transactions.txt").read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        out.append(line)
        number, _, rest = line.partition("> ")
        if number == "reset>":
            conns = {}
            single = connect()
            single.sendall(request([b"FLUSHALL"]))
            answer(single)
            continue
        if number not in conns:
            conns[number] = connect()
        conns[number].sendall(request(words(rest)))
        out.append(quoted(answer(conns[number])[0]))
    (HERE / "transactions-7.0.15.txt").write_text("\n".join(out) + "\n")


main()
transactions()
