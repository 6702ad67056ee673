"""The Markdown files of an agent: its prompt files and its memory. Each turn reads them anew: no reload."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from copaw.app.md_files import MdFileInfo, MdFiles
from copaw.app.routers.bodies import StorableJson
from copaw.app.routers.deps import AgentId, ServicesDep

router = APIRouter(tags=["agent"], dependencies=[StorableJson])


class MdFileContent(BaseModel):
    content: str


class Written(BaseModel):
    written: bool = True


async def _prompt_files(agent_id: AgentId, services: ServicesDep) -> MdFiles:
    return MdFiles(services.generations.files(agent_id).root)


async def _memory_files(agent_id: AgentId, services: ServicesDep) -> MdFiles:
    return MdFiles(services.generations.files(agent_id).memory_dir)


PromptFilesDep = Annotated[MdFiles, Depends(_prompt_files)]
MemoryFilesDep = Annotated[MdFiles, Depends(_memory_files)]


@router.get("/agent/files")
async def list_files(files: PromptFilesDep) -> list[MdFileInfo]:
    return await asyncio.to_thread(files.list)


# ":path", so that a name with separators is refused with a reason rather than not found.
@router.get("/agent/files/{md_name:path}")
async def read_file(md_name: str, files: PromptFilesDep) -> MdFileContent:
    return MdFileContent(content=await asyncio.to_thread(files.read, md_name))


@router.put("/agent/files/{md_name:path}")
async def write_file(md_name: str, body: MdFileContent, files: PromptFilesDep) -> Written:
    await asyncio.to_thread(files.write, md_name, body.content)
    return Written()


@router.get("/agent/memory")
async def list_memory(files: MemoryFilesDep) -> list[MdFileInfo]:
    return await asyncio.to_thread(files.list)


@router.get("/agent/memory/{md_name:path}")
async def read_memory(md_name: str, files: MemoryFilesDep) -> MdFileContent:
    return MdFileContent(content=await asyncio.to_thread(files.read, md_name))


@router.put("/agent/memory/{md_name:path}")
async def write_memory(md_name: str, body: MdFileContent, files: MemoryFilesDep) -> Written:
    await asyncio.to_thread(files.write, md_name, body.content)
    return Written()
