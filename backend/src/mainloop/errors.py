"""What can go wrong in words: every error carries its status, a stable code, and says what to do.

The docstring is the sentence the person reads; `{names}` in it are filled from the arguments.
"""


class MainloopError(Exception):
    """Something went wrong in mainloop itself. The server's log has the details."""

    status = 500
    code = "internal"

    def __init__(self, **values: object) -> None:
        self.values = values
        self.sentence = (type(self).__doc__ or "").strip().format_map(_Values(values))
        super().__init__(self.sentence)


class _Values(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


class NotSignedIn(MainloopError):
    """This browser is not signed in. Run `mainloop pair` on the machine where mainloop runs and open the link."""

    status = 401
    code = "not_signed_in"


class DeviceRevoked(MainloopError):
    """This device was signed out. Run `mainloop pair` on the machine where mainloop runs to sign in again."""

    status = 401
    code = "device_revoked"


class BadPairingCode(MainloopError):
    """This link has been used or is older than ten minutes. Run `mainloop pair` for a new one."""

    status = 400
    code = "bad_pairing_code"


class WrongOrigin(MainloopError):
    """This request came from another site ({origin}). Open mainloop under {expected}, or add the host to \
MAINLOOP_ALLOWED_HOSTS."""

    status = 403
    code = "wrong_origin"


class WrongHost(MainloopError):
    """mainloop does not answer under the name {host}. Add it to MAINLOOP_ALLOWED_HOSTS if it is yours."""

    status = 421
    code = "wrong_host"


class BadInput(MainloopError):
    """{what}"""

    status = 422
    code = "bad_input"


class UnknownThread(MainloopError):
    """There is no thread {id}. It may have been mistyped; the list of sessions shows all there are."""

    status = 404
    code = "unknown_thread"


class UnknownSession(MainloopError):
    """There is no session {id}. The list of sessions shows all there are."""

    status = 404
    code = "unknown_session"


class UnknownItem(MainloopError):
    """There is nothing in the inbox with the id {id}."""

    status = 404
    code = "unknown_item"


class UnknownPermission(MainloopError):
    """There is no standing permission {id}. The settings show all there are."""

    status = 404
    code = "unknown_permission"


class UnknownMessage(MainloopError):
    """There is no message {id} in this thread."""

    status = 404
    code = "unknown_message"


class UnknownProject(MainloopError):
    """There is no project {name}. Known are: {known}."""

    status = 404
    code = "unknown_project"


class UnknownDevice(MainloopError):
    """There is no device {id}."""

    status = 404
    code = "unknown_device"


class UnknownBlob(MainloopError):
    """There is no stored text {id}."""

    status = 404
    code = "unknown_blob"


class UnknownAttachment(MainloopError):
    """There is no file {id} here. Send it again."""

    status = 404
    code = "unknown_attachment"


class AttachmentTooLarge(MainloopError):
    """This file is larger than {limit} MB. Give its path to a session, or a part of it."""

    status = 413
    code = "attachment_too_large"


class UnknownRoute(MainloopError):
    """There is nothing at {path}. The API is described at /docs."""

    status = 404
    code = "unknown_route"


class MessageExists(MainloopError):
    """A message with this id was accepted before, with another text. Give the new one an id of its own."""

    status = 409
    code = "message_exists"


class MessageDelivered(MainloopError):
    """The agent already has this message; it can't be changed any more. Write another one."""

    status = 409
    code = "message_delivered"


class MessageTooLarge(MainloopError):
    """This message has {size} bytes; at most {limit} are taken. Put the text into a file of the project instead."""

    status = 413
    code = "message_too_large"


class TurnOver(MainloopError):
    """Turn {turn} is not running any more."""

    status = 409
    code = "turn_over"


class AlreadyAnswered(MainloopError):
    """This was answered before: {answer}."""

    status = 409
    code = "already_answered"


class ItemClosed(MainloopError):
    """This does not wait for an answer any more: {reason}."""

    status = 409
    code = "item_closed"


class NotAllowedNow(MainloopError):
    """{what}"""

    status = 409
    code = "not_allowed_now"


class SessionExists(MainloopError):
    """A session with this id exists already, started with another prompt."""

    status = 409
    code = "session_exists"


class ProjectExists(MainloopError):
    """There is a project with the id {id} already, of another repository. Give the new one an id of its own."""

    status = 409
    code = "project_exists"


class CeilingReached(MainloopError):
    """{what}"""

    status = 409
    code = "ceiling_reached"


class AgentUnavailable(MainloopError):
    """The agent {kind} can't be started here: {why}"""

    status = 409
    code = "agent_unavailable"


class RunRefused(MainloopError):
    """This run is over; a newer one exists or its token is unknown."""

    status = 409
    code = "run_refused"


class UnknownRun(MainloopError):
    """This token belongs to no run."""

    status = 401
    code = "unknown_run"


class StorageFull(MainloopError):
    """The disk is full, so nothing could be stored. Free some space; what you typed is kept in the browser."""

    status = 507
    code = "storage_full"


class DatabaseAway(MainloopError):
    """The database can't be reached right now. What you typed is kept; it is sent again by itself."""

    status = 503
    code = "database_away"


class DatabaseGone(MainloopError):
    """The database file {path} was deleted or replaced while mainloop runs, so nothing more is stored. {how}"""

    status = 503
    code = "database_gone"


class DatabaseMissing(MainloopError):
    """The database {path} is missing, but {home} holds {left}; a new one would know nothing of them. {how}"""

    code = "database_missing"


class DatabaseDamaged(MainloopError):
    """The database {path} can't be used: {why}. It was left as it is; put a backup in its place (docs/guides/backup.md \
says how), or another home with MAINLOOP_HOME."""

    code = "database_damaged"


class DatabaseReadOnly(MainloopError):
    """{path} can't be written to, and the database needs that. Mend its permissions or mount it writable, or choose \
another home with MAINLOOP_HOME."""

    code = "database_read_only"


class DatabaseNewer(MainloopError):
    """The database {path} was used by a newer mainloop (its tables are at {revision}). Install that version again, or \
bring back a backup made before the upgrade."""

    code = "database_newer"


class DatabaseBehind(MainloopError):
    """The database {path} is older than what lies in {home}: it does not know {unknown}. If it was copied without its \
-wal file, copy both again; else bring a backup back into an empty home with `mainloop import`."""

    code = "database_behind"


class DatabaseUnreachable(MainloopError):
    """The database {where} can't be reached: {why} Start it, or mend MAINLOOP_DATABASE_URL."""

    code = "database_unreachable"


class HomeInUse(MainloopError):
    """Another mainloop server already runs on {home} (process {pid}). Stop it first, or give this one a home of its \
own with MAINLOOP_HOME."""

    code = "home_in_use"


class OtherHome(MainloopError):
    """The files of this database lie in another home, {place}; here, in {home}, its sessions would have none of them. \
Start mainloop with that home, or give this one a database of its own. If that home is lost, write {ident} into \
{file}: its sessions then go on without their files."""

    code = "other_home"


class PortTaken(MainloopError):
    """Port {port} on {host} is taken by another program. Stop it, or choose another with `--port`."""

    code = "port_taken"
