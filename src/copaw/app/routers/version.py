"""Which version answers."""

from fastapi import APIRouter

from copaw import __version__

router = APIRouter(tags=["version"])


@router.get("/version")
async def get_version() -> dict[str, str]:
    return {"version": __version__}
