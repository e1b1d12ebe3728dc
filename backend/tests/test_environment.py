"""What of the person's environment reaches an agent."""

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mainloop.environment import agent_environment, named_paths, sign_ins

PERSON = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere"}


def test_credentials_go_to_claude_only() -> None:
    person = {**PERSON, "ANTHROPIC_API_KEY": "k", "CLAUDE_CODE_OAUTH_TOKEN": "t"}
    assert agent_environment(person, "claude").keys() >= {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"}
    assert agent_environment(person, "scripted").keys() == {"PATH", "LANG"}


def test_gates_go_to_the_scripted_agent_only() -> None:
    person = {**PERSON, "SCRIPTED_GATES": "http://127.0.0.1:1"}
    assert "SCRIPTED_GATES" in agent_environment(person, "scripted")
    assert "SCRIPTED_GATES" not in agent_environment(person, "claude")


def test_a_clouds_keys_go_along_only_where_the_model_is_reached_through_it() -> None:
    cloud = {"AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "r", "GOOGLE_APPLICATION_CREDENTIALS": "/f"}
    assert not cloud.keys() & agent_environment({**PERSON, **cloud}, "claude").keys()
    bedrock = agent_environment({**PERSON, **cloud, "CLAUDE_CODE_USE_BEDROCK": "1"}, "claude")
    assert "AWS_SECRET_ACCESS_KEY" in bedrock
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in bedrock
    vertex = agent_environment({**PERSON, **cloud, "CLAUDE_CODE_USE_VERTEX": "1"}, "claude")
    assert "GOOGLE_APPLICATION_CREDENTIALS" in vertex
    assert "AWS_SECRET_ACCESS_KEY" not in vertex


def test_proxies_certificates_package_settings_and_the_language_go_along() -> None:
    person = {
        "LANG": "de_DE.UTF-8",
        "LC_TIME": "C",
        "HTTPS_PROXY": "http://proxy",
        "no_proxy": "localhost",
        "SSL_CERT_FILE": "/ca",
        "PIP_INDEX_URL": "https://packages",
        "npm_config_registry": "https://packages",
    }
    assert agent_environment({**PERSON, **person}, "scripted").items() >= person.items()


def test_mainloops_own_python_is_not_the_agents() -> None:
    path = f"/usr/bin:{Path(sys.prefix) / 'bin'}::/bin"
    assert agent_environment({"PATH": path}, "claude")["PATH"] == "/usr/bin:/bin"


def test_an_empty_environment_still_gives_a_path_and_a_language() -> None:
    assert agent_environment({}, "claude").keys() >= {"PATH", "LANG"}


@given(
    st.dictionaries(
        st.sampled_from(["MAINLOOP_HOME", "MAINLOOP_DATABASE_URL", "DATABASE_URL", "PGPASSWORD"]), st.text()
    )
)
def test_nothing_of_the_servers_own_goes_along(own: dict[str, str]) -> None:
    assert not own.keys() & agent_environment({**PERSON, **own}, "claude").keys()


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True), st.text()))
def test_a_variable_nobody_listed_does_not_go_along(own: dict[str, str]) -> None:
    passed = agent_environment({**PERSON, **{f"X_{name}": value for name, value in own.items()}}, "claude")
    assert passed.keys() == {"PATH", "LANG"}


def test_files_the_environment_names_are_found_where_they_exist(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    given_ = {"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "PIP_CERT": str(tmp_path / "no"), "JAVA_HOME": "relative"}
    assert named_paths(given_) == (tmp_path / "ca.pem",)


def test_the_ways_to_sign_in_are_told_strongest_first() -> None:
    assert sign_ins({"CLAUDE_CODE_OAUTH_TOKEN": "t", "ANTHROPIC_API_KEY": "k"}) == [
        "ANTHROPIC_API_KEY",
        "CLAUDE_CODE_OAUTH_TOKEN",
    ]
    assert sign_ins({"ANTHROPIC_API_KEY": ""}) == []
