"""`orb doctor`: a machine where all is well, then with each thing missing in turn. It says which, and what to do."""

import json
import pathlib
import socket
import sqlite3
import subprocess
import tempfile
import unittest

from cli import commands
from deploy import backends
import processes

TOKENS = ("good-bot-token", "second-bot-token")
#: Of a person, as the simulator tells it, and of a bot besides.
USER, THIRD = "user.token-of-a-person", "third-bot-token"
API_TOKEN = "secret-api-token"
SECRETS = (*TOKENS, USER, THIRD, API_TOKEN, "bad-bot-token", "wrong-jellyfin-key", "secret-password")


class DoctorTest(unittest.TestCase):
    """Each test takes one thing away from an environment in which `orb up` would run."""

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="orb-doctor-tests-")
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        discord = processes.DiscordSim(cls.folder / "discord", "--tokens", ",".join((*TOKENS, USER, THIRD)))
        cls.addClassCleanup(discord.stop)
        jellyfin = processes.jellyfin_sim()
        cls.well = {
            "ORB_API_TOKENS": API_TOKEN,
            "ORB_HTTP_ADDR": f"127.0.0.1:{processes.free_port()}",
            "ORB_GRPC_ADDR": f"127.0.0.1:{processes.free_port()}",
            "ORB_DATABASE_URL": f"sqlite://{cls.folder}/orb.db",
            "ORB_DISCORD_API_URL": discord.url,
            "ORB_DISCORD_CA": discord.ca,
            "ORB_DISCORD_TOKENS": ",".join(TOKENS),
            "ORB_JELLYFIN_URL": jellyfin.url,
            "ORB_JELLYFIN_API_KEY": jellyfin.api_key,
        }

    def doctor(self, role="up", code=None, **changed):
        """Findings by the name of their check. No secret is told, and the table says the same."""
        environment = self.well | changed
        ended = commands.run("doctor", "--role", role, "--json", environment=environment, cwd=self.folder)
        report = json.loads(ended.stdout)
        failed = [finding for finding in report["findings"] if finding["outcome"] == "failed"]
        self.assertEqual(ended.returncode, 1 if failed else 0, ended.stdout)
        self.assertEqual(report["ok"], not failed)
        if code is not None:
            self.assertEqual(ended.returncode, code, failed)
        for secret in (*SECRETS, environment["ORB_JELLYFIN_API_KEY"]):
            self.assertNotIn(secret, ended.stdout + ended.stderr)
        for finding in failed:
            self.assertTrue(finding.get("fix"), f"it says what to do: {finding}")
        findings = {}
        for finding in report["findings"]:
            again = sum(name.split(" ")[0] == finding["check"] for name in findings)
            findings[f"{finding['check']} {again + 1}" if again else finding["check"]] = finding
        return findings

    def fails(self, check, found, fix, role="up", **changed):
        """That this check fails, and says so; nothing else does that is well."""
        findings = self.doctor(role, code=1, **changed)
        self.assertEqual(findings[check]["outcome"], "failed", findings[check])
        self.assertRegex(findings[check]["found"], found)
        self.assertRegex(findings[check]["fix"], fix)
        others = {name for name, finding in findings.items() if finding["outcome"] == "failed"} - {check}
        return others

    def only_fails(self, check, found, fix, **changed):
        self.assertEqual(self.fails(check, found, fix, **changed), set())

    def test_all_is_well(self):
        findings = self.doctor(code=0)
        self.assertEqual({finding["outcome"] for finding in findings.values()}, {"ok", "skipped"}, findings)
        for check in ("settings", "ffmpeg", "ffprobe", "jellyfin", "discord token 1", "discord token 2", "database",
                      "port of HTTP", "port of gRPC", "clock"):  # fmt: skip
            self.assertEqual(findings[check]["outcome"], "ok", findings[check])
        self.assertRegex(findings["jellyfin"]["found"], r"version \d+\.\d+")
        self.assertRegex(findings["discord token 1"]["found"], r"^orb-\w+ \(\d+\).*not privileged")
        self.assertFalse((self.folder / "orb.db").exists(), "it looks and changes nothing")

    def test_beside_an_orb_that_runs(self):
        changed = issue(self.folder / "running", days=90) | {"ORB_DATABASE_URL": f"sqlite://{self.folder}/running.db"}
        addresses = ("ORB_HTTP_ADDR", "ORB_GRPC_ADDR", "ORB_API_TOKENS")
        environment = {name: value for name, value in (self.well | changed).items() if name not in addresses}
        orb = processes.Orb("up", self.folder, environment, tokens=(API_TOKEN,))
        self.addCleanup(orb.stop)
        findings = self.doctor(code=0, ORB_HTTP_ADDR=orb.http_addr, ORB_GRPC_ADDR=orb.grpc_addr, **changed)
        self.assertIn("tables up to date", findings["database"]["found"])
        # The one of gRPC speaks TLS, and shows a certificate of this installation.
        for check in ("port of HTTP", "port of gRPC"):
            self.assertIn("held by an orb", findings[check]["found"])
        self.assertTrue(orb.is_ready())

    def test_the_table_says_the_same(self):
        broken = self.well | {"ORB_JELLYFIN_API_KEY": "wrong-jellyfin-key"}
        ended = commands.run("doctor", environment=broken, cwd=self.folder)
        self.assertEqual(ended.returncode, 1)
        self.assertRegex(ended.stdout, r"(?m)^ok       ffmpeg ")
        self.assertRegex(ended.stdout, r"(?m)^failed   jellyfin .*\n +→ .*ORB_JELLYFIN_API_KEY")
        self.assertRegex(ended.stdout, r"\n1 failed\n$")
        self.assertNotIn("wrong-jellyfin-key", ended.stdout + ended.stderr)
        self.assertNotIn("\x1b", ended.stdout)

    def test_no_ffmpeg(self):
        empty = self.folder / "no-programs"
        empty.mkdir(exist_ok=True)
        others = self.fails("ffmpeg", "not in PATH", "apt-get install ffmpeg", PATH=str(empty))
        self.assertEqual(others, {"ffprobe"})

    def test_an_ffmpeg_without_opus(self):
        poor = self.folder / "poor-ffmpeg"
        poor.mkdir(exist_ok=True)
        for tool in ("ffmpeg", "ffprobe"):
            program = poor / tool
            program.write_text("#!/bin/sh\necho 'ffmpeg version 7.0 Copyright'\necho ' V..... libx264  H.264'\n")
            program.chmod(0o755)
        self.only_fails("ffmpeg", "without encoder libopus", "full build", PATH=f"{poor}:/bin:/usr/bin")

    def test_jellyfin(self):
        away = f"http://127.0.0.1:{processes.free_port()}"
        self.only_fails("jellyfin", "127.0.0.1", "ORB_JELLYFIN_URL", ORB_JELLYFIN_URL=away)
        self.only_fails("jellyfin", "key", "ORB_JELLYFIN_API_KEY", ORB_JELLYFIN_API_KEY="wrong-jellyfin-key")
        # Something else that speaks HTTP.
        self.only_fails("jellyfin", "127.0.0.1", "ORB_JELLYFIN_URL", ORB_JELLYFIN_URL=self.well["ORB_DISCORD_API_URL"])
        unset = self.doctor(code=0, ORB_JELLYFIN_URL="")
        self.assertEqual(unset["jellyfin"]["outcome"], "warning")

    def test_discord(self):
        tokens = f"{TOKENS[0]},bad-bot-token"
        self.only_fails("discord token 2", "does not take it", "Bot page", ORB_DISCORD_TOKENS=tokens)
        twice = f"{TOKENS[0]},Bot {TOKENS[0]}"
        self.only_fails("discord token 2", "same account as discord token 1", "keep one", ORB_DISCORD_TOKENS=twice)
        away = f"http://127.0.0.1:{processes.free_port()}"
        others = self.fails("discord token 1", "not reached", "DNS", ORB_DISCORD_API_URL=away)
        self.assertEqual(others, {"discord token 2"})
        self.only_fails("discord", "no-such-file", "ORB_DISCORD_CA", ORB_DISCORD_CA="/no-such-file")
        self.fails("settings", "ORB_DISCORD_TOKENS", "developers/applications", ORB_DISCORD_TOKENS="")

    def test_golive(self):
        self.assertEqual(self.doctor(code=0)["golive"]["outcome"], "skipped")

        def on(tokens):
            return {"ORB_GOLIVE": "accept-account-risk", "ORB_DISCORD__GOLIVE_TOKENS": tokens}

        person = self.doctor(code=0, **on(USER))["golive token 1"]
        self.assertEqual(person["outcome"], "warning")
        self.assertRegex(person["found"], "terms forbid")
        self.only_fails("golive token 1", "it is the bot", "ORB_DISCORD_TOKENS", **on(THIRD))
        self.only_fails("golive token 1", "does not take it", "take it out", **on("user.banned"))
        self.only_fails("settings", "GOLIVE_TOKENS", "ORB_GOLIVE=accept", ORB_DISCORD__GOLIVE_TOKENS=USER)
        self.only_fails("settings", "GOLIVE_TOKENS", "unset ORB_GOLIVE", **on(""))

    def test_ports(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = f"127.0.0.1:{other.getsockname()[1]}"
            self.only_fails("port of HTTP", "taken by another", "ORB_HTTP_ADDR", ORB_HTTP_ADDR=taken)
            self.only_fails("port of gRPC", "taken by another", "ORB_GRPC_ADDR", ORB_GRPC_ADDR=taken)
        self.only_fails("port of HTTP", "no address of this machine", "ORB_HTTP_ADDR", ORB_HTTP_ADDR="192.0.2.1:8080")
        orb = processes.demo()
        running = self.doctor(code=0, ORB_HTTP_ADDR=orb.http_addr, ORB_GRPC_ADDR=orb.grpc_addr)
        for check in ("port of HTTP", "port of gRPC"):
            self.assertIn("held by an orb", running[check]["found"])
        # Each at its own.
        swapped = self.doctor(ORB_HTTP_ADDR=orb.grpc_addr, ORB_GRPC_ADDR=orb.http_addr)
        for check in ("port of HTTP", "port of gRPC"):
            self.assertIn("taken by another", swapped[check]["found"])

    def test_certificates(self):
        files = issue(self.folder / "good", days=90)
        self.assertEqual(self.doctor(code=0, **files)["tls"]["outcome"], "ok")
        soon = issue(self.folder / "soon", days=7)
        self.assertEqual(self.doctor(code=0, **soon)["tls"]["outcome"], "warning")
        expired = issue(self.folder / "expired", days=-1)
        self.only_fails("tls", "ORB_TLS__CERT.*expired", "renew", **expired)
        self.only_fails("tls", "ORB_TLS__KEY", "issued together", **files | {"ORB_TLS__KEY": soon["ORB_TLS__KEY"]})
        self.only_fails("tls", "authority", "authority|issue", **files | {"ORB_TLS__CA": soon["ORB_TLS__CA"]})
        self.only_fails("tls", "ORB_TLS__CERT.*/no-such-file", "name a file", **files | {"ORB_TLS__CERT": "/no-such-file"})
        others = self.fails("settings", "ORB_TLS__KEY", "or none of", **files | {"ORB_TLS__KEY": ""})
        self.assertEqual(others, set())

    def test_database(self):
        self.only_fails("database", "no file can be made in /proc", "ORB_DATABASE_URL", ORB_DATABASE_URL="sqlite:///proc/orb.db")
        self.only_fails("database", "no file can be made", "make the folder", ORB_DATABASE_URL="sqlite:///no/such/folder/orb.db")
        newer = self.folder / "newer.db"
        with sqlite3.connect(newer) as database:
            database.execute("CREATE TABLE _sqlx_migrations (version BIGINT, success BOOLEAN, checksum BLOB)")
            database.execute("INSERT INTO _sqlx_migrations VALUES (9999, TRUE, x'00')")
        database.close()
        self.only_fails("database", "newer orb", "restore the backup", ORB_DATABASE_URL=f"sqlite://{newer}")
        garbage = self.folder / "garbage.db"
        garbage.write_bytes(b"this is no database" * 100)
        self.only_fails("database", "cannot be read and written", "SQLite", ORB_DATABASE_URL=f"sqlite://{garbage}")
        postgres = f"postgres://me:secret-password@127.0.0.1:{processes.free_port()}/orb"
        self.only_fails("database", "PostgreSQL at 127.0.0.1", "ORB_DATABASE_URL", ORB_DATABASE_URL=postgres)

    def test_postgres(self):
        where = self.folder / "postgres-test"
        where.mkdir()
        self.folder.chmod(0o755)
        url, postgres = backends.start_postgres(where)
        self.addCleanup(postgres.stop)
        empty = self.doctor(code=0, ORB_DATABASE_URL=url)
        self.assertIn("is empty", empty["database"]["found"])
        self.only_fails("database", '"nobody-there" does not exist', "ORB_DATABASE_URL",
                        ORB_DATABASE_URL=url.replace("/postgres", "/nobody-there"))  # fmt: skip
        reader = url.replace("orb@", "reader@")
        sql = "CREATE ROLE reader LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        psql = ["psql", "--quiet", "--command", sql, url]
        subprocess.run(psql, check=True, capture_output=True, timeout=30)
        self.only_fails("database", "may not make tables", "rights", ORB_DATABASE_URL=reader)

    def test_etcd(self):
        away = f"http://127.0.0.1:{processes.free_port()}"
        others = self.fails("etcd", "no member answers", "ORB_ETCD_ENDPOINTS", role="scheduler", ORB_ETCD_ENDPOINTS=away)
        self.assertEqual(others, {"settings"}, "SQLite is for one scheduler")
        url, etcd = backends.start_etcd(self.folder)
        self.addCleanup(etcd.stop)
        there = self.doctor("scheduler", ORB_ETCD_ENDPOINTS=url)
        self.assertRegex(there["etcd"]["found"], "^1 of 1 members answer")
        some = self.doctor("scheduler", ORB_ETCD_ENDPOINTS=f"{url},{away}")
        self.assertEqual(some["etcd"]["outcome"], "warning", some["etcd"])
        worker = self.doctor("worker", code=0, ORB_ETCD_ENDPOINTS=url)
        self.assertIn("none leads", worker["scheduler"]["found"])

    def test_the_scheduler_of_the_others(self):
        away = f"http://127.0.0.1:{processes.free_port()}"
        for role in ("gateway", "worker"):
            found = self.fails("scheduler", "nobody answers", "orb scheduler", role=role, ORB_SCHEDULER_URL=away)
            self.assertEqual(found, set())
            there = self.doctor(role, code=0, ORB_SCHEDULER_URL=f"http://{processes.demo().grpc_addr}")
            self.assertEqual(there["scheduler"]["outcome"], "ok")

    def test_settings_that_cannot_be_read(self):
        self.fails("settings", "ORB_HTTP_ADDR", "correct it", ORB_HTTP_ADDR="secret-password")
        # What the commands read is for them.
        for_commands = self.doctor(code=0, ORB_SERVER="http://orb", ORB_PARTY="party", ORB_API_TOKEN="secret-password")
        self.assertNotIn("settings 2", for_commands)
        unknown = self.doctor(code=0, ORB_HTPT_ADDR="x")
        self.assertIn("ORB_HTPT_ADDR", unknown["settings 2"]["found"])


def issue(folder, days):
    """An authority and a certificate of it that is good for so many days, as variables of `orb`."""
    folder.mkdir()
    extension = folder / "leaf.ext"
    extension.write_text("subjectAltName=DNS:orb-stream\nextendedKeyUsage=serverAuth,clientAuth\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    ca, ca_key, key, request, certificate = (folder / name for name in ("ca.crt", "ca.key", "tls.key", "csr", "tls.crt"))
    openssl("req", "-x509", *curve, "-subj", "/CN=orb-test", "-keyout", ca_key, "-out", ca, "-days", "365",
            "-addext", "keyUsage=keyCertSign")  # fmt: skip
    openssl("req", *curve, "-subj", "/", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", days,
            "-extfile", extension, "-out", certificate)  # fmt: skip
    return {"ORB_TLS__CA": str(ca), "ORB_TLS__CERT": str(certificate), "ORB_TLS__KEY": str(key)}


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
