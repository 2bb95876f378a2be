"""`gatepass token`: what it prints where, what it refuses, and that nothing in a token can play with the terminal."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest
from tests.support.scripted_issuer import ScriptedIssuer

from gatepass.cli.main import main
from gatepass.cli.token import in_colours, in_words
from gatepass.jose import Key, KeySet, jws, jwt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., "Done"]

KEY = Key.generate("ES256")
ISSUER = "https://auth.example.com"


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `gatepass token …`, with a text on the standard input."""

    def run_(*words: str, stdin: str = "") -> Done:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = 0
        try:
            main(["token", *words])
        except SystemExit as end:
            status = int(end.code or 0)
        return Done(status, *capsys.readouterr())

    return run_


def test_explain_tells_every_reason_at_once(run: Run) -> None:
    """`verify` stops at the first thing that is wrong; `explain` says what each claim means and all that is wrong."""
    token = signed(typ="JWT", exp=1, nbf=9_999_999_999, iat=9_999_999_999, cnf={"jkt": "k"})
    done = run("explain", token, "--issuer", ISSUER + "/", "--audience", "another", "--json")
    told = json.loads(done.out)
    codes = [reason.partition(":")[0] for reason in told["reasons"]]
    assert codes == [
        *("wrong_typ", "wrong_issuer", "wrong_audience", "expired", "not_yet_valid", "issued_in_future"),
        "unproven_cnf",
    ]
    assert "by which it can be revoked" in told["claims"]["jti"]["meaning"]
    assert "NOT VERIFIED" in done.err


def test_explain_of_a_good_token(run: Run) -> None:
    """Nothing to refuse, claims of the issuer's own included; and no text of a token moves the cursor."""
    done = run("explain", signed(own="\x1b[2Jboo"), "--issuer", ISSUER, "--audience", "my-api")
    assert "a claim defined by its issuer" in done.out
    assert "\x1b" not in done.out
    assert done.out.rstrip().endswith("No reason to refuse it was found in its header and claims.")


def signed(typ: str = "at+jwt", **changes: Any) -> str:  # noqa: ANN401 - any claim
    """Sign a token that is good now, with some claims changed."""
    now = int(time.time())
    claims: dict[str, Any] = {"iss": ISSUER, "sub": "ann", "aud": "my-api", "client_id": "c", "jti": "t"}
    return jwt.sign(claims | {"iat": now, "exp": now + 870} | changes, KEY, typ=typ)


# ── inspect ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_inspect_shows_the_three_parts(run: Run) -> None:
    """Header, claims with times in words, and the signature's size; the warning is on stderr."""
    done = run("inspect", signed(exp=int(time.time()) + 870))
    lines = done.out.splitlines()
    assert done.status == 0
    assert [line for line in lines if not line.startswith(" ")] == ["header", "claims", "signature"]
    assert "  alg  ES256" in lines
    assert any(line.startswith("  exp") and line.endswith(" UTC (in 14 minutes)") for line in lines)
    assert "  64 bytes" in lines
    assert done.err.startswith("NOT VERIFIED")


@pytest.mark.parametrize(
    ("words", "wrapped"),
    [(["-"], "{}"), ([], "{}\n"), (["-"], "Bearer {}\n"), (["-", "--json"], "  {}  ")],
)
def test_a_token_can_stay_out_of_the_shells_history(run: Run, words: list[str], wrapped: str) -> None:
    """It is read from the standard input, with what gets copied along with it."""
    done = run("inspect", *words, stdin=wrapped.format(signed()))
    assert done.status == 0
    assert "ES256" in done.out


def test_inspect_for_programs(run: Run) -> None:
    """`--json` prints one object, which says that nothing was verified."""
    token = signed()
    seen = jwt.peek(token)
    expected = {"verified": False, "header": seen.headers, "claims": seen.claims}
    assert json.loads(run("inspect", token, "--json").out) == expected


def test_what_cannot_be_read(run: Run) -> None:
    """No stack trace: what is wrong, and what to do."""
    done = run("inspect", "rubbish")
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        "error: malformed: a compact JWS has three parts\n"
        "hint: A token has three parts of letters, digits, - and _, joined by dots. Check that it was copied whole.\n"
    )


def test_an_option_that_does_not_exist(run: Run) -> None:
    """A typo is not taken for a token."""
    assert run("inspect", "--jsn").err == "error: Unknown option: --jsn.\nhint: gatepass token --help\n"


def test_nothing_in_a_token_plays_with_the_terminal(run: Run) -> None:
    """Escape sequences, line ends, right-to-left marks and markup stay visible text."""
    hostile = {"sub": "\x1b[2J\r\n", "a\x1b]0;x\x07": "\u202egnp", "m": "[red]x[/red]", "deep": {"\x9b31m": ["\x00"]}}
    done = run("inspect", jws.sign(msgspec.json.encode(hostile), KEY))
    assert done.status == 0
    assert all(character.isprintable() or character == "\n" for character in done.out)
    assert r"\u001b[2J\r\n" in done.out
    assert r"\u202egnp" in done.out
    assert "[red]x[/red]" in done.out


@pytest.mark.parametrize("exp", [10**30, -(10**30), 1e300])
def test_a_time_beyond_all_calendars(run: Run, exp: float) -> None:
    """A date that does not exist is shown as the number that it is."""
    done = run("inspect", jws.sign(msgspec.json.encode({"exp": exp}), KEY))
    assert "(no date)" in done.out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (0.9, "now"),
        (1, "in 1 second"),
        (-59, "59 seconds ago"),
        (60, "in 1 minute"),
        (870, "in 14 minutes"),
        (-7200, "2 hours ago"),
        (86400, "in 1 day"),
        (-86400 * 800, "2 years ago"),
    ],
)
def test_times_in_words(seconds: float, words: str) -> None:
    """The largest unit that fits, rounded towards now."""
    assert in_words(seconds) == words


def test_three_colours() -> None:
    """On a terminal header, claims and signature each have their own colour."""
    token = signed()
    text = in_colours(token, jwt.peek(token), now=time.time())
    assert len({str(span.style).removeprefix("bold ") for span in text.spans}) == 3


# ── verify ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    """Write the issuer's public keys to a file."""
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(KeySet([KEY]).to_jwks()))
    return str(file)


def test_verify_with_keys_from_a_file(run: Run, jwks: str) -> None:
    """A good token is shown, and said to be good; a bad one ends with status 1 and prints no result."""
    policy = ["--issuer", ISSUER, "--audience", "my-api", "--jwks", jwks]
    good = run("verify", signed(), *policy)
    assert good.status == 0
    assert "  sub        ann" in good.out.splitlines()
    assert good.err == "Verified: signature, issuer, audience, type and times are valid.\n"
    assert json.loads(run("verify", "-", *policy, "--json", stdin=signed()).out)["verified"] is True
    for token, code in (
        (signed(exp=1), "expired"),
        (signed(aud="other"), "wrong_audience"),
        (signed(iss=ISSUER + "/"), "wrong_issuer"),
        (signed("JWT"), "wrong_typ"),
        (signed()[:-6] + "AAAAAA", "bad_signature"),
        ("x", "malformed"),
    ):
        bad = run("verify", token, *policy)
        assert (bad.status, bad.out) == (1, "")
        assert bad.err.startswith(f"error: {code}: ")
        assert bad.err.splitlines()[1].startswith("hint: ")
        assert token == "x" or token not in bad.err
    assert run("verify", signed("JWT"), *policy, "--typ", "any").status == 0


def test_verify_with_one_key_from_a_file(run: Run, tmp_path: Path) -> None:
    """A file may hold a single JWK, a shared secret for instance, or a PEM."""
    secret = Key.generate("HS256")
    file = tmp_path / "key"
    policy = ["--issuer", ISSUER, "--audience", "my-api", "--jwks", str(file)]
    file.write_text(json.dumps(secret.to_jwk(private=True)))
    token = jwt.sign(jwt.peek(signed()).claims, secret, typ="at+jwt")
    assert run("verify", token, *policy).status == 0
    file.write_bytes(KEY.to_pem())
    assert run("verify", signed(), *policy).status == 0
    assert run("verify", token, *policy).err.startswith("error: ")


def test_verify_finds_the_keys_of_an_issuer(run: Run) -> None:
    """With the issuer alone, or with the URL of its keys; when it is down that is said."""
    now = int(time.time())
    with ScriptedIssuer() as issuer:
        token = issuer.token(iat=now, exp=now + 60)
        policy = ["--issuer", issuer.url, "--audience", "my-api"]
        assert run("verify", token, *policy).status == 0
        assert run("verify", token, *policy, "--jwks", issuer.origin + "/jwks.json").status == 0
    down = run("verify", token, *policy)
    assert down.status == 1
    assert down.err.splitlines()[-2].startswith("error: issuer_unavailable: ")


def test_verify_says_what_is_wrong_with_its_own_arguments(run: Run, tmp_path: Path) -> None:
    """A file that is missing or holds something else, and an issuer that is no URL."""
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("rubbish")
    for arguments in (
        ["--issuer", ISSUER, "--audience", "a", "--jwks", str(tmp_path / "missing")],
        ["--issuer", ISSUER, "--audience", "a", "--jwks", str(rubbish)],
        ["--issuer", "auth.example.com", "--audience", "a"],
        ["--issuer", ISSUER],
    ):
        done = run("verify", signed(), *arguments)
        assert (done.status, done.out) == (1, "")
        assert [line.split(":")[0] for line in done.err.splitlines()] == ["error", "hint"]


# ── sign ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("alg", ["ES256", "RS256", "HS256", "Ed25519"])
def test_sign_then_verify(run: Run, tmp_path: Path, alg: str) -> None:
    """A token signed with a key from a file is what `jwt.verify` accepts; stdout holds nothing else."""
    key = Key.generate(alg)
    file = tmp_path / "key"
    if alg in {"ES256", "RS256"}:
        file.write_bytes(key.to_pem(private=True))
    else:
        file.write_text(json.dumps(key.to_jwk(private=True)))
    choice = ["--alg", alg] if alg == "RS256" else []
    done = run("sign", "--key", str(file), "--claims", '{"sub":"ann","exp":4102444800}', *choice, "--typ", "x+jwt")
    assert (done.status, done.err) == (0, "")
    claims = jwt.verify(done.out.strip(), key, issuer=None, audience=None, typ="x+jwt")
    assert claims == {"sub": "ann", "exp": 4102444800}


def test_sign_reads_claims_from_the_standard_input(run: Run, tmp_path: Path) -> None:
    """`--claims -` takes them from there."""
    file = tmp_path / "key"
    file.write_bytes(KEY.to_pem(private=True))
    done = run("sign", "--key", str(file), "--claims", "-", stdin='{"sub":"ann"}')
    assert jwt.peek(done.out.strip()).claims == {"sub": "ann"}


def test_sign_refuses_what_nobody_would_accept(run: Run, tmp_path: Path) -> None:
    """Claims that are no object or have a wrong type, a public or an ambiguous key."""
    private, public, rsa = (tmp_path / name for name in ("private", "public", "rsa"))
    private.write_bytes(KEY.to_pem(private=True))
    public.write_bytes(KEY.to_pem())
    rsa.write_bytes(Key.generate("RS256").to_pem(private=True))
    for file, claims in ((private, "[]"), (private, "{"), (private, '{"exp":"soon"}'), (public, "{}"), (rsa, "{}")):
        done = run("sign", "--key", str(file), "--claims", claims)
        assert (done.status, done.out) == (1, "")
        assert [line.split(":")[0] for line in done.err.splitlines()] == ["error", "hint"]


def test_a_pipe_gets_no_colours() -> None:
    """What is not a terminal gets plain text."""
    command = [sys.executable, "-c", "from gatepass.cli.main import main; main()", "token", "inspect", signed()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "\x1b" not in done.stdout
    assert done.stdout.startswith("header\n  alg  ES256\n")
