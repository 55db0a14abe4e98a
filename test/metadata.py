#!/usr/bin/env python3
"""The files that tell others what pg_trickle is agree with each other.

In: META.json, pg_trickle.control, debian/ and LICENSE of this tree.
Out: a line for each thing that is wrong; exit status 0 if nothing is.

META.json is held against the PGXN Meta Spec, version 1.0.0: the fields that it
requires, and the form of those that may be there.
"""
import json
import os
import re
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
problems = []


def must(condition, message):
    if not condition:
        problems.append(message)
    return condition


def text(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
TERM = re.compile(r"[^\s/\\\x00-\x1f]{2,}")
LICENSES = """agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd
    gfdl_1_2 gfdl_1_3 gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0 mit mozilla_1_0
    mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun zlib open_source
    restricted unrestricted unknown""".split()
PHASES = {"configure", "build", "test", "runtime", "develop"}
RELATIONS = {"requires", "recommends", "suggests", "conflicts"}


def is_text(value):
    return isinstance(value, str) and value.strip() != ""


def is_texts(value):
    return is_text(value) or (isinstance(value, list) and value and all(map(is_text, value)))


def is_version(value):
    return isinstance(value, str) and SEMVER.fullmatch(value) is not None


def is_range(value):
    if value == 0 or value == "0":
        return True
    return is_text(value) and all(
        re.fullmatch(r"\s*(?:[<>]=?|==|!=)?\s*(\S+)\s*", part)
        and is_version(re.fullmatch(r"\s*(?:[<>]=?|==|!=)?\s*(\S+)\s*", part)[1])
        for part in value.split(","))


def is_url(value):
    return is_text(value) and re.fullmatch(r"[a-z][a-z0-9+.-]*://\S+", value) is not None


def check_meta(meta, released):
    must(is_text(meta.get("name")) and TERM.fullmatch(meta["name"]), "name is no term")
    must(is_version(meta.get("version")), "version is no semantic version")
    must(is_text(meta.get("abstract")), "abstract is missing")
    must(is_texts(meta.get("maintainer")), "maintainer is missing")

    license = meta.get("license")
    if isinstance(license, dict):
        must(license and all(is_url(u) for u in license.values()), "a license has no URL")
    else:
        for one in license if isinstance(license, list) else [license]:
            must(one in LICENSES, f"license {one!r} is not one of the specification")

    spec = meta.get("meta-spec", {})
    must(spec.get("version") == "1.0.0", "meta-spec is not of version 1.0.0")
    must("url" not in spec or is_url(spec["url"]), "meta-spec has no valid url")

    provides = meta.get("provides")
    if must(isinstance(provides, dict) and provides, "provides is missing"):
        for name, what in provides.items():
            must(TERM.fullmatch(name), f"provides {name!r}, which is no term")
            must(is_version(what.get("version")), f"provides {name} without a version")
            must(what.get("version") == released, f"provides {name} {what.get('version')}, not {released}")
            must(is_text(what.get("file")) and os.path.isfile(what["file"]),
                 f"provides {name} by a file that is not there")
            must("docfile" not in what or os.path.isfile(what["docfile"]),
                 f"documents {name} by a file that is not there")
            must("abstract" not in what or is_text(what["abstract"]), f"the abstract of {name} is no text")

    for phase, relations in meta.get("prereqs", {}).items():
        must(phase in PHASES or phase.lower().startswith("x_"), f"prereqs: no phase {phase}")
        for relation, needed in relations.items():
            must(relation in RELATIONS or relation.lower().startswith("x_"), f"prereqs: no relation {relation}")
            for name, wanted in needed.items():
                must(TERM.fullmatch(name) and is_range(wanted), f"prereqs: {name} {wanted!r} is no version range")

    must(meta.get("release_status", "stable") in ("stable", "testing", "unstable"),
         "release_status is not one of the specification")
    must("description" not in meta or is_text(meta["description"]), "description is no text")
    must("generated_by" not in meta or is_text(meta["generated_by"]), "generated_by is no text")
    must("tags" not in meta or (isinstance(meta["tags"], list) and
                                all(is_text(t) and len(t) < 256 and "/" not in t for t in meta["tags"])),
         "tags are no list of terms")

    resources = meta.get("resources", {})
    must("homepage" not in resources or is_url(resources["homepage"]), "resources: homepage is no URL")
    for of, keys in (("bugtracker", {"web", "mailto"}), ("repository", {"url", "web", "type"})):
        must(set(resources.get(of, {})) <= keys, f"resources: {of} has an unknown key")
        for key in ("web", "url"):
            must(key not in resources.get(of, {}) or is_url(resources[of][key]), f"resources: {of}.{key} is no URL")
    must("repository" not in resources or
         is_text(resources["repository"].get("type", "")) == ("url" in resources["repository"]),
         "resources: a repository has url and type together")

    known = {"name", "version", "abstract", "description", "maintainer", "license", "meta-spec", "provides",
             "prereqs", "release_status", "generated_by", "tags", "resources", "no_index"}
    for key in meta:
        must(key in known or key.lower().startswith("x_"), f"no key {key} is specified")


control = dict(re.findall(r"^(\w+) *= *'?(.*?)'?$", text("pg_trickle.control"), re.M))
version = control["default_version"]
meta = json.loads(text("META.json"))

must(meta.get("version") == version, f"META.json is of {meta.get('version')}, pg_trickle.control of {version}")
must(meta.get("name") == "pg_trickle", "META.json has another name")
before = len(problems)
check_meta(meta, version)
problems[before:] = ["META.json: " + p for p in problems[before:]]

must(re.search(r"^## " + re.escape(version) + r"$", text("CHANGELOG.md"), re.M), f"CHANGELOG.md does not know {version}")

packaged = re.match(r"pg-trickle \((.+)-[^-]+\)", text("debian/changelog"))
must(packaged and packaged[1] == version, f"debian/changelog is not of {version}")
must(text("debian/control") == text("debian/control.in").replace("PGVERSION", "15"),
     "debian/control is not what pg_buildext makes of debian/control.in for 15")
copyright = text("debian/copyright")
granted = re.sub(r"\s+", " ", re.sub(r"^ \.$", "", copyright, flags=re.M))
must(re.sub(r"\s+", " ", text("LICENSE").split("\n\n", 2)[2]).strip() in granted,
     "debian/copyright has not the words of LICENSE")
for notice in sorted(os.listdir("src/import")) if os.path.isdir("src/import") else []:
    if notice.startswith("LICENSE."):
        must(f"src/import/{notice[8:]}" in copyright, f"debian/copyright does not name src/import/{notice[8:]}")

print("\n".join(problems), end="\n" if problems else "")
sys.exit(1 if problems else 0)
