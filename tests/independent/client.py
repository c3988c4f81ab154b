#!/usr/bin/env python3
"""A partner's client, written from the protocol page alone, with stock libraries.

It shares no line with the product, on purpose: where the two disagree, one of them does not
follow the protocol. It plays three partners of a demo alliance against a real gateway, and checks
what it is answered and every receipt it can see.

    client.py --dir DEMO [--url http://127.0.0.1:8080]    against a gateway
    client.py --self-test [--vectors DIR]                 its own arithmetic, trees and notes

One line per check, then `N passed, N failed`; exit code 1 where one failed.
Where the protocol leaves a shape open (how a list is wrapped, say), it takes any that carries
what the protocol asks for.
"""

import argparse
import base64
import csv
import hashlib
import http.server
import json
import os
import queue
import random
import re
import secrets
import struct
import sys
import threading
import time
import tomllib
import traceback
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import requests
import rfc8785
import standardwebhooks
from cryptography.exceptions import InvalidSignature as BadSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from http_message_signatures import (
    ContentDigest,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    MappingKeyResolver,
)
from http_message_signatures.algorithms import ED25519

# ------------------------------------------------------------------------------------- checks

passed = 0
failed = 0


def check(name, good, detail=""):
    """One line per check. Answers whether it held."""
    global passed, failed
    if good:
        passed += 1
        print(f"ok    {name}", flush=True)
    else:
        failed += 1
        print(f"FAIL  {name}" + (f": {detail}" if detail != "" else ""), flush=True)
    return bool(good)


def equal(name, got, wanted):
    return check(name, got == wanted, f"got {short(got)}, wanted {short(wanted)}")


def short(value):
    text = repr(value)
    return text if len(text) <= 400 else text[:400] + "…"


class Bad(Exception):
    """What was received is not what the protocol says."""


def need(condition, message):
    if not condition:
        raise Bad(message)


def section(title, function, *args):
    """Runs a group of checks; what it throws is one failure of that group, not the end."""
    print(f"\n# {title}", flush=True)
    try:
        return function(*args)
    except Exception as error:  # whatever it is, the other groups are still of interest
        where = traceback.extract_tb(error.__traceback__)[-1]
        check(title, False, f"{type(error).__name__}: {error} (line {where.lineno})")
        return None


# -------------------------------------------------------------------- values (protocol § 1)

DECIMAL = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
HASH = re.compile(r"[0-9a-f]{64}")
TYPE_ID = re.compile(r"[a-z]{3}_[0-7][0-9abcdefghjkmnpqrstvwxyz]{25}")


def decimal(text):
    need(isinstance(text, str) and DECIMAL.fullmatch(text), f"not a shortest decimal: {text!r}")
    return Fraction(text)


def spell(value, places=6):
    """The one shortest spelling of a rational that has at most `places` decimals."""
    scaled = value * 10**places
    need(scaled.denominator == 1 and scaled >= 0, f"no decimal of {places} places: {value}")
    whole, rest = divmod(scaled.numerator, 10**places)
    tail = str(rest).rjust(places, "0").rstrip("0") if places else ""
    return f"{whole}.{tail}" if tail else str(whole)


def type_id(text, prefix):
    return isinstance(text, str) and TYPE_ID.fullmatch(text) and text.startswith(prefix + "_")


def moment(text):
    need(isinstance(text, str) and TIME.fullmatch(text), f"not a time: {text!r}")
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def refuse_duplicates(pairs):
    names = [name for name, _ in pairs]
    need(len(names) == len(set(names)), f"a member twice: {names}")
    return dict(pairs)


def no_float(text):
    raise Bad(f"a number with a point or exponent: {text}")


def strict_json(data):
    return json.loads(
        data, object_pairs_hook=refuse_duplicates, parse_float=no_float, parse_constant=no_float
    )


def jcs(value):
    return rfc8785.dumps(value)


def sha256(data):
    return hashlib.sha256(data).digest()


def unbase64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, f"not canonical base64: {text!r}")
    return data


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unbase64url(text):
    need(re.fullmatch(r"[A-Za-z0-9_-]*", text), f"not base64url: {text!r}")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(base64url(data) == text, f"not canonical base64url: {text!r}")
    return data


def thumbprint(public):
    """RFC 7638 of an Ed25519 public key's 32 bytes."""
    return base64url(sha256(jcs({"crv": "Ed25519", "kty": "OKP", "x": base64url(public)})))


def public_key(data):
    return Ed25519PublicKey.from_public_bytes(data)


def verifies(public, signature, message):
    try:
        public_key(public).verify(signature, message)
        return True
    except BadSignature:
        return False


# ------------------------------------------------------------------ arithmetic (protocol § 4)


def floor_at(value, places):
    return Fraction((value * 10**places).__floor__(), 10**places)


def ceil_at(value, places):
    return Fraction((value * 10**places).__ceil__(), 10**places)


def exchange(
    side,
    amount,
    source_value,
    target_value,
    fee_rate,
    source_scale,
    target_scale,
    multiplier=Fraction(1),
    bearer="member",
):
    """Terms of an exchange asked by one side: source, target, gross, fee, net, remainder."""
    if side == "target":
        worth = ceil_at(amount * target_value, 6)
        if bearer == "member":
            worth = ceil_at(worth / (1 - fee_rate), 6)
        source = ceil_at(worth / (source_value * multiplier), source_scale)
    else:
        source = amount
    worth = floor_at(source * source_value * multiplier, 6)
    fee = ceil_at(worth * fee_rate, 6)
    if side == "target":
        target = amount
    else:
        left = worth - fee if bearer == "member" else worth
        target = floor_at(left / target_value, target_scale)
    net = ceil_at(target * target_value, 6)
    gross = worth
    if bearer == "source_partner":
        gross += fee
    elif bearer == "target_partner":
        net -= fee
    return {
        "source": source,
        "target": target,
        "gross": gross,
        "fee": fee,
        "net": net,
        "remainder": gross - fee - net,
    }


def accrual(amount, target_value, fee_rate):
    """Terms of points that a partner buys for its customer: the fee comes on top."""
    net = ceil_at(amount * target_value, 6)
    fee = ceil_at(net * fee_rate, 6)
    zero = Fraction(0)
    return {
        "source": zero,
        "target": amount,
        "gross": net + fee,
        "fee": fee,
        "net": net,
        "remainder": zero,
    }


SIDES = {
    "account": {"amount", "member", "partner", "program"},
    "item": {"amount", "cash", "item", "partner", "price"},
    "partner": {"partner"},
}
FORMS = {
    "exchange": ("account", "account"),
    "redemption": ("account", "item"),
    "accrual": ("partner", "account"),
}


def form_of(side):
    """Which of the three forms a side has: its members say it."""
    form = next((name for name, members in SIDES.items() if set(side) == members), None)
    need(form, f"a side of no form: {side}")
    return form


def amount_of(side):
    return decimal(side.get("amount", "0"))


def seldom(rate):
    """The members of a rate that are there only where they say something."""
    for name, default in (("multiplier", "1"), ("fee_bearer", "member"), ("surcharge", "0")):
        need(rate.get(name) != default, f"{name} says what goes without saying")
    bearer = rate.get("fee_bearer", "member")
    need(bearer in ("member", "source_partner", "target_partner"), f"fee_bearer {bearer!r}")
    multiplier = decimal(rate.get("multiplier", "1"))
    need(0 < multiplier <= 10, f"multiplier {multiplier}")
    need(decimal(rate.get("surcharge", "0")) <= decimal(rate["fee"]), "surcharge above the fee")
    return multiplier, bearer


def reverse(side, amount, terms, done, source_scale, target_scale):
    """A reversal's own amounts and money, and the totals reversed after it."""
    whole_source, whole_target = terms["source"], terms["target"]
    need(side == "target" or whole_source, "an accrual is told by target")
    source, target = done
    if side == "source":
        new_source = source + amount
        new_target = max(target, ceil_at(whole_target * new_source / whole_source, target_scale))
    else:
        new_target = target + amount
        new_source = max(source, floor_at(whole_source * new_target / whole_target, source_scale))
    money = {
        name: floor_at(terms[name] * new_target / whole_target, 6)
        - floor_at(terms[name] * target / whole_target, 6)
        for name in ("net", "fee", "remainder")
    }
    money["gross"] = sum(money.values())
    money["source"] = new_source - source
    money["target"] = new_target - target
    return money, (new_source, new_target)


# --------------------------------------------------------------------- Merkle trees (RFC 6962)


def leaf_hash(data):
    return sha256(b"\x00" + data)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def tree_root(leaves):
    """Over leaf hashes. Perfect subtrees are folded left to right, as in a counter."""
    if not leaves:
        return sha256(b"")
    stack = []
    for index, item in enumerate(leaves):
        while index & 1:
            item = node_hash(stack.pop(), item)
            index >>= 1
        stack.append(item)
    root = stack.pop()
    while stack:
        root = node_hash(stack.pop(), root)
    return root


def inclusion_path(index, leaves):
    """RFC 6962 § 2.1.1, straight from its definition."""
    if len(leaves) == 1:
        return []
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < half:
        return inclusion_path(index, leaves[:half]) + [tree_root(leaves[half:])]
    return inclusion_path(index - half, leaves[half:]) + [tree_root(leaves[:half])]


def consistency_path(old, leaves, whole=True):
    """RFC 6962 § 2.1.2, straight from its definition."""
    if old == len(leaves):
        return [] if whole else [tree_root(leaves)]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    if old <= half:
        return consistency_path(old, leaves[:half], whole) + [tree_root(leaves[half:])]
    return consistency_path(old - half, leaves[half:], False) + [tree_root(leaves[:half])]


def included(leaf, index, size, path, root):
    """RFC 9162 § 2.1.3.2."""
    if not 0 <= index < size or any(len(item) != 32 for item in [leaf, root, *path]):
        return False
    first, last, current = index, size - 1, leaf
    for item in path:
        if last == 0:
            return False
        if first & 1 or first == last:
            current = node_hash(item, current)
            while first and not first & 1:
                first >>= 1
                last >>= 1
        else:
            current = node_hash(current, item)
        first >>= 1
        last >>= 1
    return last == 0 and current == root


def consistent(old_size, old_root, size, root, path):
    """RFC 9162 § 2.1.4.2."""
    if not 1 <= old_size <= size:
        return False
    if old_size == size:
        return not path and old_root == root
    if any(len(item) != 32 for item in [old_root, root, *path]):
        return False
    path = list(path)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    first, last = old_size - 1, size - 1
    while first & 1:
        first >>= 1
        last >>= 1
    old = new = path[0]
    for item in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            old, new = node_hash(item, old), node_hash(item, new)
            while first and not first & 1:
                first >>= 1
                last >>= 1
        else:
            new = node_hash(new, item)
        first >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == root


# ------------------------------------------------------- signed notes, checkpoints, JWS, keys


def parse_note(data):
    """A C2SP signed note: its text, and (name, key id, signature) of each line."""
    text = data.decode()
    need(text.endswith("\n"), "a note ends with a line feed")
    body, separator, lines = text.rpartition("\n\n")
    need(separator, "a note has an empty line before its signatures")
    signatures = []
    for line in lines.rstrip("\n").split("\n"):
        found = re.fullmatch(r"— ([^ +]+) ([A-Za-z0-9+/=]+)", line)
        need(found, f"not a signature line: {line!r}")
        blob = unbase64(found[2])
        need(len(blob) > 4, "a signature line without a signature")
        signatures.append((found[1], blob[:4], blob[4:]))
    return (body + "\n").encode(), signatures


def note_key_id(name, algorithm, public):
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public)[:4]


def note_signed(note, name, public):
    """Whether the note carries a good Ed25519 signature (algorithm 1) of that key."""
    text, signatures = note
    wanted = note_key_id(name, 1, public)
    return any(
        who == name and key_id == wanted and len(blob) == 64 and verifies(public, blob, text)
        for who, key_id, blob in signatures
    )


def cosigned_at(note, name, public):
    """The time of a good `cosignature/v1` (algorithm 4) of that key, or None."""
    text, signatures = note
    wanted = note_key_id(name, 4, public)
    for who, key_id, blob in signatures:
        if who == name and key_id == wanted and len(blob) == 72:
            (at,) = struct.unpack(">Q", blob[:8])
            if verifies(public, blob[8:], f"cosignature/v1\ntime {at}\n".encode() + text):
                return at
    return None


def parse_checkpoint(text):
    lines = text.decode().split("\n")
    need(len(lines) >= 4 and lines[-1] == "", "a checkpoint has at least three lines")
    need(re.fullmatch(r"0|[1-9][0-9]*", lines[1]), f"not a tree size: {lines[1]!r}")
    root = unbase64(lines[2])
    need(len(root) == 32, "a root of 32 bytes")
    return lines[0], int(lines[1]), root


def open_jws(token, kind, keys, exact=True):
    """Payload bytes of a compact JWS of exactly that `typ` under one of the keys, and its kid."""
    parts = token.split(".")
    need(len(parts) == 3, "a compact JWS has three parts")
    header = unbase64url(parts[0])
    fields = strict_json(header)
    need(fields.get("typ") == kind, f"typ is {fields.get('typ')!r}, wanted {kind!r}")
    need(fields.get("alg") == "EdDSA", f"alg is {fields.get('alg')!r}")
    kid = fields.get("kid")
    need(kid in keys, f"unknown kid {kid!r}")
    if exact:
        wanted = f'{{"alg":"EdDSA","kid":"{kid}","typ":"{kind}"}}'.encode()
        need(header == wanted, f"header is {header!r}")
    signature = unbase64url(parts[2])
    need(len(signature) == 64, "a signature of 64 bytes")
    need(verifies(keys[kid], signature, f"{parts[0]}.{parts[1]}".encode()), "the JWS is not signed")
    return unbase64url(parts[1]), kid


def key_list(document):
    """Keys by kid of a JWK set, each held against its thumbprint."""
    keys = {}
    for key in document["keys"]:
        need(key["kty"] == "OKP" and key["crv"] == "Ed25519" and key["alg"] == "EdDSA", "key kind")
        data = unbase64url(key["x"])
        need(len(data) == 32 and thumbprint(data) == key["kid"], f"kid of {key['kid']}")
        need(key["kid"] not in keys, "a kid twice")
        for name in ("exp", "nbf", "revoked_at"):
            need(name in key, f"{name} missing")
            if key[name] is not None:
                moment(key[name])
        keys[key["kid"]] = data
    return keys


# ------------------------------------------------------------ reading shapes left open


def walk(value, path=()):
    """Every member of a JSON value with its path."""
    yield path, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from walk(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, (*path, index))


def records(document):
    """The list of objects that an answer is, or carries."""
    if isinstance(document, list):
        return document
    for item in document.values():
        if isinstance(item, list):
            return item
    return []


def hash_list(document):
    """A proof: a list of base64 hashes, bare or as the one list of an object."""
    found = [item for _, item in walk(document) if isinstance(item, list)]
    need(len(found) == 1, f"one list of hashes expected: {short(document)}")
    return [unbase64(item) for item in found[0]]


def byte_candidates(document):
    """Every byte string an answer may carry: text as it is, or base64 of either kind."""
    for path, item in walk(document):
        if isinstance(item, str):
            yield path, item.encode()
            for decode in (unbase64, unbase64url):
                try:
                    yield path, decode(item)
                except Exception:
                    pass
        elif isinstance(item, dict):
            try:
                yield path, jcs(item)
            except Exception:
                pass


# ---------------------------------------------------------------------------------- a partner

QUERY_PARTS = ("@method", "@authority", "@path", "@query")
POST_PARTS = (*QUERY_PARTS, "content-type", "content-digest", "idempotency-key")
RESPONSE_PARTS = ("@status", "content-type", "content-digest")
LABEL = "sig1"


class AsGiven(ContentDigest):
    """Leaves Content-Digest as it is: it is made here, right or wrong on purpose."""

    @classmethod
    def prepare(cls, headers, body, *, use_existing_digest):
        pass


class Signer(HTTPMessageSigner):
    content_digest_class = AsGiven


class Hmac(ED25519):
    """Signs with Ed25519 and says that it was HMAC."""

    algorithm_id = "hmac-sha256"


class Partner:
    def __init__(self, folder, url=None):
        settings = tomllib.loads((folder / "client.toml").read_text())
        self.name = settings["partner"]
        self.url = (url or settings["gateway"]).rstrip("/")
        self.root = unbase64url(settings["root"])
        self.alliance = settings["alliance"]
        pem = folder / settings["key"]
        if not pem.is_file():
            pem = folder / "key.pem"
        self.key = load_pem_private_key(pem.read_bytes(), None)
        self.public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.kid = thumbprint(self.public)
        self.program = None
        self.session = requests.Session()
        self.session.trust_env = False

    def call(
        self,
        method,
        path,
        body=None,
        *,
        key=None,
        headers=(),
        covered=None,
        also=(),
        created=None,
        expires=None,
        tag="alliance-v1",
        algorithm=ED25519,
        include_alg=False,
        signing_key=None,
        kid=None,
        sign=True,
        sign_twice=False,
        before_signing=None,
        after_signing=None,
    ):
        """One signed request. What is given beyond method, path and body breaks it on purpose."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        for attempt in range(20):
            fields = {"Accept-Encoding": "identity"}
            if data is not None:
                fields["Content-Type"] = "application/json"
                digest = base64.b64encode(sha256(data)).decode()
                fields["Content-Digest"] = f"sha-256=:{digest}:"
                fields["Idempotency-Key"] = key or new_key()
            fields.update(dict(headers))
            request = requests.Request(method, self.url + path, headers=fields, data=data)
            prepared = self.session.prepare_request(request)
            if before_signing:
                before_signing(prepared)
            if sign:
                parts = covered or (POST_PARTS if data is not None else QUERY_PARTS)
                signer = Signer(
                    signature_algorithm=algorithm,
                    key_resolver=MappingKeyResolver(
                        public_keys={}, private_keys={kid or self.kid: signing_key or self.key}
                    ),
                )
                for count in range(2 if sign_twice else 1):
                    signer.sign(
                        prepared,
                        key_id=kid or self.kid,
                        created=created or datetime.now(timezone.utc),
                        expires=expires,
                        label=LABEL if count == 0 else "sig2",
                        tag=tag,
                        include_alg=include_alg,
                        covered_component_ids=(*parts, *also),
                        append_if_signature_exists=count > 0,
                    )
            if after_signing:
                after_signing(prepared)
            answer = self.session.send(prepared, timeout=60, allow_redirects=False)
            if answer.status_code not in (429, 503) or attempt == 19:
                return answer
            # "Tells the caller nothing about the outcome: it repeats with the same key."
            time.sleep(min(5.0, float(answer.headers.get("Retry-After", "1"))))
            if key is None and data is not None:
                headers = {**dict(headers), "Idempotency-Key": fields["Idempotency-Key"]}
        return None

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body, **more):
        return self.call("POST", path, body, **more)

    # What a partner usually wants.

    def quote(self, target, amount, side="source", mine=None, theirs=None, **more):
        """Asks for terms from an own member to a member of another partner."""
        body = {
            "kind": "exchange",
            "source": {"program": self.program, "member": mine},
            "target": {"program": target.program, "member": theirs},
            "amount": {"side": side, "value": amount},
        }
        return self.post("/v1/quotes", body, **more)

    def terms(self, target, amount, mine, theirs, side="source"):
        answer = self.quote(target, amount, side, mine, theirs)
        need(answer.status_code == 201, f"quote: {answer.status_code} {answer.text[:300]}")
        return strict_json(answer.content)

    def order(self, token, reference=None, **more):
        body = {"quote": token, "source_reference": reference or new_reference()}
        return self.post("/v1/transactions", body, **more)

    def exchange(self, target, amount, mine, theirs):
        quote = self.terms(target, amount, mine, theirs)
        answer = self.order(quote["token"])
        need(answer.status_code == 201, f"order: {answer.status_code} {answer.text[:300]}")
        return strict_json(answer.content)

    def balance(self, world, member, program=None):
        path = world.balance_path(program or self.program, member)
        answer = self.get(path)
        need(answer.status_code == 200, f"balance: {answer.status_code} {answer.text[:300]}")
        document = strict_json(answer.content)
        for name in ("balance", "available", "amount"):
            if isinstance(document.get(name), str):
                return decimal(document[name])
            if isinstance(document.get(name), dict):
                return decimal(document[name]["amount"])
        raise Bad(f"no balance in {short(document)}")


def new_key():
    return "ind-" + secrets.token_hex(12)


def new_reference():
    return "ref-" + secrets.token_hex(8)


def refused(name, answer, status, code):
    """A refusal as the protocol writes it; status and code may be sets of what is allowed."""
    statuses = status if isinstance(status, (tuple, set)) else (status,)
    codes = code if isinstance(code, (tuple, set)) else (code,)
    kind = answer.headers.get("Content-Type", "").split(";")[0]
    if answer.status_code not in statuses:
        check(name, False, f"{answer.status_code} {answer.text[:300]}")
        return {}
    try:
        problem = strict_json(answer.content)
    except Exception as error:
        check(name, False, f"no JSON: {error}: {answer.text[:200]}")
        return {}
    members = ("type", "title", "status", "detail", "instance", "code", "request_id")
    missing = [member for member in members if member not in problem]
    check(
        name,
        kind == "application/problem+json"
        and not missing
        and problem["code"] in codes
        and problem["status"] == answer.status_code,
        f"{kind}, missing {missing}: {short(problem)}",
    )
    return problem


# ---------------------------------------------------------------------------- the whole world


class World:
    def __init__(self, folder, url):
        self.folder = Path(folder)
        self.partners = {}
        for path in sorted((self.folder / "partners").iterdir()):
            if (path / "client.toml").is_file():
                partner = Partner(path, url)
                self.partners[partner.name] = partner
        need(len(self.partners) >= 3, "a demo has three partners")
        some = next(iter(self.partners.values()))
        self.url, self.root, self.alliance = some.url, some.root, some.alliance
        self.settings = tomllib.loads((self.folder / "alliance.toml").read_text())
        # Brands that keep their members' balances: nobody imports their members.
        kept = [p["partner"] for p in self.settings["programs"] if p["balances"] == "connected"]
        self.hosted = [p for p in self.partners.values() if p.name not in kept]
        self.members = defaultdict(dict)
        with open(self.folder / "members.csv", newline="") as file:
            for row in csv.DictReader(file):
                self.members[row["program"]][row["member"]] = decimal(row["balance"])
        self.links = defaultdict(set)
        with open(self.folder / "links.csv", newline="") as file:
            for row in csv.DictReader(file):
                one = (row["program"], row["member"])
                two = (row["linked_program"], row["linked_member"])
                self.links[one].add(two)
                self.links[two].add(one)
        self.keys = {}
        self.partner_keys = {}
        self.scales = {}
        self.paths = {}
        self.used = set()
        self.evidence_checked = 0

    def balance_path(self, program, member):
        """The protocol names no route for balances; the gateway's own OpenAPI document does."""
        template = next(
            (p for p in self.paths if p.startswith("/v1/members/") and p.endswith("/balance")),
            "/v1/members/{program}/{member}/balance",
        )
        names = re.findall(r"\{([^}]+)\}", template)
        values = {n: program if "program" in n else member for n in names}
        if len(names) == 2 and len(set(values.values())) == 1:
            values = dict(zip(names, (program, member), strict=True))
        return template.format(**values)

    def pair(self, source, target, at_least=200):
        """An own member with enough points who is linked to a member of the other partner."""
        for member, opening in self.members[source.program].items():
            if (source.program, member) in self.used or opening < at_least:
                continue
            for program, other in sorted(self.links[(source.program, member)]):
                if program != target.program:
                    continue
                self.used.add((source.program, member))
                if source.balance(self, member) >= at_least:
                    return member, other
                break
        raise Bad(f"no linked member of {source.program} and {target.program} with {at_least}")

    def stranger(self, source, target):
        """An own member with points and a member of the other partner who are not linked."""
        for member, opening in self.members[source.program].items():
            linked = self.links[(source.program, member)]
            if opening < 100 or any(program == target.program for program, _ in linked):
                continue
            for other in self.members[target.program]:
                back = self.links[(target.program, other)]
                if any(program == source.program for program, _ in back):
                    continue
                if (source.program, member) in self.used or (target.program, other) in self.used:
                    continue
                if source.balance(self, member) >= 100:
                    self.used |= {(source.program, member), (target.program, other)}
                    return member, other
        # Everybody is linked to somebody: then two people who are not the same.
        member, mine = self.pair(source, target)
        other = next(m for m in self.members[target.program] if m != mine)
        return member, other

    def corridor(self, one, two):
        return "~".join(sorted([one.name, two.name]))


# --------------------------------------------------------------------- groups of checks


def look_around(world):
    for name in ("live", "ready"):
        answer = requests.get(f"{world.url}/health/{name}", timeout=30)
        equal(f"health/{name}", answer.status_code, 200)
    answer = requests.get(f"{world.url}/openapi.json", timeout=30)
    if check("openapi.json is served", answer.status_code == 200, answer.status_code):
        world.paths = answer.json().get("paths", {})
    answer = requests.get(f"{world.url}/docs", timeout=30)
    equal("docs are served", answer.status_code, 200)

    first = next(iter(world.partners.values()))
    problem = refused("an unknown route is a problem", first.get("/v1/nowhere"), 404, "not_found")
    check("the problem has a request id", bool(problem.get("request_id")))


def read_keys(world):
    answer = requests.get(f"{world.url}/.well-known/jwks.json", timeout=30)
    equal("jwks.json is served to anybody", answer.status_code, 200)
    document = strict_json(answer.content)
    world.keys = key_list(document)
    check("every gateway key's kid is its thumbprint", world.keys)
    on_disk = strict_json((world.folder / "jwks.json").read_bytes())
    equal("jwks.json on disk names the same keys", set(key_list(on_disk)), set(world.keys))
    roots = {thumbprint(world.root): world.root}
    payload, _ = open_jws(document["statement"], "alliance-keys+jws", roots, exact=False)
    check("the key list's statement is signed by the pinned root key", True)
    statement = strict_json(payload)
    equal("the statement is the same list", statement.get("keys"), document["keys"])
    numbers = [v for k, v in statement.items() if isinstance(v, int) and k != "keys"]
    hashes = [
        v
        for k, v in statement.items()
        if isinstance(v, str) and HASH.fullmatch(v) or (v is None and k.startswith("prev"))
    ]
    check("the statement is numbered", bool(numbers), short(statement))
    check("the statement names the hash of the one before", bool(hashes), short(statement))

    first = next(iter(world.partners.values()))
    answer = first.get("/v1/partners/keys")
    equal("the partners' keys are served", answer.status_code, 200)
    document = strict_json(answer.content)
    world.partner_keys = key_list(document)
    for partner in world.partners.values():
        check(f"the key of {partner.name} is listed", partner.kid in world.partner_keys)
    if "statement" in document:
        payload, _ = open_jws(
            document["statement"], "alliance-keys+jws", {**roots, **world.keys}, exact=False
        )
        listed = strict_json(payload).get("keys")
        equal("the partners' key statement is the same list", listed, document["keys"])


def read_programs(world):
    first = next(iter(world.partners.values()))
    answer = first.get("/v1/programs")
    equal("programs are served", answer.status_code, 200)
    owners = {}
    for record in records(strict_json(answer.content)):
        slug = next((record[n] for n in ("program", "id", "slug", "name") if n in record), None)
        owners[slug] = record.get("partner")
        world.scales[slug] = record.get("scale")
    for partner in world.partners.values():
        partner.program = next((p for p, owner in owners.items() if owner == partner.name), None)
        check(f"{partner.name} owns a program", partner.program, short(owners))
        equal(
            f"scale of {partner.program} is 0, 1 or 2",
            world.scales.get(partner.program) in (0, 1, 2),
            True,
        )
    answer = first.get("/v1/rates")
    equal("rates are served", answer.status_code, 200)
    world.rates = strict_json(answer.content)


def board_value(world, program):
    """The value of a program on the board, whatever the board's shape."""
    for path, item in walk(world.rates):
        if isinstance(item, dict):
            if program in item.values() and isinstance(item.get("value"), str):
                return item["value"]
            if isinstance(item.get(program), str):
                return item[program]
            if isinstance(item.get(program), dict) and "value" in item[program]:
                return item[program]["value"]
    return None


def compare_terms(name, world, source, target, side, asked, quote):
    rate, money = quote["rate"], quote["settlement"]
    wanted = exchange(
        side,
        decimal(asked),
        decimal(rate["source_value"]),
        decimal(rate["target_value"]),
        decimal(rate["fee"]),
        world.scales[source.program],
        world.scales[target.program],
        *seldom(rate),
    )
    got = {
        "source": decimal(quote["source"]["amount"]),
        "target": decimal(quote["target"]["amount"]),
        **{part: decimal(money[part]) for part in ("gross", "fee", "net", "remainder")},
    }
    return equal(name, got, wanted)


def ask_for_terms(world):
    names = world.hosted
    for source in names:
        for target in names:
            if source is target:
                continue
            mine, theirs = world.pair(source, target, 1)
            amounts = ["1000", "7", "999999", "12345"]
            if world.scales[source.program] == 2:
                amounts += ["12.34", "0.99", "1000000.01"]
            where = f"{source.program} to {target.program}"
            for amount in amounts:
                answer = source.quote(target, amount, "source", mine, theirs)
                if answer.status_code == 422:
                    refused(f"{where}, {amount}: too small", answer, 422, "amount_too_small")
                    continue
                equal(f"quote {where}, {amount} given", answer.status_code, 201)
                quote = strict_json(answer.content)
                compare_terms(
                    f"terms of {where}, {amount} given",
                    world,
                    source,
                    target,
                    "source",
                    amount,
                    quote,
                )
            for amount in ("495", "1", "77777"):
                answer = source.quote(target, amount, "target", mine, theirs)
                equal(f"quote {where}, {amount} wanted", answer.status_code, 201)
                quote = strict_json(answer.content)
                compare_terms(
                    f"terms of {where}, {amount} wanted",
                    world,
                    source,
                    target,
                    "target",
                    amount,
                    quote,
                )
            # The last quote of the pair, looked at closely.
            check(f"{where}: quote id", type_id(quote["id"], "quo"), quote["id"])
            equal(f"{where}: kind", quote["kind"], "exchange")
            equal(f"{where}: source", quote["source"]["partner"], source.name)
            equal(f"{where}: target", quote["target"]["partner"], target.name)
            equal(f"{where}: own member", quote["source"]["member"], mine)
            equal(f"{where}: member supplied", quote["target"]["member"], theirs)
            equal(f"{where}: debtor", quote["settlement"]["debtor"], source.name)
            equal(f"{where}: creditor", quote["settlement"]["creditor"], target.name)
            left = (moment(quote["expires_at"]) - datetime.now(timezone.utc)).total_seconds()
            check(f"{where}: expires within an hour", 0 < left < 3600, left)
            for end in ("source", "target"):
                program = quote[end]["program"]
                board = board_value(world, program)
                equal(f"{where}: {end} value is the board's", quote["rate"][f"{end}_value"], board)
            payload, _ = open_jws(quote["token"], "alliance-quote+jws", world.keys)
            claims = strict_json(payload)
            equal(f"{where}: token's caller", claims.get("caller"), source.name)
            equal(f"{where}: token's alliance", claims.get("alliance"), world.alliance)
            same = ("id", "kind", "rate", "settlement", "expires_at")
            equal(
                f"{where}: token says what the answer says",
                {n: claims.get(n) for n in same},
                {n: quote[n] for n in same},
            )
            sealed = [claims[end]["member"] for end in ("source", "target")]
            open_names = {mine, theirs}
            check(f"{where}: members are sealed in the token", not open_names & set(sealed), sealed)

    # Two identical questions store nothing and are two quotes; a batch answers in order.
    source, target = names[0], names[1]
    mine, theirs = world.pair(source, target)
    body = [
        {
            "kind": "exchange",
            "source": {"program": source.program, "member": mine},
            "target": {"program": target.program, "member": theirs},
            "amount": {"side": "source", "value": str(amount)},
        }
        for amount in range(100, 120)
    ]
    answer = source.post("/v1/quotes/batch", {"quotes": body})
    check("a batch of quotes is answered", answer.status_code in (200, 201), answer.text[:300])
    results = strict_json(answer.content)["results"]
    equal("one result each", len(results), 20)
    amounts = []
    for result in results:
        found = next(
            (i for _, i in walk(result) if isinstance(i, dict) and "token" in i and "source" in i),
            None,
        )
        amounts.append(found and found["source"]["amount"])
    equal("in the order asked", amounts, [str(amount) for amount in range(100, 120)])


def strict_parsing(world):
    source, target = world.hosted[:2]
    mine, theirs = world.pair(source, target, 1)
    good = {
        "kind": "exchange",
        "source": {"program": source.program, "member": mine},
        "target": {"program": target.program, "member": theirs},
        "amount": {"side": "source", "value": "100"},
    }
    text = json.dumps(good)
    bad = {
        "a number instead of a string": text.replace('"value": "100"', '"value": 100'),
        "an exponent": text.replace('"100"', '"1e2"'),
        "a leading zero": text.replace('"100"', '"0100"'),
        "a plus": text.replace('"100"', '"+100"'),
        "a space": text.replace('"100"', '" 100"'),
        "a bare point": text.replace('"100"', '"100."'),
        "a trailing zero": text.replace('"100"', '"100.0"'),
        "a negative amount": text.replace('"100"', '"-100"'),
        "letters behind": text.replace('"100"', '"100abc"'),
        "an unknown field": text.replace('"kind"', '"colour": "red", "kind"'),
        "a duplicate key": text.replace('"kind"', '"kind": "exchange", "kind"'),
        "an unknown kind": text.replace('"exchange"', '"gift"'),
        "an unknown side": text.replace('"side": "source"', '"side": "middle"'),
        "a missing field": json.dumps({k: v for k, v in good.items() if k != "amount"}),
        "text behind": text + " {}",
        "a member reference with a slash": text.replace(f'"{mine}"', '"a/b"'),
        "a cut body": text[:-1],
        "a list": "[]",
    }
    for name, body in bad.items():
        answer = source.post("/v1/quotes", body.encode())
        refused(f"{name} is malformed", answer, 400, "malformed")
    answer = source.post("/v1/quotes", text.encode() + b"\xff")
    refused("invalid UTF-8 is malformed", answer, 400, "malformed")
    if world.scales[source.program] == 0:
        answer = source.post("/v1/quotes", text.replace('"100"', '"1.5"').encode())
        refused(
            "more digits than the scale is an error, not a rounding",
            answer,
            (400, 422),
            ("malformed", "amount_out_of_range"),
        )
    answer = source.post("/v1/quotes", text.replace('"100"', '"1000000000001"').encode())
    refused("more than 10^12 points", answer, 422, "amount_out_of_range")
    answer = source.post("/v1/quotes", text.replace('"100"', '"1' + "0" * 40 + '"').encode())
    refused("10^40 points", answer, (400, 422), ("malformed", "amount_out_of_range"))
    deep = b"[" * 100_000 + b"]" * 100_000
    refused("nested 100,000 deep", source.post("/v1/quotes", deep), 400, "malformed")
    answer = source.post("/v1/quotes", b'{"x":"' + b"a" * (1 << 20) + b'"}')
    refused("a body over 1 MiB", answer, 413, "body_too_large")
    answer = source.post("/v1/quotes", good, headers={"Content-Type": "text/plain"})
    refused("another media type", answer, 415, "unsupported_media_type")
    answer = source.post("/v1/quotes", good, headers={"Content-Encoding": "gzip"})
    refused("a content encoding", answer, 415, "unsupported_media_type")
    equal("the good one is good", source.post("/v1/quotes", good).status_code, 201)


def signatures(world):
    source, target, third = world.hosted[:3]
    mine, theirs = world.pair(source, target)
    before = source.balance(world, mine)
    quote = source.terms(target, "50", mine, theirs)
    key, reference = new_key(), new_reference()

    def attempt(name, status, code, **broken):
        answer = source.order(quote["token"], reference, key=key, **broken)
        return refused(name, answer, status, code)

    attempt("an unsigned request", 401, "signature_incomplete", sign=False)
    for left_out in POST_PARTS:
        problem = attempt(
            f"{left_out} not covered",
            401,
            "signature_incomplete",
            covered=[part for part in POST_PARTS if part != left_out],
        )
        check(f"the answer names {left_out}", left_out in json.dumps(problem), short(problem))
    attempt("another tag", 401, "signature_incomplete", tag="alliance-v2")
    attempt(
        "two signatures with the tag",
        (400, 401),
        ("malformed", "signature_invalid", "signature_incomplete"),
        sign_twice=True,
    )
    now = datetime.now(timezone.utc)
    problem = attempt(
        "created 301 s ago", 401, "signature_expired", created=now - timedelta(seconds=310)
    )
    check("tells the gateway's time", re.search(r"\d{2}:\d{2}:\d{2}", str(problem.get("detail"))))
    attempt("created 90 s ahead", 401, "signature_expired", created=now + timedelta(seconds=90))
    attempt(
        "expires in the past",
        401,
        "signature_expired",
        created=now - timedelta(seconds=60),
        expires=now - timedelta(seconds=30),
    )
    attempt("alg=hmac-sha256", 401, ("signature_invalid",), algorithm=Hmac, include_alg=True)
    stranger = Ed25519PrivateKey.generate()
    attempt("another's key under this kid", 401, "signature_invalid", signing_key=stranger)
    unknown = thumbprint(stranger.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    attempt("an unknown kid", 401, "signature_invalid", signing_key=stranger, kid=unknown)
    attempt("a kid of another partner", 401, "signature_invalid", kid=third.kid)

    def other_body(prepared):
        prepared.body = prepared.body.replace(b'"', b'" ', 1)
        prepared.headers["Content-Length"] = str(len(prepared.body))

    digest_codes = ("signature_invalid", "malformed")
    attempt("another body than signed", (400, 401), digest_codes, after_signing=other_body)

    def wrong_digest(prepared):
        value = base64.b64encode(sha256(b"something else")).decode()
        prepared.headers["Content-Digest"] = f"sha-256=:{value}:"

    attempt("a digest of something else", (400, 401), digest_codes, before_signing=wrong_digest)

    def two_digests(prepared):
        value = base64.b64encode(sha256(b"something else")).decode()
        prepared.headers["Content-Digest"] += f", sha-256=:{value}:"

    attempt("a right and a wrong digest", (400, 401), digest_codes, before_signing=two_digests)

    def no_digest(prepared):
        del prepared.headers["Content-Digest"]

    attempt(
        "no digest",
        (400, 401),
        (*digest_codes, "signature_incomplete"),
        before_signing=no_digest,
        covered=[part for part in POST_PARTS if part != "content-digest"],
    )

    def other_key(prepared):
        prepared.headers["Idempotency-Key"] = new_key()

    attempt(
        "another idempotency key than signed", 401, "signature_invalid", after_signing=other_key
    )

    def other_query(prepared):
        prepared.url += "?a=b"

    attempt("another query than signed", 401, "signature_invalid", after_signing=other_query)

    def broken_signature(prepared):
        value = prepared.headers["Signature"]
        found = re.search(r":([^:]+):", value)[1]
        data = bytearray(base64.b64decode(found))
        data[7] ^= 1
        prepared.headers["Signature"] = value.replace(found, base64.b64encode(data).decode())

    attempt("one bit of the signature", 401, "signature_invalid", after_signing=broken_signature)

    def short_signature(prepared):
        value = prepared.headers["Signature"]
        found = re.search(r":([^:]+):", value)[1]
        data = base64.b64decode(found)[:63]
        prepared.headers["Signature"] = value.replace(found, base64.b64encode(data).decode())

    attempt("63 bytes of signature", 401, "signature_invalid", after_signing=short_signature)

    address = re.sub(r"^https?://", "", source.url)

    def elsewhere(prepared):
        prepared.url = prepared.url.replace(address, "sandbox.example", 1)

    def back_here(prepared):
        prepared.url = prepared.url.replace("sandbox.example", address, 1)

    def back_here_by_name(prepared):
        back_here(prepared)
        prepared.headers["Host"] = "sandbox.example"

    for name, back in (("", back_here), (", and Host says so too", back_here_by_name)):
        attempt(
            "signed for another authority" + name,
            (401, 421),
            "signature_invalid",
            before_signing=elsewhere,
            after_signing=back,
        )
    sf_digest = [p if p != "content-digest" else '"content-digest";sf' for p in POST_PARTS]
    attempt(
        "a component parameter",
        (400, 401),
        ("malformed", "signature_incomplete", "signature_invalid"),
        covered=sf_digest,
    )
    refused(
        "a GET needs its signature, too",
        source.get("/v1/programs", sign=False),
        401,
        "signature_incomplete",
    )

    equal("nothing of all this moved a point", source.balance(world, mine), before)
    answer = source.order(quote["token"], reference, key=key)
    equal("the same quote, reference and key, well signed", answer.status_code, 201)
    check("and it is the first answer", "Idempotency-Replayed" not in answer.headers)
    # More is allowed than asked for: another order, `alg`, `expires`, another covered field.
    answer = source.get(
        "/v1/programs",
        covered=list(reversed(QUERY_PARTS)),
        also=("accept-encoding",),
        include_alg=True,
        expires=datetime.now(timezone.utc) + timedelta(seconds=60),
    )
    equal("another order, alg, expires and one more field", answer.status_code, 200)


def answer_parts():
    """What a signed answer is asked to cover, and what of it the answer to a GET can."""
    of_request = (
        "@method",
        "@authority",
        "@path",
        "content-digest",
        "idempotency-key",
    )
    parts = [f'"{part}"' for part in RESPONSE_PARTS]
    parts += [f'"{part}";req' for part in of_request]
    parts.append(f'"signature";req;key="{LABEL}"')
    of_get = [p for p in parts if not p.startswith(('"content-digest";req', '"idempotency-key"'))]
    return parts, of_get


def asks_signed():
    parts, _ = answer_parts()
    asked = f'answer=({" ".join(parts)});created;tag="alliance-resp-v1"'
    return {"Accept-Signature": asked}


class AnswerVerifier(HTTPMessageVerifier):
    max_clock_skew = timedelta(seconds=60)


def verify_answer(world, name, answer, required):
    keys = {kid: public_key(data) for kid, data in world.keys.items()}
    verifier = AnswerVerifier(
        signature_algorithm=ED25519,
        key_resolver=MappingKeyResolver(public_keys=keys, private_keys={}),
    )
    try:
        verifier.verify(
            answer,
            max_age=timedelta(minutes=5),
            expect_tag="alliance-resp-v1",
            require_components=required,
            body=answer.content,
        )
        check(name, True)
    except Exception as error:
        headers = {k: v for k, v in answer.headers.items() if k.lower().startswith("sig")}
        check(name, False, f"{error} {headers}")


def signed_answers(world):
    source, target = world.hosted[:2]
    mine, theirs = world.pair(source, target)
    post_required, get_required = answer_parts()

    def verify(name, answer, required):
        verify_answer(world, name, answer, required)

    headers = asks_signed()
    quote = source.terms(target, "60", mine, theirs)
    key, reference = new_key(), new_reference()
    first = source.order(quote["token"], reference, key=key, headers=headers)
    equal("an order whose answer is signed", first.status_code, 201)
    verify("the answer is signed over the request's signature", first, post_required)
    # Signatures are made of whole seconds: in the next one the same request is another.
    time.sleep(1.1)
    again = source.order(quote["token"], reference, key=key, headers=headers)
    equal("its replay", again.headers.get("Idempotency-Replayed"), "true")
    verify("the replayed answer is signed afresh, for its own request", again, post_required)
    check(
        "and not with the old signature",
        first.headers.get("Signature") != again.headers.get("Signature"),
    )
    wrong = source.order(quote["token"], key=new_key(), headers=headers)
    refused("a refusal", wrong, 409, "quote_used")
    verify("is signed as well", wrong, post_required)
    answer = source.get("/v1/rates", headers=headers)
    verify("and so is the answer to a GET", answer, get_required)
    plain = source.get("/v1/rates")
    check("nobody asked, nothing signed", "Signature" not in plain.headers)


def receipt_of(world, answer):
    """The receipt of a transaction's answer, its JWS opened."""
    bundle = answer["receipt"]
    payload, _ = open_jws(bundle["jws"], "alliance-receipt+jws", world.keys)
    receipt = strict_json(payload)
    need(jcs(receipt) == payload, "JCS(parse(bytes)) = bytes")
    need(receipt == bundle["receipt"], "the decoded payload beside the JWS is another")
    return receipt, payload


def transactions(world):
    source, target, third = world.hosted[:3]
    mine, theirs = world.pair(source, target, 500)
    before = source.balance(world, mine), target.balance(world, theirs)
    quote = source.terms(target, "200", mine, theirs)
    key, reference = new_key(), new_reference()
    answer = source.order(quote["token"], reference, key=key)
    equal("an exchange is performed", answer.status_code, 201)
    check("the first answer is no replay", "Idempotency-Replayed" not in answer.headers)
    done = strict_json(answer.content)
    check("its id", type_id(done["id"], "txn"), done["id"])
    equal("its state", done["state"], "completed")
    equal("its kind", done["kind"], "exchange")
    equal("its reference", done["source_reference"], reference)
    equal("its quote", done["quote"], quote["id"])
    for part in ("source", "target", "rate", "settlement"):
        equal(f"its {part} is the quote's", done[part], quote[part])
    equal("nothing is reversed", done["reversed"], {"source": "0", "target": "0"})
    moment(done["created_at"]), moment(done["completed_at"])
    receipt, _ = receipt_of(world, done)
    equal("the receipt is of this transaction", receipt["transaction"], done["id"])
    wanted = sha256(jcs({"quote": quote["id"], "source_reference": reference})).hex()
    equal("the receipt names the order's digest", receipt["order"], wanted)
    for end in ("source", "target"):
        check(
            f"the receipt knows its {end} member by a pseudonym",
            HASH.fullmatch(receipt[end]["member"]),
        )
    after = source.balance(world, mine), target.balance(world, theirs)
    given, received = decimal(done["source"]["amount"]), decimal(done["target"]["amount"])
    equal("the source member gave", before[0] - after[0], given)
    equal("the target member received", after[1] - before[1], received)

    again = source.order(quote["token"], reference, key=key)
    equal("the same key and order again", again.status_code, 201)
    equal("says so", again.headers.get("Idempotency-Replayed"), "true")
    equal("and is the same answer", strict_json(again.content), done)
    equal("and moved nothing", source.balance(world, mine), after[0])
    other = source.terms(target, "201", mine, theirs)
    refused(
        "the same key with another quote",
        source.order(other["token"], reference, key=key),
        422,
        "idempotency_mismatch",
    )
    refused(
        "the same key with another reference",
        source.order(quote["token"], new_reference(), key=key),
        422,
        "idempotency_mismatch",
    )
    refused(
        "the same key on another route",
        source.post(
            f"/v1/transactions/{done['id']}/reversals",
            reversal("1", reason=reversal_reason(world)),
            key=key,
        ),
        422,
        "idempotency_mismatch",
    )
    used_key = new_key()
    refused("the quote again", source.order(quote["token"], key=used_key), 409, "quote_used")
    refused(
        "its reference again",
        source.order(other["token"], reference),
        409,
        "duplicate_reference",
    )
    answer = source.order(other["token"])
    equal("a refusal leaves the quote free", answer.status_code, 201)
    # A quote decides nothing, so that a key used there is not used.
    quote2 = strict_json(source.quote(target, "20", "source", mine, theirs, key=key).content)
    check("asking for terms ignores the key", "token" in quote2)
    refused(
        "another's quote",
        target.order(quote2["token"]),
        404,
        "quote_unknown",
    )
    refused(
        "a token that is none",
        source.order("abc.def.ghi"),
        (400, 404),
        ("quote_unknown", "malformed"),
    )
    forged = quote2["token"][:-6] + ("A" * 6 if not quote2["token"].endswith("A" * 6) else "B" * 6)
    refused("a token with another signature", source.order(forged), 404, "quote_unknown")
    # The scope of a key is the partner.
    mirror_mine, mirror_theirs = world.pair(target, source, 50)
    mirror = target.terms(source, "50", mirror_mine, mirror_theirs)
    answer = target.order(mirror["token"], reference, key=key)
    equal("another partner's same key and reference", answer.status_code, 201)
    check("are its own", "Idempotency-Replayed" not in answer.headers)

    answer = source.get(f"/v1/transactions/{done['id']}")
    equal("the transaction is found again", answer.status_code, 200)
    equal("as it was answered", strict_json(answer.content), done)
    seen = strict_json(target.get(f"/v1/transactions/{done['id']}").content)
    equal("the other party sees its own member", seen["target"]["member"], theirs)
    equal("and of ours the pseudonym", seen["source"]["member"], receipt["source"]["member"])
    equal("with the same receipt", seen["receipt"], done["receipt"])
    foreign = third.get(f"/v1/transactions/{done['id']}")
    refused("a third partner does not", foreign, 404, "not_found")
    nothing = third.get("/v1/transactions/txn_01h455vb4pex5vsknk084sn02q")
    refused("nor one that is not there", nothing, 404, "not_found")
    keep = ("type", "title", "status", "code", "detail")
    equal(
        "and the two answers do not differ",
        {n: strict_json(foreign.content).get(n) for n in keep if n != "detail"},
        {n: strict_json(nothing.content).get(n) for n in keep if n != "detail"},
    )
    for partner, status in ((source, 200), (target, 200)):
        answer = partner.get(f"/v1/receipts/{receipt['id']}")
        equal(f"{partner.name} fetches the receipt", answer.status_code, status)
        equal("as it was answered", strict_json(answer.content), done["receipt"])
    for tail in ("", "/evidence", "/proof"):
        answer = third.get(f"/v1/receipts/{receipt['id']}{tail}")
        refused(f"a third partner has no receipt{tail}", answer, 404, "not_found")
    check_evidence(world, "the receipt's", source, receipt)
    check_evidence(world, "as the other party: the receipt's", target, receipt)

    # A person is another in every corridor.
    for member, linked in world.links.items():
        if member[0] != source.program or source.balance(world, member[1]) < 200:
            continue
        by_program = dict(linked)
        if target.program in by_program and third.program in by_program:
            one = source.exchange(target, "40", member[1], by_program[target.program])
            two = source.exchange(third, "40", member[1], by_program[third.program])
            three = source.exchange(target, "41", member[1], by_program[target.program])
            names = [receipt_of(world, t)[0]["source"]["member"] for t in (one, two, three)]
            check("one member, two corridors, two pseudonyms", names[0] != names[1])
            equal("one corridor, one pseudonym", names[0], names[2])
            break


def refusals(world):
    source, target = world.hosted[:2]
    mine, theirs = world.stranger(source, target)
    quote = source.terms(target, "50", mine, theirs)
    key, reference = new_key(), new_reference()
    first = source.order(quote["token"], reference, key=key)
    refused("members who are not linked", first, 403, "members_not_linked")
    again = source.order(quote["token"], reference, key=key)
    refused("the same again", again, 403, "members_not_linked")
    equal("is the first decision", again.headers.get("Idempotency-Replayed"), "true")
    nobody = "nobody-" + secrets.token_hex(4)
    linked_mine, linked_theirs = world.pair(source, target)
    quote = source.terms(target, "50", linked_mine, nobody)
    refused(
        "a foreign member who is not there",
        source.order(quote["token"]),
        403,
        "members_not_linked",
    )
    quote = source.terms(target, "50", nobody, linked_theirs)
    refused(
        "an own member who is not there",
        source.order(quote["token"]),
        (403, 404),
        ("members_not_linked", "member_unknown"),
    )
    balance = source.balance(world, linked_mine)
    whole = spell(balance + 1, 2)
    quote = source.terms(target, whole, linked_mine, linked_theirs)
    key, reference = new_key(), new_reference()
    refused(
        "more points than there are",
        source.order(quote["token"], reference, key=key),
        409,
        ("insufficient_points"),
    )
    again = source.order(quote["token"], reference, key=key)
    refused("the same again", again, 409, "insufficient_points")
    equal("is the first decision", again.headers.get("Idempotency-Replayed"), "true")
    equal("nothing moved", source.balance(world, linked_mine), balance)
    quote = source.terms(target, "30", linked_mine, linked_theirs)
    answer = source.order(quote["token"], reference)
    equal("a refusal leaves the reference free", answer.status_code, 201)
    refused(
        "another's member's balance",
        source.get(world.balance_path(target.program, theirs)),
        404,
        ("not_found", "member_unknown"),
    )
    key = new_key()
    for text in ("a" * 256, ""):
        answer = source.order(quote["token"], key=key, headers={"Idempotency-Key": text})
        refused(
            f"an idempotency key of {len(text)} characters",
            answer,
            (400, 401),
            ("malformed", "signature_incomplete"),
        )


def reversal(amount=None, side="source", reason="customer_request", reference=None):
    body = {"source_reference": reference or new_reference(), "reason": reason}
    if amount is not None:
        body["amount"] = {"side": side, "value": amount}
    return body


def reversal_reason(world):
    """The agreement's codes, as the alliance's file lists them."""
    for path, item in walk(world.settings):
        named = any("reason" in str(part) for part in path)
        if named and isinstance(item, list) and item and isinstance(item[0], str):
            return item[0]
        if named and isinstance(item, str):
            return item
    return "customer_request"


def reversals(world):
    names = world.hosted
    reason = reversal_reason(world)
    for source, target in ((names[0], names[1]), (names[0], names[2]), (names[2], names[1])):
        where = f"{source.program} to {target.program}"
        mine, theirs = world.pair(source, target, 300)
        before = source.balance(world, mine), target.balance(world, theirs)
        whole = source.exchange(target, "300", mine, theirs)
        path = f"/v1/transactions/{whole['id']}/reversals"
        scales = world.scales[source.program], world.scales[target.program]
        terms = {
            "source": decimal(whole["source"]["amount"]),
            "target": decimal(whole["target"]["amount"]),
            **{n: decimal(whole["settlement"][n]) for n in ("gross", "fee", "net", "remainder")},
        }
        done = (Fraction(0), Fraction(0))
        steps = [(source, "source", "7"), (target, "target", "3"), (target, "source", "33")]
        for caller, side, amount in steps:
            what = f"{where}: {amount} of the {side} back, asked by {caller.name}"
            key, reference = new_key(), new_reference()
            body = reversal(amount, side, reason, reference)
            answer = caller.post(path, body, key=key)
            if not check(what, answer.status_code == 201, answer.text[:300]):
                continue
            got = strict_json(answer.content)
            wanted, done = reverse(side, decimal(amount), terms, done, *scales)
            compare_reversal(world, what, whole, got, wanted, source, target)
            receipt, _ = receipt_of(world, got)
            order = {
                "transaction": whole["id"],
                "amount": {"side": side, "value": amount},
                "source_reference": reference,
            }
            equal(f"{what}: order digest", receipt["order"], sha256(jcs(order)).hex())
            check_evidence(world, f"{what}:", caller, receipt)
            again = caller.post(path, body, key=key)
            equal(f"{what}: again", again.headers.get("Idempotency-Replayed"), "true")
            equal(f"{what}: the same", strict_json(again.content)["id"], got["id"])
            now = strict_json(source.get(f"/v1/transactions/{whole['id']}").content)
            equal(f"{where}: state", now["state"], "partially_reversed")
            wanted_total = {"source": spell(done[0]), "target": spell(done[1])}
            equal(f"{where}: reversed so far", now["reversed"], wanted_total)
        too_much = spell(terms["source"] - done[0] + 1, 2)
        refused(
            f"{where}: more than is left",
            source.post(path, reversal(too_much, "source", reason)),
            409,
            "exceeds_reversible",
        )
        answer = target.post(path, reversal(None, "source", reason))
        what = f"{where}: the rest, asked by {target.name}"
        if check(what, answer.status_code == 201, answer.text[:300]):
            got = strict_json(answer.content)
            wanted, done = reverse("source", terms["source"] - done[0], terms, done, *scales)
            compare_reversal(world, what, whole, got, wanted, source, target)
        now = strict_json(source.get(f"/v1/transactions/{whole['id']}").content)
        equal(f"{where}: state", now["state"], "reversed")
        after = source.balance(world, mine), target.balance(world, theirs)
        equal(f"{where}: everything restored to the digit", after, before)
        refused(
            f"{where}: once more",
            source.post(path, reversal("1", "source", reason)),
            409,
            "exceeds_reversible",
        )
        third = next(p for p in names if p not in (source, target))
        refused(
            f"{where}: a third partner",
            third.post(path, reversal("1", "source", reason)),
            404,
            "not_found",
        )


def compare_reversal(world, what, whole, got, wanted, source, target):
    equal(f"{what}: kind", got["kind"], "reversal")
    money = got["settlement"]
    numbers = {
        "source": amount_of(got["source"]),
        "target": amount_of(got["target"]),
        **{n: decimal(money[n]) for n in ("gross", "fee", "net", "remainder")},
    }
    equal(f"{what}: by the rule", numbers, wanted)
    equal(f"{what}: debtor", money["debtor"], target.name)
    equal(f"{what}: creditor", money["creditor"], source.name)
    receipt, _ = receipt_of(world, got)
    equal(f"{what}: reverses", receipt["reverses"], whole["id"])
    equal(f"{what}: original sides", receipt["source"]["partner"], source.name)


def other_kinds(world):
    """A redemption for points and cash, an accrual, and both turned round: no link is needed."""
    source, target = world.hosted[:2]
    mine, theirs = world.stranger(source, target)
    before = source.balance(world, mine), target.balance(world, theirs)
    account = {"program": source.program, "member": mine}
    item = {"partner": target.name, "item": "flat-white", "price": "2.5", "cash": "0.6"}
    redemption = {"kind": "redemption", "source": account, "target": item}
    bought = {
        "kind": "accrual",
        "source": {"partner": source.name},
        "target": {"program": target.program, "member": theirs},
        "amount": {"side": "target", "value": "30"},
    }
    made = {}
    for asked in (redemption, bought):
        kind = asked["kind"]
        answer = source.post("/v1/quotes", asked)
        if not check(f"a quote of a {kind}", answer.status_code == 201, answer.text[:300]):
            continue
        quote = strict_json(answer.content)
        forms = form_of(quote["source"]), form_of(quote["target"])
        equal(f"{kind}: the sides' forms", forms, FORMS[kind])
        rate, money = quote["rate"], quote["settlement"]
        got = {
            "source": amount_of(quote["source"]),
            "target": amount_of(quote["target"]),
            **{n: decimal(money[n]) for n in ("gross", "fee", "net", "remainder")},
        }
        values = [decimal(rate[n]) for n in ("source_value", "target_value", "fee")]
        if kind == "redemption":
            bearer = rate.get("fee_bearer", "member")
            scales = world.scales[source.program], 6
            more = *scales, Fraction(1), bearer
            wanted = exchange("target", decimal("1.9"), *values, *more)
        else:
            wanted = accrual(decimal("30"), *values[1:])
        equal(f"{kind}: terms by the rule", got, wanted)
        answer = source.order(quote["token"])
        if not check(f"a {kind} is performed", answer.status_code == 201, answer.text[:300]):
            continue
        done = strict_json(answer.content)
        equal(f"{kind}: kind and state", (done["kind"], done["state"]), (kind, "completed"))
        receipt, _ = receipt_of(world, done)
        equal(f"{kind}: postings", receipt["postings"], expected_postings(receipt))
        check_evidence(world, f"{kind}:", source, receipt)
        made[kind] = done, wanted
    if len(made) < 2:
        return
    given, received = made["redemption"][1]["source"], made["accrual"][1]["target"]
    after = source.balance(world, mine), target.balance(world, theirs)
    equal("points were given and received", after, (before[0] - given, before[1] + received))
    equal("the cash stands there", made["redemption"][0]["target"]["cash"], "0.6")
    reason = reversal_reason(world)
    paths = {kind: f"/v1/transactions/{done['id']}/reversals" for kind, (done, _) in made.items()}
    refused(
        "a redemption turned round by who gave the points",
        source.post(paths["redemption"], reversal(None, "source", reason)),
        403,
        "kind_not_allowed",
    )
    refused(
        "an accrual turned round by a side that gave none",
        target.post(paths["accrual"], reversal("1", "source", reason)),
        400,
        "malformed",
    )
    for kind, part in (("redemption", "0.7"), ("accrual", "12")):
        whole, terms = made[kind]
        scales = world.scales[source.program], 6 if kind == "redemption" else 0
        nothing = Fraction(0), Fraction(0)
        wanted, done = reverse("target", decimal(part), terms, nothing, *scales)
        for body in (reversal(part, "target", reason), reversal(None, "target", reason)):
            answer = target.post(paths[kind], body)
            what = f"{kind}: a reversal of {body.get('amount', 'the rest')}"
            if check(what, answer.status_code == 201, answer.text[:300]):
                got = strict_json(answer.content)
                compare_reversal(world, what, whole, got, wanted, source, target)
            left = terms["target"] - done[1]
            wanted, _ = reverse("target", left, terms, done, *scales)
        now = strict_json(source.get(f"/v1/transactions/{whole['id']}").content)
        equal(f"{kind}: state", now["state"], "reversed")
    after = source.balance(world, mine), target.balance(world, theirs)
    equal("everything restored to the digit", after, before)


def order_leaf(quote_id, reference):
    return leaf_hash(jcs({"quote": quote_id, "source_reference": reference}))


def orders_header(leaves):
    return {"Alliance-Orders": f"sha-256=:{base64.b64encode(tree_root(leaves)).decode()}:"}


def batches(world):
    source, target = world.hosted[:2]
    mine, theirs = world.pair(source, target, 400)
    lonely, other = world.stranger(source, target)
    quotes = [source.terms(target, str(20 + n), mine, theirs) for n in range(5)]
    quotes.append(source.terms(target, "20", lonely, other))
    orders = [
        {"key": new_key(), "quote": quote["token"], "source_reference": new_reference()}
        for quote in quotes
    ]
    leaves = [
        order_leaf(q["id"], o["source_reference"]) for q, o in zip(quotes, orders, strict=True)
    ]
    path = "/v1/transactions/batch"
    before = source.balance(world, mine)
    codes = ("malformed", "signature_incomplete", "signature_invalid")
    answer = source.post(path, {"orders": orders})
    refused("a batch without Alliance-Orders", answer, (400, 401), codes)
    answer = source.post(path, {"orders": orders}, headers=orders_header(leaves))
    refused("Alliance-Orders that is not covered", answer, (400, 401), codes)
    answer = source.post(
        path,
        {"orders": orders},
        headers=orders_header(list(reversed(leaves))),
        also=("alliance-orders",),
    )
    refused(
        "Alliance-Orders of other orders", answer, (400, 401, 422), (*codes, "idempotency_mismatch")
    )
    equal("none of them moved a point", source.balance(world, mine), before)

    def send():
        return source.post(
            path, {"orders": orders}, headers=orders_header(leaves), also=("alliance-orders",)
        )

    answer = send()
    equal("a batch is answered", answer.status_code, 200)
    results = strict_json(answer.content)["results"]
    equal("each order by itself", [r["status"] for r in results], [201] * 5 + [403])
    equal("the refusal's code", results[5]["problem"]["code"], "members_not_linked")
    equal(
        "in order",
        [r["transaction"]["quote"] for r in results[:5]],
        [q["id"] for q in quotes[:5]],
    )
    for index in (0, 2, 4):
        receipt, _ = receipt_of(world, results[index]["transaction"])
        wanted = jcs(
            {"quote": quotes[index]["id"], "source_reference": orders[index]["source_reference"]}
        )
        equal(f"order {index}: digest", receipt["order"], sha256(wanted).hex())
        check_evidence(world, f"order {index}:", source, receipt)
    again = strict_json(send().content)["results"]
    equal(
        "the batch again is the same transactions",
        [r.get("transaction", {}).get("id") for r in again],
        [r.get("transaction", {}).get("id") for r in results],
    )
    equal("and moved nothing", before - source.balance(world, mine), sum(range(20, 25)))
    single = source.order(orders[0]["quote"], orders[0]["source_reference"], key=orders[0]["key"])
    equal(
        "an order's key is a key like any other", single.headers.get("Idempotency-Replayed"), "true"
    )
    equal(
        "with the same answer",
        strict_json(single.content)["id"],
        results[0]["transaction"]["id"],
    )
    # The same order twice in one batch is one transaction.
    quote = source.terms(target, "25", mine, theirs)
    twice = {"key": new_key(), "quote": quote["token"], "source_reference": new_reference()}
    leaf = order_leaf(quote["id"], twice["source_reference"])
    answer = source.post(
        path,
        {"orders": [twice, twice]},
        headers=orders_header([leaf, leaf]),
        also=("alliance-orders",),
    )
    if check("one order twice in a batch", answer.status_code == 200, answer.text[:300]):
        results = strict_json(answer.content)["results"]
        ids = [r.get("transaction", {}).get("id") for r in results]
        check("is one transaction", ids[0] and ids[0] == ids[1], short(results))


XML_NAMESPACE = "urn:alliance:v1"


def to_xml(name, members):
    """A document of objects and strings, by the page on XML."""

    def fill(element, value):
        if isinstance(value, dict):
            for key, member in value.items():
                fill(ElementTree.SubElement(element, key), member)
        else:
            element.text = value

    root = ElementTree.Element(name, {"xmlns": XML_NAMESPACE})
    fill(root, members)
    return ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)


def in_xml(world):
    """The same orders in XML, by a stock reader and writer of it."""
    source, target = world.hosted[:2]
    mine, theirs = world.pair(source, target, 100)
    post_required, _ = answer_parts()
    xml = {"Content-Type": "application/xml", "Accept": "application/xml", **asks_signed()}

    def send(path, name, members, **more):
        headers = {**xml, **more.pop("headers", {})}
        return source.post(path, to_xml(name, members), headers=headers, **more)

    def read(what, answer, status, root, media="application/xml"):
        equal(f"{what}: status", answer.status_code, status)
        equal(f"{what}: media type", answer.headers.get("Content-Type"), media)
        verify_answer(world, f"{what}: signed over its XML", answer, post_required)
        document = ElementTree.fromstring(answer.content)
        equal(f"{what}: root", document.tag, f"{{{XML_NAMESPACE}}}{root}")
        return lambda path: document.findtext(
            "/".join(f"{{{XML_NAMESPACE}}}{part}" for part in path.split("/"))
        )

    asked = {
        "kind": "exchange",
        "source": {"program": source.program, "member": mine},
        "target": {"program": target.program, "member": theirs},
        "amount": {"side": "source", "value": "40"},
    }
    quote = read("a quote", send("/v1/quotes", "QuoteRequest", asked), 201, "Quote")
    plain = source.terms(target, "40", mine, theirs)
    equal("of the same terms as in JSON", quote("target/amount"), plain["target"]["amount"])
    order = {"quote": quote("token"), "source_reference": new_reference()}
    path, problem = "/v1/transactions", "application/problem+xml"
    bare = send(path, "OrderRequest", order)
    refusal = read("without Alliance-Orders", bare, 401, "Problem", problem)
    equal("is refused", refusal("code"), "signature_incomplete")
    leaf = order_leaf(quote("id"), order["source_reference"])
    key = new_key()

    def perform():
        return send(
            path,
            "OrderRequest",
            order,
            key=key,
            headers=orders_header([leaf]),
            also=("alliance-orders",),
        )

    before = source.balance(world, mine)
    made = read("an order", perform(), 201, "Transaction")
    equal("moved its points", before - source.balance(world, mine), 40)
    time.sleep(1.1)
    again = perform()
    equal("its replay", again.headers.get("Idempotency-Replayed"), "true")
    equal("is the same", read("a replay", again, 201, "Transaction")("id"), made("id"))
    told = strict_json(source.get(f"{path}/{made('id')}").content)
    receipt, _ = receipt_of(world, told)
    check_evidence(world, "an order in XML:", source, receipt)
    doctype = to_xml("QuoteRequest", asked).replace(b"?>", b"?><!DOCTYPE a>", 1)
    answer = source.post("/v1/quotes", doctype, headers=xml)
    refusal = read("a DOCTYPE", answer, 400, "Problem", problem)
    equal("is malformed", refusal("code"), "malformed")


def at_once(world):
    """The same order, many times at once: one effect."""
    source, target = world.hosted[:2]
    mine, theirs = world.pair(source, target)
    before = source.balance(world, mine)
    quote = source.terms(target, "50", mine, theirs)
    key, reference = new_key(), new_reference()
    answers = []

    def send():
        answers.append(source.order(quote["token"], reference, key=key))

    threads = [threading.Thread(target=send) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kinds = {(a.status_code, a.headers.get("Idempotency-Replayed")) for a in answers}
    allowed = {(201, None), (201, "true"), (409, None)}
    check("the same order 24 times at once: allowed answers only", kinds <= allowed, kinds)
    good = [strict_json(a.content)["id"] for a in answers if a.status_code == 201]
    equal("one transaction", len(set(good)), 1)
    first = [a for a in answers if a.status_code == 201 and "Idempotency-Replayed" not in a.headers]
    equal("one first answer", len(first), 1)
    for answer in answers:
        if answer.status_code == 409:
            refused("in flight", answer, 409, "idempotency_in_flight")
            check("with Retry-After", "Retry-After" in answer.headers)
            break
    equal("one effect", before - source.balance(world, mine), 50)


def linking(world):
    source, target, third = world.hosted[:3]
    mine, theirs = world.stranger(source, target)
    quote = source.terms(target, "50", mine, theirs)
    body = {
        "a": {"program": source.program, "member": mine},
        "b": {"program": target.program, "member": theirs},
        "consent": {"scope": ["exchange"], "until": None},
    }
    key = new_key()
    answer = source.post("/v1/links", body, key=key)
    if not check("a link is proposed", answer.status_code in (200, 201), answer.text[:300]):
        return
    link = strict_json(answer.content)
    check("its id", type_id(link["id"], "lnk"), short(link))
    equal("its state", link["state"], "proposed")
    again = source.post("/v1/links", body, key=key)
    equal("proposed again under its key", again.headers.get("Idempotency-Replayed"), "true")
    refused(
        "a proposal is no link",
        source.order(quote["token"]),
        403,
        "members_not_linked",
    )
    confirm = f"/v1/links/{link['id']}/confirm"
    answer = third.post(confirm, {})
    refused("a third partner cannot confirm it", answer, 404, "not_found")
    answer = source.post(confirm, {})
    check("nor can the one who proposed", answer.status_code in (403, 404, 409), answer.text[:200])
    answer = target.post(confirm, {})
    check("the other partner confirms", answer.status_code in (200, 201), answer.text[:300])
    equal("it is active", strict_json(answer.content)["state"], "active")
    answer = source.order(quote["token"])
    check("now the exchange is performed", answer.status_code == 201, answer.text[:300])
    answer = target.post(f"/v1/links/{link['id']}/revoke", {})
    check("either can revoke it", answer.status_code in (200, 201), answer.text[:300])
    equal("it is revoked", strict_json(answer.content)["state"], "revoked")
    quote = source.terms(target, "50", mine, theirs)
    refused(
        "and the members are strangers", source.order(quote["token"]), 403, "members_not_linked"
    )


def sign_jws(partner, kind, payload):
    """A compact JWS of a partner's, in the one form."""
    header = f'{{"alg":"EdDSA","kid":"{partner.kid}","typ":"{kind}"}}'.encode()
    signed = f"{base64url(header)}.{base64url(payload)}"
    return f"{signed}.{base64url(partner.key.sign(signed.encode()))}"


def agreeing(world):
    """Two partners propose and countersign the next version, which begins in a year."""
    low, high = sorted(world.hosted[:2], key=lambda partner: partner.name)
    third = next(p for p in world.partners.values() if p not in (low, high))
    kind = "alliance-agreement+jws"
    listed = strict_json(low.get("/v1/agreements?state=active&with=" + high.name).content)
    last = max(listed["items"], key=lambda item: item["agreement"]["version"], default=None)
    before = jcs(last["agreement"]) if last else None
    begins = datetime.now(timezone.utc) + timedelta(days=365)
    document = {
        "a": low.name,
        "alliance": low.alliance,
        "b": high.name,
        "caps": None,
        "effective_at": begins.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "expiry": "fresh",
        "fee": {"bearer": "member", "rate": "0.02", "tiers": []},
        "kinds": ["exchange"],
        "member_limits": [],
        "open_quote_limit": None,
        "orders": [
            {"increment": "10", "maximum": None, "minimum": "100", "program": low.program}
        ],
        "overrides": [{"factor": "0.9", "source": low.program, "target": high.program}],
        "previous": sha256(before).hex() if before else "0" * 64,
        "quote_lifetime_seconds": 60,
        "reversal_period_seconds": 86400,
        "tiers": [],
        "until": None,
        "v": 1,
        "version": last["agreement"]["version"] + 1 if last else 1,
    }
    payload = jcs(document)
    faulty = {**document, "v": 2, "kinds": [], "fee": {"bearer": "nobody", "rate": "1"}}
    body = {"jws": sign_jws(low, kind, jcs(faulty))}
    problem = refused("a faulty agreement", low.post("/v1/agreements", body), 400, "malformed")
    told = {error["pointer"] for error in problem.get("errors", [])}
    equal("all its faults", told, {"/v", "/kinds", "/fee/bearer", "/fee/rate"})
    forged = {"jws": sign_jws(high, kind, payload)}
    refused("signed by the other", low.post("/v1/agreements", forged), 400, "malformed")
    spaced = {"jws": sign_jws(low, kind, payload.replace(b":", b": ", 1))}
    refused("not canonical", low.post("/v1/agreements", spaced), 400, "malformed")
    receipt = {"jws": sign_jws(low, "alliance-receipt+jws", payload)}
    refused("of another typ", low.post("/v1/agreements", receipt), 400, "malformed")
    stale = {**document, "version": document["version"] + 1, "previous": "1" * 64}
    stale = {"jws": sign_jws(low, kind, jcs(stale))}
    refused("not the next version", low.post("/v1/agreements", stale), 409, "agreement_stale")

    answer = low.post("/v1/agreements", {"jws": sign_jws(low, kind, payload)})
    if not check("an agreement is proposed", answer.status_code == 201, answer.text[:300]):
        return
    proposed = strict_json(answer.content)
    check("its id", type_id(proposed["id"], "agr"), short(proposed))
    equal("its state", proposed["state"], "proposed")
    path = f"/v1/agreements/{proposed['id']}"
    refused("a third partner does not see it", third.get(path), 404, "not_found")
    own = {"jws": sign_jws(low, kind, payload)}
    refused("nor alone", low.post(f"{path}/countersign", own), 403, "kind_not_allowed")
    seen = strict_json(high.get(path).content)
    named = {low.kid: low.public}
    offered, _ = open_jws(seen["a_jws"], kind, named)
    equal("what the other sees is what was signed", offered, payload)
    answer = high.post(f"{path}/countersign", {"jws": sign_jws(high, kind, offered)})
    if not check("it is countersigned", answer.status_code == 200, answer.text[:300]):
        return
    active = strict_json(low.get(path).content)
    equal("it is signed by both", active["state"], "active")
    equal("it has not begun", active["in_force"], False)
    for name, partner in (("a_jws", low), ("b_jws", high)):
        keys = {partner.kid: world.partner_keys[partner.kid]}
        equal(f"{name} of {partner.name}", open_jws(active[name], kind, keys)[0], payload)
    equal("the decoded copy is the signed document", jcs(active["agreement"]), payload)
    late = high.post(f"{path}/withdraw", {})
    refused("what both have signed stays", late, 409, "agreement_not_proposed")


class Hooks(http.server.BaseHTTPRequestHandler):
    """Takes webhooks; answers as it is told."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.put((dict(self.headers.items()), body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def webhooks(world):
    """Pushed events, checked by the stock library and by the gateway's key."""
    source, target = world.hosted[:2]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hooks)
    server.got, server.answers = queue.Queue(), [500]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asked = {
        "types": ["transaction.completed"],
        "url": f"http://127.0.0.1:{server.server_port}/hooks",
    }
    made = source.post("/v1/webhooks", asked)
    equal("an endpoint is made", made.status_code, 201)
    endpoint, secret = made.json()["endpoint"], made.json()["secret"]
    check("its secret is one of the standard's", secret.startswith("whsec_"))
    mine, theirs = world.pair(source, target)
    done = source.exchange(target, "20", mine, theirs)

    stock = standardwebhooks.Webhook(secret)
    seen_ids = []
    for attempt in ("first", "second"):
        headers, body = server.got.get(timeout=30)
        event = stock.verify(body, headers)
        check(f"{attempt} attempt: the stock library verifies it", True)
        equal(f"{attempt} attempt: about the order", event["subject"], done["id"])
        fields = {name.lower(): value for name, value in headers.items()}
        seen_ids.append(fields["webhook-id"])
        equal(f"{attempt} attempt: the id is the event's", fields["webhook-id"], event["id"])
        equal(f"{attempt} attempt: structured", fields["content-type"], "application/cloudevents+json")
        message = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + body
        schemes = dict(one.split(",") for one in fields["webhook-signature"].split(" "))
        good = any(
            verifies(key, unbase64(schemes["v1a"]), message) for key in world.keys.values()
        )
        check(f"{attempt} attempt: under the gateway's key, too", good)
        feed = source.get("/v1/events?limit=1000").json()["items"]
        check(f"{attempt} attempt: as it stands in the feed", event in feed or len(feed) == 1000)
    equal("both attempts have one id", len(set(seen_ids)), 1)
    try:
        stock.verify(body.replace(b"completed", b"completer"), headers)
        check("a changed body is refused by the stock library", False)
    except standardwebhooks.WebhookVerificationError:
        check("a changed body is refused by the stock library", True)
    keep = os.environ.get("ALLIANCE_TEST_KEEP_WEBHOOK")
    if keep:
        kept = {"secret": secret, "headers": headers, "body": body.decode()}
        Path(keep).write_text(json.dumps(kept))

    path = f"/v1/webhooks/{endpoint['id']}"
    for _ in range(100):
        log = source.get(f"{path}/deliveries").json()["items"]
        if log and log[-1]["state"] == "delivered":
            break
        time.sleep(0.1)
    equal("the log: delivered at the second attempt", (log[-1]["state"], log[-1]["attempts"]), ("delivered", 2))
    refused("nobody else sees it", target.get(path), 404, "not_found")
    for url in ("ftp://127.0.0.1/", "http://user@127.0.0.1/", "hooks"):
        refused(f"no endpoint: {url}", source.post("/v1/webhooks", {"url": url}), 400, "malformed")
    equal("it is removed", source.post(f"{path}/remove", {}).status_code, 200)
    refused("and gone", source.get(path), 404, "not_found")
    server.shutdown()


def seen(world):
    """Alliance-Seen: what a partner saw, held against the chain."""
    source, target = world.hosted[:2]
    mine, theirs = world.pair(source, target)
    receipt, payload = receipt_of(world, source.exchange(target, "30", mine, theirs))
    corridor, seq = receipt["corridor"], receipt["seq"]
    good = f"{corridor}={seq}:{sha256(payload).hex()}"

    def get(value):
        return source.get("/v1/rates", headers={"Alliance-Seen": value}, also=("alliance-seen",))

    answer = get(good)
    check("what is true is passed over", answer.status_code == 200, answer.text[:300])
    lie = f"{corridor}={seq}:{'ab' * 32}"
    problem = refused("a hash that contradicts the chain", get(lie), 409, "chain_fork")
    for name in ("corridor", "seq", "seen", "ours"):
        found = [v for path, v in walk(problem) if path and path[-1] == name]
        check(f"the answer has {name}", bool(found), short(problem))
    beyond = f"{corridor}={seq + 1000}:{'ab' * 32}"
    refused("a receipt beyond the head", get(beyond), 409, "chain_fork")
    quote = source.terms(target, "30", mine, theirs)
    key, reference = new_key(), new_reference()
    answer = source.order(
        quote["token"],
        reference,
        key=key,
        headers={"Alliance-Seen": lie},
        also=("alliance-seen",),
    )
    refused("an order beside such a claim", answer, 409, "chain_fork")
    answer = source.order(quote["token"], reference, key=key)
    equal("leaves its key unused", answer.status_code, 201)
    check("and so is the first", "Idempotency-Replayed" not in answer.headers)


# ------------------------------------------------------------------------ receipts and proofs


def base_fields(base):
    fields = {}
    for line in base.decode().split("\n"):
        name, _, value = line.partition(": ")
        fields[name.strip('"') if not name.endswith(")") else name] = value
    return fields


def check_evidence(world, name, partner, receipt):
    """The partners' own signatures over what they asked for, held against the receipt."""
    answer = partner.get(f"/v1/receipts/{receipt['id']}/evidence")
    if not check(f"{name} evidence is served", answer.status_code == 200, answer.text[:300]):
        return
    document = strict_json(answer.content)
    candidates = list(byte_candidates(document))
    need(receipt["evidence"], "a receipt without evidence")
    for entry in receipt["evidence"]:
        base = next((d for _, d in candidates if sha256(d).hex() == entry["base"]), None)
        if not check(f"{name} signature base is the one named", base, short(document)):
            continue
        key = world.partner_keys.get(entry["kid"])
        check(
            f"{name} signature is of {entry['partner']}",
            key and verifies(key, unbase64(entry["signature"]), base),
        )
        owner = world.partners.get(entry["partner"])
        check(f"{name} key is of {entry['partner']}", owner and owner.kid == entry["kid"])
        fields = base_fields(base)
        params = fields.get("@signature-params", "")
        check(f"{name} base names its key", f'keyid="{entry["kid"]}"' in params, params)
        if "@status" in fields:
            signed_answer(name, receipt, entry, fields, candidates)
        else:
            signed_order(world, name, receipt, fields, document, candidates)
    world.evidence_checked += 1


def signed_answer(name, receipt, entry, fields, candidates):
    """That a connected brand has answered a call of exactly this transaction (section 6)."""
    asked = fields.get('idempotency-key";req') or fields['@path";req'].rsplit("/", 1)[1]
    transaction, _, step = asked.partition(".")
    check(f"{name} {entry['partner']} answered this", transaction == receipt["transaction"], asked)
    steps = ("reserve", "capture", "credit", "cancel")
    check(f"{name} it was done", fields["@status"] == "200" and step in steps, short(fields))
    check(f"{name} an answer's tag", 'tag="alliance-cb-resp-v1"' in fields["@signature-params"])
    digest = unbase64(re.search(r"sha-256=:([^:]+):", fields["content-digest"])[1])
    check(f"{name} the answer is there", any(sha256(d) == digest for _, d in candidates), asked)


def signed_order(world, name, receipt, fields, document, candidates):
    """That the signed request asked for exactly this order."""
    order = next((d for _, d in candidates if sha256(d).hex() == receipt["order"]), None)
    if "alliance-orders" in fields:
        root = unbase64(re.fullmatch(r"sha-256=:([^:]+):", fields["alliance-orders"])[1])
        if not check(f"{name} the order's bytes are there", order, short(document)):
            return
        numbers = {
            path[-1]: item
            for path, item in walk(document)
            if path and isinstance(item, int) and not isinstance(item, bool)
        }
        index = next((v for k, v in numbers.items() if "index" in str(k) or "leaf" in str(k)), None)
        size = next((v for k, v in numbers.items() if "size" in str(k) or "total" in str(k)), None)
        lists = [
            item
            for _, item in walk(document)
            if isinstance(item, list) and all(isinstance(i, str) for i in item)
        ]
        proven = any(
            included(leaf_hash(order), index, size, [unbase64(i) for i in path], root)
            for path in lists
            if index is not None and size is not None
        )
        check(f"{name} the order is included under Alliance-Orders", proven, short(document))
        return
    digest = unbase64(re.search(r"sha-256=:([^:]+):", fields["content-digest"])[1])
    body = next((d for _, d in candidates if sha256(d) == digest), None)
    if not check(f"{name} the signed body is there", body, short(document)):
        return
    asked = strict_json(body)
    if "quote" in asked:
        payload, _ = open_jws(asked["quote"], "alliance-quote+jws", world.keys)
        digests = [
            jcs(
                {"quote": strict_json(payload)["id"], "source_reference": asked["source_reference"]}
            )
        ]
    else:
        transaction = fields["@path"].split("/")[3]
        order = {"transaction": transaction, "source_reference": asked["source_reference"]}
        # A reversal of all that is left names no amount; the page does not say whether its
        # order then has a null there or nothing.
        amount = asked.get("amount")
        digests = [jcs({**order, "amount": amount})] + ([jcs(order)] if amount is None else [])
    check(
        f"{name} the signed body is the receipt's order",
        receipt["order"] in [sha256(d).hex() for d in digests],
        short(asked),
    )


def fetch_pages(partner, corridor, limit):
    items, after = [], 0
    while True:
        answer = partner.get(f"/v1/corridors/{corridor}/receipts?after={after}&limit={limit}")
        need(answer.status_code == 200, f"receipts: {answer.status_code} {answer.text[:300]}")
        page = strict_json(answer.content)
        need(len(page["items"]) <= limit, "more than the limit")
        items += page["items"]
        last = page["items"][-1]["receipt"]["seq"] if page["items"] else after
        need(page["next_after"] == last, f"next_after is {page['next_after']}, wanted {last}")
        if not page["more"]:
            return items
        need(page["items"], "an empty page that promises more")
        after = page["next_after"]


def fetch_stream(partner, corridor, query=""):
    answer = partner.get(
        f"/v1/corridors/{corridor}/receipts{query}", headers={"Accept": "application/x-ndjson"}
    )
    need(answer.status_code == 200, f"receipts: {answer.status_code} {answer.text[:300]}")
    kind = answer.headers.get("Content-Type", "")
    need(kind.startswith("application/x-ndjson"), f"content type {kind}")
    return answer.content


def expected_postings(receipt):
    source, target, money = receipt["source"], receipt["target"], receipt["settlement"]
    debtor, creditor = money["debtor"], money["creditor"]
    if receipt["kind"] == "reversal":
        debtor, creditor = creditor, debtor
    lines = []
    # A side that is no member's account has no points to move.
    if form_of(source) == "account":
        member = f"member:{source['program']}:{source['member']}"
        issued = f"issued:{source['program']}"
        lines.append((member, issued, source["program"], source["amount"]))
    if form_of(target) == "account":
        member = f"member:{target['program']}:{target['member']}"
        issued = f"issued:{target['program']}"
        lines.append((issued, member, target["program"], target["amount"]))
    lines += [
        (f"position:{debtor}", f"position:{creditor}", money["currency"], money["net"]),
        (f"position:{debtor}", "alliance:fees", money["currency"], money["fee"]),
        (f"position:{debtor}", "alliance:rounding", money["currency"], money["remainder"]),
    ]
    if "bonus" in receipt:
        bonus = receipt["bonus"]
        lines += [
            (
                f"issued:{target['program']}",
                f"member:{target['program']}:{target['member']}",
                target["program"],
                bonus["points"],
            ),
            (
                f"campaign:{bonus['campaign']}",
                f"position:{target['partner']}",
                money["currency"],
                bonus["cost"],
            ),
        ]
    if receipt["kind"] == "reversal":
        lines = [(credit, debit, asset, amount) for debit, credit, asset, amount in lines]
    return [
        {"asset": asset, "amount": amount, "credit": credit, "debit": debit}
        for debit, credit, asset, amount in lines
        if amount != "0"
    ]


RECEIPT_MEMBERS = set(
    "v alliance corridor seq prev id transaction kind reverses quote order source target rate "
    "settlement window postings evidence completed_at".split()
)


def bonus_back(bonus, whole, before, after, scale):
    """Points and cost that a reversal takes back of a bonus: `whole` is the order's target amount,
    `before` and `after` what of it is turned round without and with the reversal."""
    points, cost = decimal(bonus["points"]), decimal(bonus["cost"])

    def so_far(turned):
        return ceil_at(points * turned / whole, scale), floor_at(cost * turned / whole, 6)

    (points_before, cost_before), (points_after, cost_after) = so_far(before), so_far(after)
    return points_after - points_before, cost_after - cost_before


def verify_bonus(receipt, scale):
    """What a campaign adds to an exchange: whole points of its scale, and what they are worth."""
    bonus = receipt["bonus"]
    need(set(bonus) == {"campaign", "cost", "points"}, f"bonus {bonus}")
    need(type_id(bonus["campaign"], "cmp"), "the bonus's campaign")
    points, cost = decimal(bonus["points"]), decimal(bonus["cost"])
    spell(points, scale)
    value = decimal(receipt["rate"]["target_value"])
    need(points > 0 and cost == ceil_at(points * value, 6), f"bonus {bonus}")


def verify_bonus_back(receipt, original, before, after, scale):
    """What a reversal takes back of its original's bonus, to the digit; nothing of none."""
    bonus, added = receipt.get("bonus"), original.get("bonus")
    if added is None:
        need(bonus is None, "a bonus back that was never added")
        return
    whole = amount_of(original["target"])
    wanted = bonus_back(added, whole, before, after, scale)
    if bonus is None:
        need(wanted == (0, 0), f"no bonus back, wanted {wanted}")
        return
    need(set(bonus) == {"campaign", "cost", "points"}, f"bonus {bonus}")
    need(bonus["campaign"] == added["campaign"], "the original's campaign")
    got = decimal(bonus["points"]), decimal(bonus["cost"])
    need(got == wanted and any(got), f"bonus back {got}, wanted {wanted}")


def verify_receipt(world, corridor, bundle, state):
    """Everything the protocol says of one receipt in its place. Raises Bad."""
    payload, kid = open_jws(bundle["jws"], "alliance-receipt+jws", world.keys)
    receipt = strict_json(payload)
    need(jcs(receipt) == payload, "JCS(parse(bytes)) = bytes")
    need(receipt == bundle["receipt"], "the decoded payload is another")
    members = set(receipt) - {"bonus", "expiry"}
    need(members == RECEIPT_MEMBERS, f"members {members ^ RECEIPT_MEMBERS}")
    if "expiry" in receipt:
        need(receipt["kind"] == "exchange" and receipt["settlement"], "no date to carry over")
        need(set(receipt["expiry"]) == {"at"}, f"expiry {receipt['expiry']}")
    need(receipt["v"] == 1 and receipt["alliance"] == world.alliance, "version, alliance")
    need(receipt["corridor"] == corridor, "corridor")
    need(receipt["seq"] == state["seq"] + 1, f"seq after {state['seq']}")
    need(receipt["prev"] == state["prev"], "prev is the hash of the payload before")
    for name, prefix in (("id", "rcp"), ("transaction", "txn"), ("window", "win")):
        need(type_id(receipt[name], prefix), f"{name} {receipt[name]!r}")
    need(receipt["transaction"] not in state["terms"], "one receipt per transaction")
    need(HASH.fullmatch(receipt["order"]), "order")
    need(
        {receipt["source"]["partner"], receipt["target"]["partner"]} == set(corridor.split("~")),
        "parties",
    )
    forms = form_of(receipt["source"]), form_of(receipt["target"])
    kinds = [kind for kind, ends in FORMS.items() if ends == forms]
    need(kinds and receipt["kind"] in (*kinds, "reversal"), f"a {receipt['kind']} of {forms}")
    for end in ("source", "target"):
        if form_of(receipt[end]) == "account":
            need(HASH.fullmatch(receipt[end]["member"]), f"{end} member")
    at = moment(receipt["completed_at"])
    need(at >= state["at"], "completed_at ran backwards")
    money = receipt["settlement"]
    terms = {
        "source": amount_of(receipt["source"]),
        "target": amount_of(receipt["target"]),
        **{n: decimal(money[n]) for n in ("gross", "fee", "net", "remainder")},
    }
    # What has no program is money, with six decimals.
    scales = [world.scales.get(receipt[end].get("program"), 6) for end in ("source", "target")]
    for end, scale in zip(("source", "target"), scales, strict=True):
        spell(terms[end], scale)
    if receipt["kind"] in FORMS:
        rate = {n: decimal(receipt["rate"][n]) for n in ("source_value", "target_value", "fee")}
        more = seldom(receipt["rate"])
        if receipt["kind"] == "accrual":
            wanted = [accrual(terms["target"], rate["target_value"], rate["fee"])]
            need(more == (1, "member") and rate["source_value"] == 1, "an accrual's rate")
        else:
            sides = ("source", "target") if receipt["kind"] == "exchange" else ("target",)
            wanted = [
                exchange(side, terms[side], *rate.values(), *scales, *more) for side in sides
            ]
        if receipt["kind"] == "redemption":
            item = receipt["target"]
            left = decimal(item["price"]) - decimal(item["cash"])
            need(left == terms["target"], "an item's amount is its price less the cash")
            need(more[0] == 1 and rate["target_value"] == 1, "a redemption's rate")
        if receipt["kind"] != "exchange":
            alone = "bonus" in receipt or "surcharge" in receipt["rate"]
            need(not alone, "bonus and surcharge are of exchanges alone")
        need(terms in wanted, f"terms of neither side: {terms}")
        need(type_id(receipt["quote"], "quo"), "quote")
        need(receipt["reverses"] is None, "reverses")
        need(
            (money["debtor"], money["creditor"])
            == (receipt["source"]["partner"], receipt["target"]["partner"]),
            "who owes whom",
        )
        if "bonus" in receipt:
            verify_bonus(receipt, scales[1])
        state["terms"][receipt["transaction"]] = (terms, receipt)
        state["reversed"][receipt["transaction"]] = (Fraction(0), Fraction(0))
    elif receipt["kind"] == "reversal":
        whole, original = state["terms"][receipt["reverses"]]
        done = state["reversed"][receipt["reverses"]]
        sides = ("source", "target") if whole["source"] else ("target",)
        ways = [reverse(side, terms[side], whole, done, *scales) for side in sides]
        good = [after for result, after in ways if result == terms]
        need(good, f"a reversal of neither side: {terms} after {done} of {whole}")
        need(good[0][0] <= whole["source"] and good[0][1] <= whole["target"], "more than all")
        state["reversed"][receipt["reverses"]] = good[0]
        state["terms"].setdefault(receipt["transaction"], (terms, receipt))
        need(receipt["rate"] == original["rate"], "at the terms of the original")
        verify_bonus_back(receipt, original, done[1], good[0][1], scales[1])
        for end in ("source", "target"):
            now, was = ({**side[end], "amount": None} for side in (receipt, original))
            need(now == was, "the original sides")
        was = original["settlement"]
        need(
            (money["debtor"], money["creditor"]) == (was["creditor"], was["debtor"]),
            "who owes whom",
        )
    else:
        raise Bad(f"kind {receipt['kind']}")
    need(terms["remainder"] >= 0, "a negative remainder")
    postings = expected_postings(receipt)
    need(receipt["postings"] == postings, f"postings {receipt['postings']}, wanted {postings}")
    need(receipt["evidence"], "no evidence")
    for entry in receipt["evidence"]:
        need(set(entry) == {"partner", "kid", "base", "signature"}, f"evidence {entry}")
        need(entry["kid"] in world.partner_keys and HASH.fullmatch(entry["base"]), "evidence")
        need(len(unbase64(entry["signature"])) == 64, "evidence signature")
    state.update(seq=receipt["seq"], prev=sha256(payload).hex(), at=at)
    return payload, receipt


def verify_chain(world, corridor, items):
    """Payload bytes and receipts of a whole chain; names the first bad seq."""
    state = {
        "seq": 0,
        "prev": "0" * 64,
        "at": datetime.fromtimestamp(0, timezone.utc),
        "terms": {},
        "reversed": {},
    }
    payloads, receipts = [], []
    for place, item in enumerate(items, 1):
        try:
            payload, receipt = verify_receipt(world, corridor, item, state)
        except Exception as error:
            raise Bad(f"{corridor} seq {place}: {error}") from error
        payloads.append(payload)
        receipts.append(receipt)
    return payloads, receipts


def corridors(world):
    names = list(world.partners.values())
    agreed = {frozenset((pair["a"], pair["b"])) for pair in world.settings["agreements"]}
    for index, one in enumerate(names):
        for two in names[index + 1 :]:
            if frozenset((one.name, two.name)) not in agreed:
                continue
            corridor = world.corridor(one, two)
            section(f"corridor {corridor}", corridor_checks, world, corridor, one, two)


def corridor_checks(world, corridor, one, two):
    third = next(p for p in world.partners.values() if p not in (one, two))
    items = fetch_pages(one, corridor, 100)
    check(f"{len(items)} receipts in pages of 100", len(items) > 0)
    equal("the other party sees the same", fetch_pages(two, corridor, 1000), items)
    streams = [fetch_stream(partner, corridor) for partner in (one, two)]
    check("both parties' streams are the same bytes", streams[0] == streams[1])
    need(streams[0].endswith(b"\n"), "the stream ends with a line feed")
    lines = streams[0][:-1].split(b"\n")
    wrong = [n for n, line in enumerate(lines, 1) if jcs(strict_json(line)) != line]
    check("every line is exactly JCS", not wrong, wrong[:5])
    streamed = [strict_json(line) for line in lines[:-1]]
    equal("the stream carries the same receipts", streamed == items, True)
    payloads, receipts = verify_chain(world, corridor, items)
    check(f"all {len(items)} receipts verify in their chain", True)
    end = {"end": {"head": sha256(payloads[-1]).hex(), "seq": len(payloads)}}
    equal("the last line is the end", strict_json(lines[-1]), end)
    middle = len(items) // 2
    answer = one.get(f"/v1/corridors/{corridor}/receipts?after={len(items)}&limit=5")
    empty = {"items": [], "next_after": len(items), "more": False}
    equal("after the head there is nothing", strict_json(answer.content), empty)
    tail = fetch_stream(one, corridor, f"?after={middle}").split(b"\n")[:-2]
    check("a stream from the middle", tail == lines[middle:-1])

    for path in (
        "receipts?after=0&limit=10",
        "checkpoint",
        "proofs/inclusion?seq=1&size=1",
        "proofs/consistency?from=1&to=1",
    ):
        answer = third.get(f"/v1/corridors/{corridor}/{path}")
        refused(f"{third.name} sees no {path.split('?')[0]}", answer, 404, "not_found")
    for path in ("receipts?after=0&limit=0", "receipts?after=-1", "receipts?after=0&after=1"):
        answer = one.get(f"/v1/corridors/{corridor}/{path}")
        check(f"{path} is refused", answer.status_code == 400, answer.text[:200])

    leaves = [leaf_hash(payload) for payload in payloads]
    proofs(world, corridor, one, leaves, receipts)

    # Of the many, some evidence of each kind, as both parties.
    rng = random.Random(1)
    for partner in (one, two):
        sample = rng.sample(receipts, min(4, len(receipts)))
        for receipt in sample:
            check_evidence(world, f"seq {receipt['seq']} as {partner.name}:", partner, receipt)


def checkpoint_good(world, name, corridor, data, leaves):
    note = parse_note(data)
    origin, size, root = parse_checkpoint(note[0])
    wanted = f"alliance/{world.alliance}/{corridor}"
    equal(f"{name}: origin", origin, wanted)
    check(
        f"{name}: signed by a gateway key",
        any(note_signed(note, wanted, k) for k in world.keys.values()),
    )
    times = [cosigned_at(note, wanted, k) for k in world.keys.values()]
    at = next((t for t in times if t is not None), None)
    check(f"{name}: cosigned with a time", at is not None, data.decode())
    if at is not None:
        check(f"{name}: of the last hour", abs(time.time() - at) < 3600, at)
    need(1 <= size <= len(leaves), f"size {size} of {len(leaves)}")
    equal(f"{name}: root recomputed", root, tree_root(leaves[:size]))
    return size, root


def proofs(world, corridor, partner, leaves, receipts):
    answer = partner.get(f"/v1/corridors/{corridor}/checkpoint")
    equal("a checkpoint is served", answer.status_code, 200)
    size, root = checkpoint_good(world, "checkpoint", corridor, answer.content, leaves)
    if size < len(leaves):
        age = datetime.now(timezone.utc) - moment(receipts[size]["completed_at"])
        check("checkpoint: at most 60 s behind", age < timedelta(seconds=65), age)

    def proof(kind, query):
        answer = partner.get(f"/v1/corridors/{corridor}/proofs/{kind}?{query}")
        need(answer.status_code == 200, f"{kind} {query}: {answer.status_code} {answer.text[:200]}")
        return hash_list(strict_json(answer.content))

    head = len(leaves)
    sizes = sorted(
        {n for n in (1, 2, 3, 4, 7, 8, head // 2, 255, 256, 257, head - 1, head) if 1 <= n <= head}
    )
    wrong = []
    count = 0
    for tree in sizes:
        top = tree_root(leaves[:tree])
        for seq in sorted({1, (tree + 1) // 2, max(1, tree - 1), tree}):
            path = proof("inclusion", f"seq={seq}&size={tree}")
            count += 1
            if path != inclusion_path(seq - 1, leaves[:tree]) or not included(
                leaves[seq - 1], seq - 1, tree, path, top
            ):
                wrong.append((seq, tree))
    check(f"{count} inclusion proofs", not wrong, wrong[:5])
    wrong, count = [], 0
    for index, old in enumerate(sizes):
        for new in sizes[index:]:
            path = proof("consistency", f"from={old}&to={new}")
            count += 1
            good = path == consistency_path(old, leaves[:new]) and consistent(
                old, tree_root(leaves[:old]), new, tree_root(leaves[:new]), path
            )
            if not good:
                wrong.append((old, new))
    check(f"{count} consistency proofs", not wrong, wrong[:5])
    for query in (
        "inclusion?seq=0&size=1",
        "inclusion?seq=2&size=1",
        f"inclusion?seq=1&size={head + 100}",
        "consistency?from=0&to=1",
        "consistency?from=2&to=1",
        f"consistency?from=1&to={head + 100}",
    ):
        answer = partner.get(f"/v1/corridors/{corridor}/proofs/{query}")
        check(f"{query} is refused", 400 <= answer.status_code < 500, answer.status_code)
    for receipt in (receipts[0], receipts[head // 2], receipts[-1]):
        tlog_proof(world, corridor, partner, leaves, receipt)


def tlog_proof(world, corridor, partner, leaves, receipt):
    name = f"proof of seq {receipt['seq']}"
    answer = partner.get(f"/v1/receipts/{receipt['id']}/proof")
    if not check(f"{name} is served", answer.status_code == 200, answer.text[:200]):
        return
    head, separator, checkpoint = answer.content.partition(b"\n\n")
    lines = head.decode().split("\n")
    equal(f"{name}: first line", lines[0], "c2sp.org/tlog-proof@v1")
    equal(f"{name}: index, and no extra", lines[1], f"index {receipt['seq'] - 1}")
    path = [unbase64(line) for line in lines[2:]]
    size, root = checkpoint_good(world, name, corridor, checkpoint, leaves)
    leaf = leaves[receipt["seq"] - 1]
    check(f"{name}: included", included(leaf, receipt["seq"] - 1, size, path, root))


def quote_expires(world):
    source, target = world.hosted[:2]
    mine, theirs = world.pair(source, target)
    quote = source.terms(target, "50", mine, theirs)
    wait = (moment(quote["expires_at"]) - datetime.now(timezone.utc)).total_seconds() + 1
    if wait > 120:
        print(f"(a quote lives {wait:.0f} s here: not waited for)")
        return
    print(f"(waiting {wait:.0f} s)", flush=True)
    time.sleep(max(0, wait))
    refused("an expired quote", source.order(quote["token"]), 410, "quote_expired")


def against(folder, url, slow):
    world = section("the demo's files", World, folder, url)
    if world is None:
        return
    section("what anybody can see", look_around, world)
    section("keys", read_keys, world)
    section("programs and rates", read_programs, world)
    if not world.keys or not all(p.program for p in world.partners.values()):
        check("keys and programs, on which all else stands", False)
        return
    section("quotes", ask_for_terms, world)
    section("strict parsing", strict_parsing, world)
    section("request signatures", signatures, world)
    section("signed answers", signed_answers, world)
    section("transactions", transactions, world)
    section("refusals", refusals, world)
    section("links", linking, world)
    section("agreements", agreeing, world)
    section("reversals", reversals, world)
    section("redemptions and accruals", other_kinds, world)
    section("batches", batches, world)
    section("XML", in_xml, world)
    section("at once", at_once, world)
    section("what was seen", seen, world)
    section("webhooks", webhooks, world)
    if slow:
        section("an expired quote", quote_expires, world)
    section("corridors", corridors, world)
    check("evidence was looked at", world.evidence_checked > 0)


# ----------------------------------------------------------------------------------- self-test


def self_test_values():
    for text in ("0", "50", "49.5", "0.0523", "1000000000000"):
        equal(f"{text} is itself", spell(decimal(text)), text)
    for text in ("", "1e5", "01", "+1", " 1", "1.", ".5", "1.0", "0.50", "-1", "1,5", "١"):
        try:
            decimal(text)
            check(f"{text!r} is refused", False)
        except Bad:
            check(f"{text!r} is refused", True)
    for text in ('{"a":1,"a":2}', '{"a":1.0}', '{"a":1e2}', '{"a":NaN}'):
        try:
            strict_json(text)
            check(f"{text} is refused", False)
        except Bad:
            check(f"{text} is refused", True)
    check("a TypeID", type_id("txn_01h455vb4pex5vsknk084sn02q", "txn"))
    check("no TypeID", not type_id("txn_81h455vb4pex5vsknk084sn02q", "txn"))
    # RFC 8037, appendix A.3.
    x = unbase64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    equal("thumbprint", thumbprint(x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")


def self_test_arithmetic():
    numbers = exchange("source", Fraction(1000), *map(Fraction, ("0.05", "0.1", "0.01")), 0, 0)
    wanted = {"source": "1000", "target": "495", "gross": "50", "fee": "0.5", "net": "49.5"}
    got = {name: spell(numbers[name]) for name in wanted}
    equal("the protocol's example", got, wanted)
    equal("leaves nothing over", numbers["remainder"], 0)
    back = exchange("target", Fraction(495), *map(Fraction, ("0.05", "0.1", "0.01")), 0, 0)
    equal("asked by target", back, numbers)
    common = Fraction(1001), *map(Fraction, ("0.05", "0.1", "0.01")), 0, 0, Fraction("1.25")
    for bearer, wanted in (
        ("member", ("619", "62.5625", "0.625625", "61.9", "0.036875")),
        ("source_partner", ("625", "63.188125", "0.625625", "62.5", "0.0625")),
        ("target_partner", ("625", "62.5625", "0.625625", "61.874375", "0.0625")),
    ):
        got = exchange("source", *common, bearer)
        parts = ("target", "gross", "fee", "net", "remainder")
        equal(f"the {bearer} bears the fee", tuple(spell(got[name]) for name in parts), wanted)
    shop = accrual(Fraction(7), Fraction("0.1"), Fraction("0.015"))
    got = {name: spell(shop[name]) for name in ("gross", "fee", "net", "remainder")}
    wanted = {"gross": "0.7105", "fee": "0.0105", "net": "0.7", "remainder": "0"}
    equal("an accrual's fee is on top", got, wanted)
    item = exchange("target", Fraction(10), Fraction("0.05"), Fraction(1), Fraction("0.01"), 0, 6)
    got = {name: spell(item[name]) for name in ("source", "gross", "net", "remainder")}
    wanted = {"source": "203", "gross": "10.15", "net": "10", "remainder": "0.0485"}
    equal("a redemption is an exchange for money", got, wanted)
    bonus = {"campaign": "cmp_01h455vb4pex5vsknk084sn02q", "cost": "49.5", "points": "495"}
    parts = [Fraction(0), Fraction(1), Fraction(300), Fraction(495)]
    got = [bonus_back(bonus, Fraction(495), *ends, 0) for ends in zip(parts, parts[1:])]
    wanted = [(1, Fraction("0.1")), (299, Fraction("29.9")), (195, Fraction("19.5"))]
    equal("a bonus comes back in parts", got, wanted)
    third = {**bonus, "cost": "1", "points": "10"}
    got = [bonus_back(third, Fraction(3), t, t + 1, 0) for t in map(Fraction, range(3))]
    cents = Fraction("0.333333")
    wanted = [(4, cents), (3, cents), (3, Fraction("0.333334"))]
    equal("points of it are rounded up, its cost down, and all come back", got, wanted)
    rng = random.Random(7)
    negative = gains = unrestored = 0
    bearers = ("member", "source_partner", "target_partner")
    for _ in range(3000):
        values = [Fraction(rng.randint(1, 10**6), 10 ** rng.randint(2, 6)) for _ in range(2)]
        fee = Fraction(rng.choice([0, 1, 50, 10_000, 200_000]), 10**6)
        scales = rng.randint(0, 2), rng.randint(0, 2)
        amount = Fraction(rng.randint(1, 10**6), 10 ** scales[0])
        # Not above 1, or a round trip could gain.
        more = Fraction(rng.choice([10**6, rng.randint(1, 10**6)]), 10**6), rng.choice(bearers)
        terms = exchange("source", amount, values[0], values[1], fee, *scales, *more)
        negative += terms["remainder"] < 0
        if terms["target"] == 0:
            continue
        round_trip = exchange(
            "source", terms["target"], values[1], values[0], fee, scales[1], scales[0], *more
        )
        gains += round_trip["target"] > amount
        wanted = exchange("target", terms["target"], values[0], values[1], fee, *scales, *more)
        negative += wanted["remainder"] < 0
        gains += wanted["source"] > amount
        # Cut into reversals, everything comes back to the digit.
        if terms["net"] <= 0:
            continue
        done, total = (Fraction(0), Fraction(0)), defaultdict(Fraction)
        while done[1] < terms["target"] or done[0] < terms["source"]:
            side = rng.choice(["source", "target"])
            left = terms[side] - done[("source", "target").index(side)]
            if left == 0:
                side = "target" if side == "source" else "source"
                left = terms[side] - done[("source", "target").index(side)]
            unit = Fraction(1, 10 ** scales[("source", "target").index(side)])
            part = min(left, unit * rng.randint(1, max(1, int(left / unit))))
            money, done = reverse(side, part, terms, done, *scales)
            for name, value in money.items():
                total[name] += value
                negative += value < 0
        parts = ("source", "target", "net", "fee", "remainder")
        unrestored += any(total[name] != terms[name] for name in parts)
    equal("no negative remainder, no negative return", negative, 0)
    equal("no round trip gains", gains, 0)
    equal("reversals restore everything", unrestored, 0)


def self_test_trees():
    leaves = [leaf_hash(str(n).encode()) for n in range(70)]
    bad = 0
    for size in range(1, 71):
        root = tree_root(leaves[:size])
        for index in range(size):
            path = inclusion_path(index, leaves[:size])
            bad += not included(leaves[index], index, size, path, root)
            bad += index + 1 < size and included(leaves[index], index + 1, size, path, root)
        for old in range(1, size + 1):
            path = consistency_path(old, leaves[:size])
            old_root = tree_root(leaves[:old])
            bad += not consistent(old, old_root, size, root, path)
            bad += consistent(old, root if old != size else b"\0" * 32, size, root, path)
    equal("trees up to 70 leaves", bad, 0)
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    equal("the empty tree", tree_root([]).hex(), empty)


def self_test_notes():
    note = parse_note(
        "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2"
        "ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n".encode()
    )
    key = unbase64("AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")[1:]
    check("the note of the specification", note_signed(note, "example.com/foo", key))
    check("not under another name", not note_signed(note, "example.com/bar", key))
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    text = b"alliance/demo/a~b\n1\n" + base64.b64encode(bytes(32)) + b"\n"
    blob = note_key_id("w", 4, public) + struct.pack(">Q", 1234)
    blob += private.sign(b"cosignature/v1\ntime 1234\n" + text)
    line = f"\n— w {base64.b64encode(blob).decode()}\n".encode()
    equal("a cosignature", cosigned_at(parse_note(text + line), "w", public), 1234)
    other = text.replace(b"\n1\n", b"\n2\n")
    equal("of another tree", cosigned_at(parse_note(other + line), "w", public), None)
    header = base64url(
        jcs({"alg": "EdDSA", "kid": thumbprint(public), "typ": "alliance-receipt+jws"})
    )
    body = base64url(b"{}")
    token = f"{header}.{body}.{base64url(private.sign(f'{header}.{body}'.encode()))}"
    keys = {thumbprint(public): public}
    equal("a JWS", open_jws(token, "alliance-receipt+jws", keys)[0], b"{}")
    for name, args in {
        "another typ": (token, "alliance-quote+jws", keys),
        "an unknown key": (token, "alliance-receipt+jws", {}),
        "another payload": (token.replace(body, base64url(b"[]")), "alliance-receipt+jws", keys),
        "padding": (token + "=", "alliance-receipt+jws", keys),
    }.items():
        try:
            open_jws(*args)
            check(f"a JWS with {name} is refused", False)
        except Bad:
            check(f"a JWS with {name} is refused", True)


def self_test_vectors(folder):
    if not folder.is_dir():
        print(f"({folder} is not there: passed over)")
        return
    count, wrong = 0, []
    for path in sorted((folder / "merkle-rfc6962" / "testdata" / "inclusion").rglob("*.json")):
        case = json.loads(path.read_bytes())
        args = [base64.b64decode(case[n] or "") for n in ("leafHash", "root")]
        hashes = [base64.b64decode(p) for p in case["proof"] or []]
        good = included(args[0], case["leafIdx"], case["treeSize"], hashes, args[1])
        count += 1
        if good == case["wantErr"]:
            wrong.append(path.name)
    check(f"{count} inclusion vectors", count and not wrong, wrong)
    count, wrong = 0, []
    for path in sorted((folder / "merkle-rfc6962" / "testdata" / "consistency").rglob("*.json")):
        case = json.loads(path.read_bytes())
        roots = [base64.b64decode(case[n] or "") for n in ("root1", "root2")]
        hashes = [base64.b64decode(p) for p in case["proof"] or []]
        good = consistent(case["size1"], roots[0], case["size2"], roots[1], hashes)
        count += 1
        if good == case["wantErr"]:
            wrong.append(path.name)
    check(f"{count} consistency vectors", count and not wrong, wrong)
    log = folder / "tlog-tessera-testlog" / "testdata" / "log"
    words = "one two three four five six seven eit nain ten ileven twelf threeten fourten fivten"
    leaves = [leaf_hash(word.encode()) for word in words.split()]
    key = unbase64("AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")[1:]
    wrong = []
    for size in range(16):
        note = parse_note((log / f"checkpoint.{size}").read_bytes())
        origin, count, root = parse_checkpoint(note[0])
        good = note_signed(note, origin, key) and count == size and root == tree_root(leaves[:size])
        if not good:
            wrong.append(size)
    check("16 checkpoints of a public test log", not wrong, wrong)
    wrong = []
    for path in sorted((folder / "jcs" / "testdata" / "input").glob("*.json")):
        wanted = (folder / "jcs" / "testdata" / "output" / path.name).read_bytes()
        if jcs(json.loads(path.read_bytes())) != wanted:
            wrong.append(path.name)
    check("JCS vectors", not wrong, wrong)


def self_test_messages():
    """The request side's signatures, held against the same library's verifier."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    partner = Partner.__new__(Partner)
    partner.key, partner.public, partner.kid = private, public, thumbprint(public)
    partner.url, partner.session = "http://127.0.0.1:1", requests.Session()
    sent = []

    class Answer:
        status_code, headers, text = 200, {}, ""

    partner.session.send = lambda prepared, **_: sent.append(prepared) or Answer()
    partner.post("/v1/a~b/c?d=e", {"x": "y"}, key="k")
    request = sent[0]
    HTTPMessageVerifier(
        signature_algorithm=ED25519,
        key_resolver=MappingKeyResolver(
            public_keys={partner.kid: private.public_key()}, private_keys={}
        ),
    ).verify(request, expect_tag="alliance-v1", require_components=POST_PARTS, body=request.body)
    check("a signed request verifies", True)
    check("the path is sent as it was written", request.url.endswith("/v1/a~b/c?d=e"), request.url)


def self_test(vectors):
    section("values", self_test_values)
    section("arithmetic", self_test_arithmetic)
    section("trees", self_test_trees)
    section("notes and tokens", self_test_notes)
    section("messages", self_test_messages)
    if vectors:
        section("published vectors", self_test_vectors, Path(vectors))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dir", help="the folder that `alliance demo --dir` made")
    parser.add_argument("--url", help="the gateway's address; default: what client.toml says")
    parser.add_argument("--slow", action="store_true", help="also wait for a quote to expire")
    parser.add_argument("--self-test", action="store_true", help="check this program itself")
    parser.add_argument("--vectors", help="with --self-test: a folder of published vectors")
    options = parser.parse_args()
    if not options.self_test and not options.dir:
        parser.error("--dir or --self-test is needed")
    if options.self_test:
        self_test(options.vectors)
    if options.dir:
        against(options.dir, options.url, options.slow)
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
