"""What of the person's environment reaches an agent: what is listed here, and nothing else."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

_PLAIN = {
    "LANG", "LANGUAGE", "TZ",
    # Proxies, as programs spell them.
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    # Where packages come from.
    "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_NATIVE_TLS",
    "GOPROXY", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOSUMDB", "GOFLAGS", "GOTOOLCHAIN",
}  # fmt: skip

# Their values are files and folders that have to be seen from inside.
_PATHS = {
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE",
    "PIP_CERT", "PIP_CONFIG_FILE", "NPM_CONFIG_CAFILE", "npm_config_cafile",
    # Tool chains that are found by a variable.
    "PYENV_ROOT", "NVM_DIR", "RUSTUP_HOME", "VOLTA_HOME", "GOROOT", "JAVA_HOME", "DOTNET_ROOT",
    "BUN_INSTALL", "DENO_INSTALL", "SDKMAN_DIR",
}  # fmt: skip

_PREFIXES = ("LC_", "PIP_", "NPM_CONFIG_", "npm_config_")

# What installs packages needs no right to publish them.
_NEVER = ("PASSWORD", "_PUBLISH_")

_CLAUDE = {
    "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL", "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX",
}  # fmt: skip

# Where the scripted agent finds the gates that a test opens.
_SCRIPTED = {"SCRIPTED_GATES"}

# A cloud's keys go to an agent only where its model is reached through that cloud.
_BEDROCK = {
    "ANTHROPIC_BEDROCK_BASE_URL", "ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION",
    "CLAUDE_CODE_SKIP_BEDROCK_AUTH", "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE",
}  # fmt: skip
_BEDROCK_PATHS = {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"}
_VERTEX = {
    "ANTHROPIC_VERTEX_BASE_URL", "ANTHROPIC_VERTEX_PROJECT_ID", "CLAUDE_CODE_SKIP_VERTEX_AUTH",
    "CLOUD_ML_REGION", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT",
}  # fmt: skip
_VERTEX_PATHS = {"GOOGLE_APPLICATION_CREDENTIALS"}

# One of these is enough to reach a model.
_SIGN_INS = (
    "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX",
)  # fmt: skip


def agent_environment(environ: Mapping[str, str], agent: str) -> dict[str, str]:
    """The variables for an agent of this kind, besides HOME and who commits are by (`mainloop.git`).

    `environ` is the environment the person gave the server, their `.env` included.
    """
    allowed = _PLAIN | _PATHS | credential_names(environ, agent)
    given = {
        name: value
        for name, value in environ.items()
        if name in allowed or (name.startswith(_PREFIXES) and not any(word in name.upper() for word in _NEVER))
    }
    given.setdefault("LANG", "C.UTF-8")
    return {**_tool_chains(environ), **given, "PATH": _path(environ)}


def project_may_set(name: str) -> bool:
    """Whether a project may give this variable to what runs in its workspaces.

    Not what an agent signs in with or is found by, nor what makes the loader run other code.
    """
    own = _CLAUDE | _BEDROCK | _BEDROCK_PATHS | _VERTEX | _VERTEX_PATHS | _SCRIPTED | {"HOME", "PATH"}
    return name not in own and not name.startswith(("ANTHROPIC_", "CLAUDE_", "MAINLOOP_", "LD_", "DYLD_", "GIT_CONFIG"))


def sign_ins(environ: Mapping[str, str]) -> list[str]:
    """The names of the variables by which Claude would sign in, strongest first; empty where there is none."""
    return [name for name in _SIGN_INS if environ.get(name)]


def named_paths(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The readable files and folders an agent's environment points to, which its sandbox has to show it."""
    names = _PATHS | _BEDROCK_PATHS | _VERTEX_PATHS
    paths = (Path(environment[name]) for name in sorted(names & environment.keys()))
    return tuple(path for path in paths if path.is_absolute() and os.access(path, os.R_OK))


def credential_names(environ: Mapping[str, str], agent: str) -> set[str]:
    """The variables by which an agent of this kind signs in, or is told where its model is; whether they are set or not."""
    if agent != "claude":
        return _SCRIPTED if agent == "scripted" else set()
    names = set(_CLAUDE)
    if environ.get("CLAUDE_CODE_USE_BEDROCK"):
        names |= _BEDROCK | _BEDROCK_PATHS
    if environ.get("CLAUDE_CODE_USE_VERTEX"):
        names |= _VERTEX | _VERTEX_PATHS
    return names


def _tool_chains(environ: Mapping[str, str]) -> dict[str, str]:
    """Where tool chains lie that look for themselves below HOME, which is another one for an agent."""
    home = Path(environ.get("HOME") or Path.home())
    places = {"RUSTUP_HOME": home / ".rustup", "PYENV_ROOT": home / ".pyenv"}
    return {name: str(path) for name, path in places.items() if os.access(path, os.R_OK)}


def _path(environ: Mapping[str, str]) -> str:
    """The person's PATH without mainloop's own environment: its `pip` is not for the agent."""
    own = Path(sys.prefix) / "bin"
    return os.pathsep.join(_without(environ.get("PATH") or os.defpath, own))


def _without(path: str, unwanted: Path) -> Iterable[str]:
    return (entry for entry in path.split(os.pathsep) if entry and Path(entry) != unwanted)
