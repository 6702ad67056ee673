"""The one exception tree. Facts are attributes; the class knows its HTTP status and its exit code.

::

    CopawError                      500
    ├── BadInput                    422   the caller can mend it
    │   ├── ConfigFileError         500   a file on disk does not parse or validate
    │   └── PayloadTooLarge         413
    ├── Unauthenticated             401   log in first
    ├── NotFound                    404
    │   └── AgentNotFound
    ├── Forbidden                   403
    │   └── AgentDisabled
    ├── Conflict                    409
    │   └── SessionBusy
    ├── NotImplementedHere          501
    ├── Unavailable                 503   retry later
    │   ├── ServerClosing
    │   ├── AgentNotServing
    │   └── TooManyAttempts         429
    ├── ToolFailed                  502   a tool call that is a run of its own failed
    ├── ModelError                  502   the model or its provider failed
    │   ├── ModelNotConfigured      422
    │   ├── ModelRateLimited        503
    │   └── PromptTooLong           422
    ├── RunEnded                    500   a run was ended before it finished, and why
    └── LifecycleBug                500   an illegal state change or a use after close
"""

from __future__ import annotations

from enum import StrEnum


class EndReason(StrEnum):
    """Why a run was ended. The list is closed; a cause is stored, never guessed from an exception."""

    USER_STOP = "user_stop"
    TIMEOUT = "timeout"
    RELOAD_GRACE_EXPIRED = "reload_grace_expired"
    SERVER_SHUTDOWN = "server_shutdown"
    AGENT_DELETED = "agent_deleted"
    AGENT_DISABLED = "agent_disabled"
    PARENT_CANCELLED = "parent_cancelled"

    @property
    def sentence(self) -> str:
        """One English sentence for people. Only ``user_stop`` speaks of a user."""
        return _SENTENCES[self]


_SENTENCES = {
    EndReason.USER_STOP: "Stopped by the user.",
    EndReason.TIMEOUT: "Ended because its time limit was reached.",
    EndReason.RELOAD_GRACE_EXPIRED: "Ended because the grace period after a configuration change ran out.",
    EndReason.SERVER_SHUTDOWN: "Ended because the server is shutting down.",
    EndReason.AGENT_DELETED: "Ended because the agent was deleted.",
    EndReason.AGENT_DISABLED: "Ended because the agent was disabled.",
    EndReason.PARENT_CANCELLED: "Ended because the run that asked for it was ended.",
}


class CopawError(Exception):
    """Something went wrong in copaw.

    :param message: what happened and what to do about it; the class docstring's first line if omitted.
    """

    http_status = 500
    exit_code = 1
    code = "INTERNAL_ERROR"

    def __init__(self, message: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip().split("\n", 1)[0]
        super().__init__(self.message)


class BadInput(CopawError):
    """The input is not valid."""

    http_status = 422
    exit_code = 2
    code = "BAD_INPUT"

    def __init__(self, message: str = "", *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class ConfigFileError(BadInput):
    """A configuration file cannot be used.

    :param path: the file.
    :param field: dotted path of the field at fault, empty when the file as a whole does not parse.
    :param value: ``repr`` of the value found there, shortened.
    """

    http_status = 500
    exit_code = 1
    code = "CONFIG_FILE_ERROR"

    def __init__(self, path: object, problem: str, *, field: str = "", value: str = "") -> None:
        where = f", field {field!r}" if field else ""
        found = f" (found {value})" if value else ""
        super().__init__(f"{path}{where}: {problem}{found}", field=field)
        self.path = path
        self.problem = problem
        self.value = value


class PayloadTooLarge(BadInput):
    """The request body is too large."""

    http_status = 413
    code = "PAYLOAD_TOO_LARGE"


class Unauthenticated(CopawError):
    """Log in to do that."""

    http_status = 401
    code = "UNAUTHENTICATED"


class NotFound(CopawError):
    """There is no such thing."""

    http_status = 404
    code = "NOT_FOUND"


class AgentNotFound(NotFound):
    """There is no agent with that id."""

    code = "AGENT_NOT_FOUND"

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"Agent '{agent_id}' not found. `copaw agents list` shows the agents there are.")
        self.agent_id = agent_id


class Forbidden(CopawError):
    """That is not allowed."""

    http_status = 403
    code = "FORBIDDEN"


class AgentDisabled(Forbidden):
    """The agent is disabled."""

    code = "AGENT_DISABLED"

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"Agent '{agent_id}' is disabled. Enable it first.")
        self.agent_id = agent_id


class Conflict(CopawError):
    """The request does not fit the present state."""

    http_status = 409
    code = "CONFLICT"


class SessionBusy(Conflict):
    """A run of this session is under way."""

    code = "SESSION_BUSY"

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session '{session_id}' is already running. Wait for it to end, or stop it first.")
        self.session_id = session_id


class NotImplementedHere(CopawError):
    """This operation is not available in this version."""

    http_status = 501
    code = "NOT_IMPLEMENTED"


class Unavailable(CopawError):
    """The server cannot do that now; try again later.

    :param retry_after_s: seconds after which a retry may succeed.
    """

    http_status = 503
    code = "UNAVAILABLE"

    def __init__(self, message: str = "", *, retry_after_s: int = 2) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServerClosing(Unavailable):
    """The server is shutting down."""

    code = "SERVER_CLOSING"


class AgentNotServing(Unavailable):
    """The agent has no running workspace."""

    code = "AGENT_NOT_SERVING"

    def __init__(self, agent_id: str, why: str) -> None:
        super().__init__(f"Agent '{agent_id}' is not serving: {why}")
        self.agent_id = agent_id


class TooManyAttempts(Unavailable):
    """Too many attempts to log in failed. Wait before the next one."""

    http_status = 429
    code = "TOO_MANY_ATTEMPTS"


class ToolFailed(CopawError):
    """The tool reported an error."""

    http_status = 502
    code = "TOOL_FAILED"


class ModelError(CopawError):
    """The model or its provider failed."""

    http_status = 502
    code = "MODEL_EXECUTION_FAILED"


class ModelNotConfigured(ModelError):
    """The model is not configured."""

    http_status = 422


class ModelRateLimited(ModelError):
    """The model provider is limiting requests."""

    http_status = 503


class PromptTooLong(ModelError):
    """The conversation is longer than the model takes."""

    http_status = 422


class RunEnded(CopawError):
    """A run was ended before it finished."""

    code = "AGENT_ERROR"

    def __init__(self, reason: EndReason) -> None:
        super().__init__(reason.sentence)
        self.reason = reason


class LifecycleBug(CopawError):
    """A state change that must never happen was asked for."""

    code = "LIFECYCLE_BUG"


def sentence_of(error: BaseException) -> str:
    """What is told of an error: the sentence of one of ours, the type and the text of any other."""
    return error.message if isinstance(error, CopawError) else f"{type(error).__name__}: {error}"
