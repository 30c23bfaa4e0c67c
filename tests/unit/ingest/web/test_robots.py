"""robots.txt is read as RFC 9309 says."""

import pytest

from facetry.ingest.web.robots import Rules, parse

ROBOTS = """\
# one group for two agents, then one for all
User-agent: OtherBot
User-Agent: facetry
Disallow: /private   # not this
Allow: /private/open
Disallow: /*.gif$
Disallow: /*?*sort=
Disallow: /caf\u00e9
Crawl-delay: 2.5

User-agent: *
Disallow: /
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/private", False),
        ("/private/a", False),
        ("/private/open/a", True),
        ("/a.gif", False),
        ("/a.gif?size=1", True),
        ("/a/b.gif.gif", False),
        ("/list?page=1&sort=price", False),
        ("/list/sort=price", True),
        ("/caf%C3%A9/menu", False),
    ],
)
def test_the_longest_pattern_decides(path: str, allowed: bool) -> None:
    assert parse(ROBOTS, product="facetry").allow(path) is allowed


def test_an_agent_that_is_not_named_obeys_the_group_for_all() -> None:
    assert not parse(ROBOTS, product="somebody").allow("/a")
    assert parse(ROBOTS, product="facetry").crawl_delay_seconds == 2.5


def test_groups_of_one_agent_count_together_and_allow_wins_a_tie() -> None:
    rules = parse("user-agent: a\ndisallow: /x\n\nuser-agent: b\nuser-agent: a\ndisallow: /y\nallow: /y", product="a")
    assert [rules.allow(path) for path in ("/x", "/y", "/z")] == [False, True, True]


@pytest.mark.parametrize("text", ["", "Disallow: /", "User-agent: *\nDisallow:", "<html>404</html>", "\0\xff:::\n#"])
def test_what_forbids_nothing_allows_everything(text: str) -> None:
    assert parse(text, product="facetry") == Rules()


@pytest.mark.parametrize("pattern", ["/%61dmin", "/admin", "/a%64min"])
@pytest.mark.parametrize("path", ["/admin", "/%61dmin"])
def test_escapes_that_need_not_be_count_as_what_they_stand_for(pattern: str, path: str) -> None:
    assert not parse(f"User-agent: *\nDisallow: {pattern}", product="facetry").allow(path)


def test_escapes_that_have_to_be_stay_and_are_the_same_in_small_letters() -> None:
    rules = parse("User-agent: *\nDisallow: /a%2fb", product="facetry")
    assert [rules.allow(path) for path in ("/a%2Fb", "/a%2fb", "/a/b")] == [False, False, True]


def test_a_group_may_name_a_version() -> None:
    assert not parse("User-agent: facetry/1.0\nDisallow: /", product="facetry").allow("/a")


def test_a_pattern_of_many_stars_is_judged_at_once() -> None:
    rules = parse("User-agent: *\nDisallow: /" + "a*" * 5000 + "b$", product="facetry")
    assert rules.allow("/" + "a" * 20000)
    assert not rules.allow("/" + "a" * 20000 + "b")
