"""Operations of CoPaw 1.0.2 that this version does not have: 501, in JSON, with what to do instead.

Reading is refused like writing. An answer such as ``{"enabled": true}`` for a guard that guards nothing would be
believed. What the configuration files say about these parts is kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse

from copaw.app.routers.deps import requested_agent
from copaw.errors import NotImplementedHere
from copaw.ports import Json

Operation = tuple[str, str]
"""Method and path, below the prefix of its router."""

_PARAMETER = re.compile(r"{(\w+)")

NO_SKILLS = (
    "Skills are not available in this version. Files in the agent's workspace are kept as they are. Tell the agent "
    "what it should know in its prompt files instead: PUT /api/agent/files/AGENTS.md."
)
SKILLS = """
GET POST        /skills
POST            /skills/ai/optimize/stream
POST            /skills/batch-delete
POST            /skills/batch-disable
POST            /skills/batch-enable
POST            /skills/hub/install/cancel/{task_id}
POST            /skills/hub/install/start
GET             /skills/hub/install/status/{task_id}
GET             /skills/hub/search
GET             /skills/pool
POST            /skills/pool/batch-delete
GET             /skills/pool/builtin-sources
POST            /skills/pool/create
POST            /skills/pool/download
POST            /skills/pool/import
POST            /skills/pool/import-builtin
POST            /skills/pool/refresh
PUT             /skills/pool/save
POST            /skills/pool/upload
POST            /skills/pool/upload-zip
DELETE          /skills/pool/{skill_name}
GET PUT DELETE  /skills/pool/{skill_name}/config
PUT             /skills/pool/{skill_name}/tags
POST            /skills/pool/{skill_name}/update-builtin
POST            /skills/refresh
PUT             /skills/save
POST            /skills/upload
GET             /skills/workspaces
DELETE          /skills/{skill_name}
PUT             /skills/{skill_name}/channels
GET PUT DELETE  /skills/{skill_name}/config
POST            /skills/{skill_name}/disable
POST            /skills/{skill_name}/enable
GET             /skills/{skill_name}/files/{file_path:path}
PUT             /skills/{skill_name}/tags
"""

NO_GUARDS = (
    "Tool guard, file guard and skill scanner are not available in this version: no tool call and no file is checked. "
    "What the configuration says about them is kept and has no effect. Switch off the tools that an agent must not "
    "use instead: PATCH /api/tools/{tool_name}/toggle."
)
GUARDS = """
GET PUT         /config/security/file-guard
GET PUT         /config/security/skill-scanner
GET DELETE      /config/security/skill-scanner/blocked-history
DELETE          /config/security/skill-scanner/blocked-history/{index}
POST            /config/security/skill-scanner/whitelist
DELETE          /config/security/skill-scanner/whitelist/{skill_name}
GET PUT         /config/security/tool-guard
GET             /config/security/tool-guard/builtin-rules
"""

NO_LOCAL_MODELS = (
    "This version does not download or run models itself. Run Ollama, LM Studio or another server with OpenAI's "
    "interface, and give its address: PUT /api/models/ollama/config."
)
LOCAL_MODELS = """
GET PUT         /local-models/config
GET             /local-models/models
GET POST DELETE /local-models/models/download
GET POST DELETE /local-models/server
GET POST DELETE /local-models/server/download
GET             /local-models/server/update
"""

NO_VOICE = (
    "Telephone calls (the channel 'voice') are not available in this version. Use another channel: "
    "GET /api/channels/status shows those there are."
)
VOICE = """
POST            /voice/incoming
POST            /voice/status-callback
"""


def operations(table: str) -> Iterator[Operation]:
    """The operations of one of the tables above."""
    for line in table.split("\n"):
        *methods, path = line.split() or [""]
        yield from ((method, path) for method in methods)


def _refusing(router: APIRouter, table: str, sentence: str) -> None:
    async def not_in_this_version() -> None:
        raise NotImplementedHere(sentence)

    for method, path in operations(table):
        router.add_api_route(
            path,
            not_in_this_version,
            methods=[method],
            status_code=501,
            response_class=JSONResponse,
            response_description=sentence,
            openapi_extra={"parameters": [_parameter(name) for name in _PARAMETER.findall(path)]},
        )


def _parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


router = APIRouter(tags=["not in this version"], dependencies=[Depends(requested_agent)])
"""For one agent each."""
server_router = APIRouter(tags=["not in this version"])
"""For the whole server, below ``/api``."""
voice_router = APIRouter(tags=["not in this version"])
"""At the root, where a telephone provider calls."""

_refusing(router, SKILLS, NO_SKILLS)
_refusing(router, GUARDS, NO_GUARDS)
_refusing(server_router, LOCAL_MODELS, NO_LOCAL_MODELS)
_refusing(voice_router, VOICE, NO_VOICE)
